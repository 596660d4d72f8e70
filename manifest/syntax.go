package manifest

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	yaml "go.yaml.in/yaml/v3"
)

// longest is how many lines a document may have for its broken line to be looked for by trying.
const longest = 2000

var parserLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// notYAML says where a document stops being YAML. The parser names the line on which the construct
// began in which it got stuck, often far above; the line that people look for is the one from which
// on no beginning of the document can be read.
func notYAML(file string, text []byte, err error) error {
	at := 1
	if m := parserLine.FindStringSubmatch(err.Error()); m[1] != "" {
		at, _ = strconv.Atoi(m[1]) // digits, as the pattern says
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	if len(lines) <= longest {
		at = 1
		for n := len(lines) - 1; n > 0; n-- {
			if yaml.Unmarshal(bytes.Join(lines[:n], nil), &yaml.Node{}) == nil {
				at = n + 1
				break
			}
		}
	}
	said := parserLine.ReplaceAllString(err.Error(), "")
	if at <= len(lines) && strings.Contains(indentation(lines[at-1]), "\t") {
		said += " (a tab where YAML wants spaces)"
	}
	return &Error{File: file, Line: at, Err: fmt.Errorf("not YAML: %s", said)}
}

func indentation(line []byte) string {
	return string(line[:len(line)-len(bytes.TrimLeft(line, " \t"))])
}
