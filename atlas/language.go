package atlas

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"
)

// Language is one that the atlas is written in.
type Language string

// The languages.
const (
	English Language = "en"
	Chinese Language = "zh"
)

// Languages are all of them.
var Languages = []Language{English, Chinese}

// zh has the English text of lifecycle/reason in one line and its translation in the next; so a
// text that was changed has no translation any more, and the old one is nobody's. Tests find both. What
// one types is the same in both.
//
//go:embed zh.txt
var zh string

// texts translates; the zero value leaves all as it is.
type texts map[string]string

var chinese = sync.OnceValues(func() (texts, error) {
	out := texts{}
	lines := strings.Split(strings.TrimRight(zh, "\n"), "\n")
	for i := 0; i < len(lines); i += 3 {
		if i+1 >= len(lines) || lines[i] == "" || lines[i+1] == "" || i+2 < len(lines) && lines[i+2] != "" {
			return nil, fmt.Errorf("zh.txt:%d: a text, its translation and an empty line have to follow each other", i+1)
		}
		if _, twice := out[lines[i]]; twice {
			return nil, fmt.Errorf("zh.txt:%d: %q stands there twice", i+1, lines[i])
		}
		out[lines[i]] = lines[i+1]
	}
	return out, nil
})

func (l Language) texts() (texts, error) {
	switch l {
	case English, "":
		return nil, nil
	case Chinese:
		return chinese()
	}
	return nil, fmt.Errorf("the atlas is not written in %q: it is in en and zh", l)
}

// of is a text in the language; one that has no translation stays as it is.
func (t texts) of(text string) string {
	if other, ok := t[text]; ok {
		return other
	}
	return text
}

func (t texts) all(list []string) []string {
	out := make([]string, len(list))
	for i, text := range list {
		out[i] = t.of(text)
	}
	return out
}
