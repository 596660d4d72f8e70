package shell

import (
	"maps"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

func export(s *shell, args []string) int {
	for _, a := range args[1:] {
		name, value, given := strings.Cut(a, "=")
		if strings.HasPrefix(a, "-") {
			continue
		}
		if given {
			s.assign(name, value)
		}
		v := s.vars[name]
		if args[0] == "export" {
			v.Exported = true
		} else {
			v.ReadOnly = true
		}
		s.vars[name] = v
	}
	return 0
}

func local(s *shell, args []string) int {
	if len(s.locals) == 0 {
		s.say("local: not in a function")
		s.exits(2)
	}
	at := len(s.locals) - 1
	if s.locals[at] == nil {
		s.locals[at] = map[string]expand.Variable{}
	}
	for _, a := range args[1:] {
		name, value, given := strings.Cut(a, "=")
		if _, already := s.locals[at][name]; !already {
			s.locals[at][name] = s.vars[name]
		}
		if given {
			s.assign(name, value)
		}
	}
	return 0
}

// declare is export, local and readonly as the grammar reads them.
func (s *shell) declare(c *syntax.DeclClause) {
	args := []string{c.Variant.Value}
	for _, a := range c.Args {
		switch {
		case a.Name == nil:
			args = append(args, s.literal(a.Value))
		case a.Naked:
			args = append(args, a.Name.Value)
		default:
			args = append(args, a.Name.Value+"="+s.literal(a.Value))
		}
	}
	b := builtins[args[0]]
	if b == nil {
		s.say("%s: not found", args[0])
		s.status = 127
		return
	}
	s.status = b(s, args)
}

func unset(s *shell, args []string) int {
	for _, name := range args[1:] {
		delete(s.vars, name)
		delete(s.funcs, name)
	}
	return 0
}

// option sets one of set's: e, u, x, f.
func (s *shell) option(letter rune, to bool) {
	was := s.options
	s.options = map[rune]bool{}
	maps.Copy(s.options, was)
	s.options[letter] = to
	s.config = s.expansion()
}

func set(s *shell, args []string) int {
	args = args[1:]
	if len(args) == 0 {
		for _, name := range slices.Sorted(maps.Keys(s.vars)) {
			s.print("%s='%s'\n", name, s.vars[name].Str)
		}
		return 0
	}
	long := map[string]rune{"errexit": 'e', "nounset": 'u', "xtrace": 'x', "noglob": 'f'}
	for len(args) > 0 && len(args[0]) > 1 && (args[0][0] == '-' || args[0][0] == '+') {
		if args[0] == "--" {
			s.params = args[1:]
			return 0
		}
		to := args[0][0] == '-'
		for _, letter := range args[0][1:] {
			if letter == 'o' {
				if len(args) > 1 {
					if l, ok := long[args[1]]; ok {
						s.option(l, to)
					}
					args = args[1:]
				}
				continue
			}
			s.option(letter, to)
		}
		args = args[1:]
	}
	if len(args) > 0 {
		s.params = args
	}
	return 0
}
