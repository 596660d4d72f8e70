package shell

import (
	"strings"
	"sync"

	"mvdan.cc/sh/v3/syntax"
)

// parsed are scripts that were read before: a thousand pods of one template have
// one tree. Nobody changes it.
var parsed struct {
	mu    sync.Mutex
	files map[string]*syntax.File
}

const (
	mostParsed = 256      // scripts that are kept
	longText   = 16 << 10 // a script longer than that is not
)

// parse reads a script.
func parse(text string) (*syntax.File, error) {
	parsed.mu.Lock()
	file := parsed.files[text]
	parsed.mu.Unlock()
	if file != nil {
		return file, nil
	}
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(text), "")
	if err != nil || len(text) > longText {
		return file, err
	}
	parsed.mu.Lock()
	defer parsed.mu.Unlock()
	if parsed.files == nil || len(parsed.files) >= mostParsed {
		parsed.files = map[string]*syntax.File{}
	}
	parsed.files[strings.Clone(text)] = file
	return file, nil
}
