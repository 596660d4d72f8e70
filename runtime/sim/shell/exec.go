package shell

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

func sprintf(format string, args ...any) string { return fmt.Sprintf(format, args...) }

// simple runs a simple command: a function, a builtin, a program.
func (s *shell) simple(c *syntax.CallExpr) {
	tail := s.tail
	s.tail, s.substatus = false, 0
	args := s.fields(c.Args)
	if len(args) == 0 {
		s.assigns(c.Assigns)
		s.status = s.substatus
		return
	}
	if s.options['x'] {
		s.write(2, []byte("+ "+strings.Join(args, " ")+"\n"))
	}
	if len(c.Assigns) > 0 && args[0] != "exec" {
		was := map[string]expand.Variable{}
		for _, a := range c.Assigns {
			was[a.Name.Value] = s.vars[a.Name.Value]
		}
		s.assigns(c.Assigns)
		for name := range was {
			v := s.vars[name]
			v.Exported = true
			s.vars[name] = v
		}
		defer func() {
			for name, v := range was {
				if s.vars[name] = v; !v.Declared() {
					delete(s.vars, name)
				}
			}
		}()
	} else {
		s.assigns(c.Assigns)
	}
	s.run(args, tail)
}

// run runs a command by its words. tail: the shell has nothing more to do after it.
func (s *shell) run(args []string, tail bool) {
	if body, ok := s.funcs[args[0]]; ok {
		s.function(body, args)
		return
	}
	if b := builtins[args[0]]; b != nil {
		s.status = b(s, args)
		return
	}
	c := s.program(args)
	if tail && len(s.traps) == 0 && s.inner == nil && s.depth == 0 {
		if _, ok := sleeps(args); ok {
			c.fds = s.take()
			panic(quit{exec: c})
		}
		if kind, err := s.m.Look(args[0]); err == nil && kind == Own {
			c.fds = s.take()
			panic(quit{exec: c})
		}
	}
	s.status = c.follow(args, c.env)
}

// program is a call of one with the shell's descriptors.
func (s *shell) program(args []string) *call {
	return &call{Proc: s.Proc, args: args, env: s.exported(), dir: s.dir, fds: s.fds}
}

// take gives the shell's descriptors away.
func (s *shell) take() table {
	out := s.fds
	s.fds = nil
	return out
}

// deepest is how many functions may have called each other.
const deepest = 500

func (s *shell) function(body *syntax.Stmt, args []string) {
	if s.depth >= deepest {
		s.say("function %s calls itself too often", args[0])
		s.exits(2)
	}
	params, loops := s.params, s.loops
	s.params, s.loops = args[1:], 0
	s.locals = append(s.locals, nil)
	s.depth++
	s.stmt(body)
	s.depth--
	if s.flow == returns {
		s.flow = on
	}
	for name, v := range s.locals[len(s.locals)-1] {
		if s.vars[name] = v; !v.Declared() {
			delete(s.vars, name)
		}
	}
	s.locals = s.locals[:len(s.locals)-1]
	s.params, s.loops = params, loops
}

// inBackground runs a command as a job.
func (s *shell) inBackground(st *syntax.Stmt) {
	front := *st
	front.Background = false
	s.status = 0
	if c, ok := st.Cmd.(*syntax.CallExpr); ok && len(st.Redirs) == 0 && len(c.Assigns) == 0 && !st.Negated && len(c.Args) == 2 &&
		c.Args[0].Lit() == "sleep" && s.funcs["sleep"] == nil {
		args := s.fields(c.Args)
		if d, ok := sleeps(args); ok {
			child := s.child(args)
			child.wakeAfter(d)
			s.job(child)
			return
		}
	}
	fork := s.fork(nil)
	fork.fds.set(0, open(null{}))
	s.job(s.spawn([]string{"sh"}, func(p *Proc) int {
		fork.Proc = p
		if sub, ok := front.Cmd.(*syntax.Subshell); ok && len(front.Redirs) == 0 && !front.Negated {
			return fork.sub(sub.Stmts)
		}
		return fork.sub([]*syntax.Stmt{&front})
	}))
}

func (s *shell) job(p *Proc) {
	s.jobs = slices.DeleteFunc(s.jobs, func(old *Proc) bool {
		_, over := old.ended()
		return over && len(s.jobs) > 100
	})
	s.jobs = append(s.jobs, p)
	s.background = p.pid
}

// redirected runs a command with its redirections.
func (s *shell) redirected(st *syntax.Stmt) {
	lasting := false
	if c, ok := st.Cmd.(*syntax.CallExpr); ok && len(c.Args) == 1 && c.Args[0].Lit() == "exec" {
		lasting = true
	}
	type saved struct {
		fd int
		h  *handle
	}
	var was []saved
	restore := func() {
		for _, old := range slices.Backward(was) {
			s.fds.set(old.fd, old.h)
		}
		was = nil
	}
	put := func(fd int, h *handle) {
		old := s.fds.swap(fd, h)
		if lasting {
			old.release()
			return
		}
		was = append(was, saved{fd, old})
	}
	defer func() {
		if s.fds != nil {
			restore()
		}
	}()
	for _, r := range st.Redirs {
		if err := s.redirect(r, put); err != "" {
			s.say("%s", err)
			if s.status = 1; s.options['e'] && s.tested == 0 {
				restore()
				s.exits(1)
			}
			return
		}
	}
	s.command(st.Cmd)
}

// redirect carries out one redirection; the error is in the shell's words.
func (s *shell) redirect(r *syntax.Redirect, put func(int, *handle)) string {
	fd := 1
	switch r.Op {
	case syntax.RdrIn, syntax.RdrInOut, syntax.DplIn, syntax.Hdoc, syntax.DashHdoc, syntax.WordHdoc:
		fd = 0
	}
	if r.N != nil {
		n, err := strconv.Atoi(r.N.Value)
		if err != nil || n > 99 {
			return "bad file descriptor " + r.N.Value
		}
		fd = n
	}
	flags := map[syntax.RedirOperator]int{
		syntax.RdrOut: os.O_WRONLY | os.O_CREATE | os.O_TRUNC, syntax.RdrClob: os.O_WRONLY | os.O_CREATE | os.O_TRUNC,
		syntax.AppOut: os.O_WRONLY | os.O_CREATE | os.O_APPEND, syntax.RdrIn: os.O_RDONLY, syntax.RdrInOut: os.O_RDWR | os.O_CREATE,
		syntax.RdrAll: os.O_WRONLY | os.O_CREATE | os.O_TRUNC, syntax.AppAll: os.O_WRONLY | os.O_CREATE | os.O_APPEND,
	}
	switch r.Op {
	case syntax.Hdoc, syntax.DashHdoc:
		text, err := expand.Document(s.config, r.Hdoc)
		s.check(err)
		put(fd, open(&textInput{text: text}))
		return ""
	case syntax.WordHdoc:
		put(fd, open(&textInput{text: s.literal(r.Word) + "\n"}))
		return ""
	case syntax.DplIn, syntax.DplOut:
		word := s.literal(r.Word)
		if word == "-" {
			put(fd, nil)
			return ""
		}
		n, err := strconv.Atoi(word)
		if err != nil || s.fds.get(n) == nil {
			return word + ": Bad file descriptor"
		}
		put(fd, s.fds.get(n).share())
		return ""
	}
	name := s.literal(r.Word)
	h, err := s.openFile(name, flags[r.Op])
	if err != nil {
		verb := "create"
		if flags[r.Op]&os.O_CREATE == 0 {
			verb = "open"
		}
		text := words(err)
		if text == "No such file or directory" && verb == "create" {
			text = "nonexistent directory"
		} else if text == "No such file or directory" {
			text = "no such file"
		}
		return "can't " + verb + " " + name + ": " + text
	}
	put(fd, h)
	if r.Op == syntax.RdrAll || r.Op == syntax.AppAll {
		put(2, h.share())
	}
	return ""
}

// openFile opens a file, a device, or one of the caller's own descriptors.
func (c *call) openFile(name string, flags int) (*handle, error) {
	at := c.path(name)
	if d := device(at); d != nil {
		return open(d), nil
	}
	switch at {
	case "/dev/stdin", "/proc/self/fd/0", "/dev/fd/0":
		return c.fds.get(0).share(), nil
	case "/dev/stdout", "/proc/self/fd/1", "/dev/fd/1":
		return c.fds.get(1).share(), nil
	case "/dev/stderr", "/proc/self/fd/2", "/dev/fd/2":
		return c.fds.get(2).share(), nil
	case "/proc/1/fd/1":
		return open(output{c.m.Out, "stdout"}), nil
	case "/proc/1/fd/2":
		return open(output{c.m.Out, "stderr"}), nil
	}
	return c.m.Files().open(at, flags, c.m.Clock.Now())
}

// textInput is a text as an input.
type textInput struct {
	null
	text string
}

func (t *textInput) read(_ *Proc, b []byte) (int, error) {
	if t.text == "" {
		return null{}.read(nil, nil)
	}
	n := copy(b, t.text)
	t.text = t.text[n:]
	return n, nil
}
