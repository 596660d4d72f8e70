package shell

import (
	"io"
	"path"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/expand"
)

// builtins are the shell's own commands.
var builtins map[string]func(s *shell, args []string) int

func init() {
	succeed := func(*shell, []string) int { return 0 }
	builtins = map[string]func(s *shell, args []string) int{
		":": succeed, "true": succeed, "umask": succeed, "hash": succeed, "ulimit": succeed,
		"false": func(*shell, []string) int { return 1 },
		"exit":  exit, "trap": trap, "wait": waits, "kill": kills, "exec": execs, "eval": evals, ".": source, "source": source,
		"return": returning, "break": looping(breaks), "continue": looping(continues),
		"export": export, "readonly": export, "local": local, "unset": unset, "set": set, "shift": shift,
		"cd": cd, "pwd": func(s *shell, _ []string) int { s.print("%s\n", s.dir); return 0 },
		"read": reads, "echo": echo, "printf": printf, "test": test, "[": test,
		"command": commands, "type": types, "jobs": jobs, "times": succeed, "getopts": unsupported, "alias": succeed,
	}
}

func unsupported(s *shell, args []string) int {
	s.say("%s: not in this shell", args[0])
	return 2
}

// number reads a builtin's number; fallback if there is none.
func (s *shell) number(args []string, fallback int) int {
	if len(args) < 2 {
		return fallback
	}
	n, err := strconv.Atoi(args[1])
	if err != nil {
		s.say("%s: Illegal number: %s", args[0], args[1])
		s.exits(2)
	}
	return n
}

func exit(s *shell, args []string) int {
	s.exits(s.number(args, s.status) & 255)
	return 0
}

func returning(s *shell, args []string) int {
	status := s.number(args, s.status) & 255
	s.flow = returns
	return status
}

func looping(how flow) func(*shell, []string) int {
	return func(s *shell, args []string) int {
		if s.loops > 0 {
			s.flow, s.levels = how, min(max(1, s.number(args, 1)), s.loops)
		}
		return 0
	}
}

// execs puts a program in the shell's place. What was trapped is not any more.
func execs(s *shell, args []string) int {
	if len(args) == 1 {
		return 0 // its redirections last
	}
	args = args[1:]
	if _, err := s.m.Look(args[0]); err != nil {
		s.say("exec: %s: not found", args[0])
		s.exits(127)
	}
	c := s.program(args)
	c.fds = s.take()
	was := s.reset()
	s.mu.Lock()
	s.signals = was
	s.mu.Unlock()
	panic(quit{exec: c})
}

func evals(s *shell, args []string) int {
	s.status = 0
	s.eval(strings.Join(args[1:], " "))
	return s.status
}

func source(s *shell, args []string) int {
	if len(args) < 2 {
		return 0
	}
	h, err := s.openFile(args[1], 0)
	if err != nil {
		s.say("%s: can't open '%s': %s", args[0], args[1], words(err))
		s.exits(2)
	}
	text, err := io.ReadAll(readerFunc(func(b []byte) (int, error) { return h.read(s.Proc, b) }))
	h.release()
	s.check(err)
	s.eval(string(text))
	if s.flow == returns {
		s.flow = on
	}
	return s.status
}

func shift(s *shell, args []string) int {
	n := s.number(args, 1)
	if n > len(s.params) {
		return 1
	}
	s.params = s.params[n:]
	return 0
}

func cd(s *shell, args []string) int {
	to := s.vars["HOME"].Str
	if len(args) > 1 {
		to = args[1]
	}
	if to == "-" {
		to = s.vars["OLDPWD"].Str
	}
	at := s.path(to)
	info, err := s.m.Files().stat(at, true)
	if err != nil || !info.IsDir() {
		if err == nil {
			s.say("cd: can't cd to %s: Not a directory", to)
		} else {
			s.say("cd: can't cd to %s: %s", to, words(err))
		}
		return 1
	}
	s.assign("OLDPWD", s.dir)
	s.dir = path.Clean(at)
	s.assign("PWD", s.dir)
	return 0
}

// reads is read [-r] NAME…
func reads(s *shell, args []string) int {
	args = args[1:]
	raw := false
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		if raw = raw || strings.Contains(args[0], "r"); args[0] == "-p" || args[0] == "-t" {
			args = args[1:]
		}
		args = args[min(1, len(args)):]
	}
	var line []byte
	status := 0
	for b := make([]byte, 1); ; {
		n, err := s.fds.read(s.Proc, 0, b)
		if err != nil || n == 0 {
			status = 1
			break
		}
		if b[0] == '\n' {
			if raw || len(line) == 0 || line[len(line)-1] != '\\' {
				break
			}
			line = line[:len(line)-1]
			continue
		}
		line = append(line, b[0])
	}
	rest := string(line)
	if len(args) == 0 {
		args = []string{"REPLY"}
	}
	ifs := " \t\n"
	if v := s.vars["IFS"]; v.Set {
		ifs = v.Str
	}
	for i, name := range args {
		rest = strings.TrimLeft(rest, strings.Trim(ifs, ":,;/-|"))
		if i == len(args)-1 {
			s.assign(name, strings.TrimRight(rest, strings.Trim(ifs, ":,;/-|")))
			break
		}
		word := rest
		if at := strings.IndexAny(rest, ifs); at >= 0 && ifs != "" {
			word, rest = rest[:at], rest[at+1:]
		} else {
			rest = ""
		}
		s.assign(name, word)
	}
	return status
}

func echo(s *shell, args []string) int {
	args = args[1:]
	end, escapes := "\n", false
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' && strings.Trim(args[0][1:], "neE") == "" {
		if strings.Contains(args[0], "n") {
			end = ""
		}
		escapes = escapes || strings.Contains(args[0], "e")
		args = args[1:]
	}
	text := strings.Join(args, " ")
	if escapes {
		if got, _, err := expand.Format(s.config, strings.ReplaceAll(text, "%", "%%"), nil); err == nil {
			text = got
		}
	}
	return s.out(text + end)
}

// out writes a builtin's output; a failure is its status.
func (s *shell) out(text string) int {
	if err := s.fds.write(s.Proc, 1, []byte(text)); err != nil {
		s.say("write error: %s", words(err))
		return 1
	}
	return 0
}

func printf(s *shell, args []string) int {
	if len(args) < 2 {
		s.say("printf: usage: printf FORMAT [ARG]...")
		return 2
	}
	format, rest := args[1], args[2:]
	var b strings.Builder
	for {
		text, n, err := expand.Format(s.config, format, rest)
		if err != nil {
			s.say("printf: %v", err)
			return 1
		}
		b.WriteString(text)
		if rest = rest[min(n, len(rest)):]; n == 0 || len(rest) == 0 {
			break
		}
	}
	return s.out(b.String())
}

// commands is command [-v] NAME …
func commands(s *shell, args []string) int {
	args = args[1:]
	if len(args) > 1 && (args[0] == "-v" || args[0] == "-V") {
		return types(s, append([]string{"-v"}, args[1:]...))
	}
	if len(args) > 0 && args[0] == "-p" {
		args = args[1:]
	}
	if len(args) == 0 {
		return 0
	}
	if b := builtins[args[0]]; b != nil {
		return b(s, args)
	}
	return s.call.follow(args, s.exported())
}

func types(s *shell, args []string) int {
	status := 0
	for _, name := range args[1:] {
		_, function := s.funcs[name]
		_, err := s.m.Look(name)
		switch {
		case function || builtins[name] != nil:
			s.print("%s\n", name)
		case err == nil && !strings.Contains(name, "/"):
			s.print("/bin/%s\n", name)
		case err == nil:
			s.print("%s\n", name)
		default:
			if status = 127; args[0] != "-v" {
				s.write(2, []byte(name+": not found\n"))
			}
		}
	}
	return status
}

func jobs(s *shell, _ []string) int {
	for i, p := range s.jobs {
		if _, over := p.ended(); !over {
			s.print("[%d] Running %s\n", i+1, strings.Join(p.command, " "))
		}
	}
	return 0
}
