package shell

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/pattern"
	"mvdan.cc/sh/v3/syntax"
)

// environment is the shell's variables, for the expansion of words.
type environment struct{ *shell }

// Get is expand.Environ's.
func (e environment) Get(name string) expand.Variable {
	text := func(v string) expand.Variable { return expand.Variable{Set: true, Kind: expand.String, Str: v} }
	switch name {
	case "#":
		return text(strconv.Itoa(len(e.params)))
	case "@", "*":
		return expand.Variable{Set: true, Kind: expand.Indexed, List: e.params}
	case "?":
		return text(strconv.Itoa(e.status))
	case "$":
		return text(strconv.Itoa(e.root().pid))
	case "!":
		if e.background == 0 {
			return expand.Variable{}
		}
		return text(strconv.Itoa(e.background))
	case "-":
		return text("")
	case "0":
		return text(e.name)
	case "PPID":
		return text("0")
	case "RANDOM":
		return text(strconv.Itoa(int(e.m.Clock.Now().UnixNano() / 1000 % 32768)))
	case "UID":
		return text(strconv.FormatInt(e.m.UID, 10))
	}
	if name != "" && name[0] >= '1' && name[0] <= '9' {
		if n, err := strconv.Atoi(name); err == nil {
			if n > len(e.params) {
				return expand.Variable{}
			}
			return text(e.params[n-1])
		}
	}
	return e.vars[name]
}

// root is the process of the shell itself, whose number $$ is in its subshells too.
func (s *shell) root() *Proc {
	if s.self != nil {
		return s.self
	}
	return s.Proc
}

// Each is expand.Environ's.
func (e environment) Each(f func(string, expand.Variable) bool) {
	for _, name := range slices.Sorted(maps.Keys(e.vars)) {
		if !f(name, e.vars[name]) {
			return
		}
	}
}

// Set is expand.WriteEnviron's, for ${x:=word} and $((x=1)).
func (e environment) Set(name string, v expand.Variable) error {
	e.assign(name, v.String())
	return nil
}

func (s *shell) expansion() *expand.Config {
	return &expand.Config{
		Env:      environment{s},
		CmdSubst: s.substitute,
		ReadDir2: func(name string) ([]fs.DirEntry, error) {
			if s.options['f'] {
				return nil, fs.ErrNotExist
			}
			return s.m.Files().list(s.path(name))
		},
		NoUnset: s.options['u'],
	}
}

// substitute is $( ).
func (s *shell) substitute(w io.Writer, c *syntax.CmdSubst) error {
	out := &collector{}
	status := s.within([]string{"sh"}, func(p *Proc) int {
		sub := s.fork(p)
		sub.fds.set(1, open(out))
		return sub.sub(c.Stmts)
	})
	s.alive()
	s.substatus = status
	s.m.hold(-int64(len(out.buf)))
	_, err := w.Write(out.buf)
	return err
}

// fields expands a command's words.
func (s *shell) fields(list []*syntax.Word) []string {
	out, err := expand.Fields(s.config, list...)
	s.check(err)
	return out
}

func (s *shell) literal(w *syntax.Word) string {
	out, err := expand.Literal(s.config, w)
	s.check(err)
	return out
}

func (s *shell) arithm(x syntax.ArithmExpr) int {
	n, err := expand.Arithm(s.config, x)
	s.check(err)
	return n
}

// check: a word that cannot be expanded ends the shell.
func (s *shell) check(err error) {
	if err == nil {
		return
	}
	unset := expand.UnsetParameterError{}
	if errors.As(err, &unset) {
		message := unset.Message
		if message == "unbound variable" {
			message = "parameter not set"
		}
		s.say("%s: %s", unset.Node.Param.Value, message)
	} else {
		s.say("%v", err)
	}
	s.exits(2)
}

func (s *shell) matches(p *syntax.Word, word string) bool {
	text, err := expand.Pattern(s.config, p)
	s.check(err)
	return match(text, word)
}

func match(text, word string) bool {
	expr, err := pattern.Regexp(text, pattern.EntireString)
	if err != nil {
		return text == word
	}
	rx, err := regexp.Compile(expr)
	return err == nil && rx.MatchString(word)
}

// assign gives a variable a value.
func (s *shell) assign(name, value string) {
	v := s.vars[name]
	if v.ReadOnly {
		s.say("%s: is read only", name)
		s.exits(2)
	}
	if more := int64(len(value) - len(v.Str)); more > 4096 || more < -4096 {
		if !s.m.hold(more) {
			s.alive()
		}
	}
	v.Set, v.Kind, v.Str = true, expand.String, value
	s.vars[name] = v
}

// assigns carries out NAME=VALUE … of a command.
func (s *shell) assigns(list []*syntax.Assign) {
	for _, a := range list {
		if a.Array != nil || a.Index != nil {
			s.say("syntax error: arrays are not for this shell")
			s.exits(2)
		}
		value := s.literal(a.Value)
		if a.Append {
			value = s.vars[a.Name.Value].Str + value
		}
		s.assign(a.Name.Value, value)
	}
}

// exported are the variables that programs get.
func (s *shell) exported() []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(s.vars)) {
		if v := s.vars[name]; v.Exported && v.Set {
			out = append(out, name+"="+v.Str)
		}
	}
	return out
}

// say writes what is wrong, in the shell's way.
func (s *shell) say(format string, args ...any) {
	s.write(2, []byte("sh: "+strings.TrimSuffix(sprintf(format, args...), "\n")+"\n"))
}
