package shell

import (
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// shell is one that runs a script: its variables, functions, traps and jobs.
type shell struct {
	*call
	name   string
	params []string
	vars   map[string]expand.Variable
	funcs  map[string]*syntax.Stmt
	locals []map[string]expand.Variable // what functions' local variables hid
	traps  map[int]string               // 0 is the shell's end
	jobs   []*Proc
	config *expand.Config

	status     int
	background int // the last job's number
	flow       flow
	levels     int // of loops that are to be left or gone on with
	loops      int // that run
	tested     int // conditions under way, in which a failure is no reason to end
	depth      int // of functions
	tail       bool
	substatus  int // of the last $( ) in a command's words
	options    map[rune]bool
	ending     bool
	self       *Proc // of a subshell: the process of the shell that it came from
}

// flow is why the commands that follow are not run.
type flow int

const (
	on flow = iota
	breaks
	continues
	returns
)

func newShell(c *call, name string, params []string) *shell {
	s := &shell{call: c, name: name, params: params, vars: map[string]expand.Variable{}}
	for _, pair := range c.env {
		if name, value, ok := strings.Cut(pair, "="); ok {
			s.vars[name] = expand.Variable{Set: true, Exported: true, Kind: expand.String, Str: value}
		}
	}
	s.vars["PWD"] = expand.Variable{Set: true, Exported: true, Kind: expand.String, Str: c.dir}
	s.config = s.expansion()
	return s
}

// fork is a copy of the shell for a process of its own.
func (s *shell) fork(p *Proc) *shell {
	c := *s.call
	c.Proc, c.fds = p, s.fds.clone()
	out := &shell{call: &c, name: s.name, params: s.params, vars: make(map[string]expand.Variable, len(s.vars)), funcs: s.funcs,
		self: s.root(), status: s.status, background: s.background, tested: s.tested, options: s.options, depth: s.depth, loops: s.loops}
	for k, v := range s.vars {
		out.vars[k] = v
	}
	if len(s.funcs) > 0 {
		out.funcs = make(map[string]*syntax.Stmt, len(s.funcs))
		for k, v := range s.funcs {
			out.funcs[k] = v
		}
	}
	for n, text := range s.traps {
		if text == "" {
			if out.traps == nil {
				out.traps = map[int]string{}
			}
			out.traps[n] = ""
		}
	}
	out.config = out.expansion()
	return out
}

// script runs a text to the shell's end and gives the exit code.
func (s *shell) script(text string) int {
	file, err := parse(text)
	if err != nil {
		s.say("syntax error: %v", err)
		return 2
	}
	for i, st := range file.Stmts {
		s.tail = i == len(file.Stmts)-1
		s.stmt(st)
		if s.flow != on {
			break
		}
	}
	return s.end(s.status)
}

// end runs what is trapped for the shell's end.
func (s *shell) end(code int) int {
	text, ok := s.traps[0]
	if !ok || s.ending {
		return code
	}
	s.ending, s.flow, s.status = true, on, code
	delete(s.traps, 0)
	s.eval(text)
	return s.exitCode(code)
}

// exitCode is what a trap at the end leaves of the code.
func (s *shell) exitCode(code int) int { return code & 255 }

// exits ends the shell.
func (s *shell) exits(code int) { panic(quit{code: s.end(code) & 255}) }

// eval runs a text in this very shell.
func (s *shell) eval(text string) {
	file, err := parse(text)
	if err != nil {
		s.say("syntax error: %v", err)
		s.status = 2
		return
	}
	if len(file.Stmts) == 0 {
		s.status = 0
	}
	s.stmts(file.Stmts)
}

func (s *shell) stmts(list []*syntax.Stmt) {
	for _, st := range list {
		s.stmt(st)
		if s.flow != on {
			return
		}
	}
}

func (s *shell) stmt(st *syntax.Stmt) {
	tail := s.tail
	s.tail = false
	s.step()
	s.heed()
	if s.flow != on {
		return
	}
	if st.Background {
		s.inBackground(st)
		return
	}
	s.tail = tail && len(st.Redirs) == 0 && !st.Negated
	s.foreground(st)
	s.heed()
}

func (s *shell) foreground(st *syntax.Stmt) {
	if st.Negated {
		s.tested++
	}
	if len(st.Redirs) > 0 {
		s.redirected(st)
	} else {
		s.command(st.Cmd)
	}
	if st.Negated {
		s.tested--
		s.status = not(s.status)
		return
	}
	if s.status != 0 && s.options['e'] && s.tested == 0 && s.flow == on && fails(st.Cmd) {
		s.exits(s.status)
	}
}

// fails: under set -e, such a command's failure ends the shell. What is made of
// commands has had its chance in them.
func fails(c syntax.Command) bool {
	switch c := c.(type) {
	case *syntax.CallExpr, *syntax.Subshell, *syntax.TestClause, *syntax.ArithmCmd, *syntax.DeclClause, *syntax.LetClause:
		return true
	case *syntax.BinaryCmd:
		return c.Op == syntax.Pipe || c.Op == syntax.PipeAll
	}
	return false
}

func not(status int) int {
	if status == 0 {
		return 1
	}
	return 0
}

func (s *shell) command(c syntax.Command) {
	if _, ok := c.(*syntax.CallExpr); !ok {
		s.tail = false
	}
	switch c := c.(type) {
	case nil:
		s.status = 0
	case *syntax.CallExpr:
		s.simple(c)
	case *syntax.Block:
		s.stmts(c.Stmts)
	case *syntax.Subshell:
		s.status = s.within([]string{"sh"}, func(p *Proc) int { return s.fork(p).sub(c.Stmts) })
	case *syntax.IfClause:
		s.ifs(c)
	case *syntax.WhileClause:
		s.while(c)
	case *syntax.ForClause:
		s.forEach(c)
	case *syntax.CaseClause:
		s.cases(c)
	case *syntax.BinaryCmd:
		s.binary(c)
	case *syntax.FuncDecl:
		if s.funcs == nil {
			s.funcs = map[string]*syntax.Stmt{}
		}
		s.funcs[c.Name.Value] = c.Body
		s.status = 0
	case *syntax.ArithmCmd:
		s.status = not(s.arithm(c.X))
		s.status = not(not(s.status))
	case *syntax.LetClause:
		for _, x := range c.Exprs {
			s.status = not(not(not(s.arithm(x))))
		}
	case *syntax.TestClause:
		s.status = s.testClause(c.X)
	case *syntax.DeclClause:
		s.declare(c)
	case *syntax.TimeClause:
		if c.Stmt != nil {
			s.stmt(c.Stmt)
		}
	default:
		s.say("syntax error: %T is not for this shell", c)
		s.status = 2
	}
}

// sub runs commands as a process of their own, to its end.
func (s *shell) sub(list []*syntax.Stmt) int {
	defer s.fds.close()
	s.stmts(list)
	return s.end(s.status)
}

func (s *shell) cond(list []*syntax.Stmt) bool {
	s.tested++
	s.stmts(list)
	s.tested--
	return s.status == 0
}

func (s *shell) ifs(c *syntax.IfClause) {
	for ; c != nil; c = c.Else {
		if len(c.Cond) == 0 { // else
			s.stmts(c.Then)
			return
		}
		yes := s.cond(c.Cond)
		if s.flow != on {
			return
		}
		if yes {
			s.stmts(c.Then)
			return
		}
	}
	s.status = 0
}

// loop runs one round of a loop; false if it is the last.
func (s *shell) loop(do []*syntax.Stmt) bool {
	s.stmts(do)
	return s.again()
}

// again says whether a loop goes on.
func (s *shell) again() bool {
	if s.flow != breaks && s.flow != continues {
		return s.flow == on
	}
	if s.levels--; s.levels > 0 {
		return false // it is an outer loop that is meant
	}
	goes := s.flow == continues
	s.flow = on
	return goes
}

func (s *shell) while(c *syntax.WhileClause) {
	s.loops++
	defer func() { s.loops-- }()
	status := 0
	for {
		s.step()
		yes := s.cond(c.Cond) != c.Until
		if s.flow != on {
			if s.again() {
				continue
			}
			return
		}
		if !yes {
			break
		}
		goes := s.loop(c.Do)
		status = s.status
		if !goes {
			return
		}
	}
	s.status = status
}

func (s *shell) forEach(c *syntax.ForClause) {
	loop, ok := c.Loop.(*syntax.WordIter)
	if !ok {
		s.say("syntax error: bad for loop variable")
		s.status = 2
		return
	}
	items := s.params
	if loop.InPos.IsValid() {
		items = s.fields(loop.Items)
	}
	s.loops++
	defer func() { s.loops-- }()
	s.status = 0
	for _, item := range items {
		s.assign(loop.Name.Value, item)
		if !s.loop(c.Do) {
			return
		}
	}
}

func (s *shell) cases(c *syntax.CaseClause) {
	word := s.literal(c.Word)
	s.status = 0
	for _, item := range c.Items {
		for _, p := range item.Patterns {
			if s.matches(p, word) {
				s.stmts(item.Stmts)
				return
			}
		}
	}
}

func (s *shell) binary(c *syntax.BinaryCmd) {
	switch c.Op {
	case syntax.AndStmt, syntax.OrStmt:
		s.tested++
		s.stmt(c.X)
		s.tested--
		if s.flow == on && (s.status == 0) == (c.Op == syntax.AndStmt) {
			s.stmt(c.Y)
		}
	case syntax.Pipe, syntax.PipeAll:
		s.pipeline(c)
	}
}
