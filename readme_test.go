package podling

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// README.zh-CN.md says what README.md says: the same headings, rows, code, addresses and figures.
func TestReadmesAgree(t *testing.T) {
	read := func(file string) string {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	english, chinese := read("README.md"), read("README.zh-CN.md")
	for what, form := range map[string]*regexp.Regexp{
		"headings": regexp.MustCompile(`(?m)^#+ `),
		"rows":     regexp.MustCompile(`(?m)^\|`),
		"code":     regexp.MustCompile("`[^`\n]+`"),
		"figures":  regexp.MustCompile(`\b\d[\d.,]*( s\b| ms\b| MB\b)?`),
		"links":    regexp.MustCompile(`\]\([^)]+\)`),
	} {
		have := func(text string) []string {
			var out []string
			if what == "code" { // it may go on in the next line
				text = strings.ReplaceAll(fenced.ReplaceAllString(text, ""), "\n", " ")
			}
			for _, found := range form.FindAllString(strings.NewReplacer("（", " ", "）", " ", "\n", "\n", "README.zh-CN.md", "OTHER", "(README.md)", "(OTHER)").Replace(text), -1) {
				out = append(out, strings.Trim(strings.Join(strings.Fields(found), " "), ".,"))
			}
			slices.Sort(out)
			return out
		}
		a, b := have(english), have(chinese)
		if what == "links" { // each language has links of its own to the atlas, and one may be there twice
			a, b = slices.Compact(a), slices.Compact(b)
		}
		if !slices.Equal(a, b) {
			t.Errorf("%s differ:\n%q\n%q", what, without(a, b), without(b, a))
		}
	}
}

// fenced is a block of code.
var fenced = regexp.MustCompile("(?s)\n```.*?\n```")

// without are the elements of a that b lacks.
func without(a, b []string) []string {
	b = slices.Clone(b)
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool {
		i := slices.Index(b, s)
		if i >= 0 {
			b = slices.Delete(b, i, i+1)
		}
		return i >= 0
	})
}
