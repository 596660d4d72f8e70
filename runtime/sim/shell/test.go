package shell

import (
	"io/fs"
	"strconv"

	"mvdan.cc/sh/v3/syntax"
)

// test is test EXPRESSION, and [ EXPRESSION ].
func test(s *shell, args []string) int {
	words := args[1:]
	if args[0] == "[" {
		if len(words) == 0 || words[len(words)-1] != "]" {
			s.say("[: missing ]")
			return 2
		}
		words = words[:len(words)-1]
	}
	t := &tester{s: s, words: words}
	if len(words) == 0 {
		return 1
	}
	yes := t.or()
	if !t.bad && t.at < len(t.words) {
		t.wrong("%s: unknown operand", t.words[t.at])
	}
	if t.bad {
		return 2
	}
	if yes {
		return 0
	}
	return 1
}

// tester reads a test's words by descent.
type tester struct {
	s     *shell
	words []string
	at    int
	bad   bool
}

func (t *tester) wrong(format string, args ...any) bool {
	if !t.bad {
		t.s.say(format, args...)
	}
	t.bad = true
	return false
}

func (t *tester) peek(ahead int) string {
	if t.at+ahead < len(t.words) {
		return t.words[t.at+ahead]
	}
	return ""
}

func (t *tester) left() int { return len(t.words) - t.at }

func (t *tester) or() bool {
	yes := t.and()
	for t.left() > 0 && t.peek(0) == "-o" {
		t.at++
		more := t.and()
		yes = yes || more
	}
	return yes
}

func (t *tester) and() bool {
	yes := t.not()
	for t.left() > 0 && t.peek(0) == "-a" {
		t.at++
		more := t.not()
		yes = yes && more
	}
	return yes
}

func (t *tester) not() bool {
	if t.peek(0) == "!" && t.left() > 1 && !(t.left() >= 3 && isBinary(t.peek(1))) {
		t.at++
		return !t.not()
	}
	return t.primary()
}

func (t *tester) primary() bool {
	if t.left() == 0 {
		return t.wrong("argument expected")
	}
	if t.left() >= 3 && isBinary(t.peek(1)) {
		a, op, b := t.peek(0), t.peek(1), t.peek(2)
		t.at += 3
		return t.binary(a, op, b)
	}
	if t.peek(0) == "(" && t.left() > 1 {
		t.at++
		yes := t.or()
		if t.peek(0) != ")" {
			return t.wrong("closing paren expected")
		}
		t.at++
		return yes
	}
	if op := t.peek(0); len(op) == 2 && op[0] == '-' && t.left() > 1 {
		t.at += 2
		return t.unary(op, t.words[t.at-1])
	}
	t.at++
	return t.words[t.at-1] != ""
}

func isBinary(op string) bool {
	switch op {
	case "=", "==", "!=", "<", ">", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef":
		return true
	}
	return false
}

func (t *tester) binary(a, op, b string) bool {
	switch op {
	case "=", "==":
		return a == b
	case "!=":
		return a != b
	case "<":
		return a < b
	case ">":
		return a > b
	case "-nt", "-ot":
		x, _ := t.s.m.Files().stat(t.s.path(a), true) // what is not there is older than all
		y, _ := t.s.m.Files().stat(t.s.path(b), true)
		if op == "-ot" {
			x, y = y, x
		}
		return x.time.After(y.time)
	case "-ef":
		return t.s.path(a) == t.s.path(b)
	}
	x, y := t.number(a), t.number(b)
	switch op {
	case "-eq":
		return x == y
	case "-ne":
		return x != y
	case "-lt":
		return x < y
	case "-le":
		return x <= y
	case "-gt":
		return x > y
	}
	return x >= y
}

func (t *tester) number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.wrong("%s: bad number", text)
	}
	return n
}

func (t *tester) unary(op, arg string) bool {
	switch op {
	case "-n":
		return arg != ""
	case "-z":
		return arg == ""
	case "-t":
		return false
	}
	link := op == "-h" || op == "-L"
	i, err := t.s.m.Files().stat(t.s.path(arg), !link)
	if err != nil {
		return false
	}
	switch op {
	case "-e", "-r":
		return true
	case "-w":
		return true
	case "-f":
		return i.mode.IsRegular()
	case "-d":
		return i.IsDir()
	case "-s":
		return i.size > 0
	case "-x":
		return i.mode&0o111 != 0
	case "-h", "-L":
		return i.mode&fs.ModeSymlink != 0
	case "-c":
		return i.mode&fs.ModeCharDevice != 0
	case "-p", "-S", "-b", "-u", "-g", "-k":
		return false
	}
	return t.wrong("%s: unknown operand", op)
}

// testClause is [[ EXPRESSION ]].
func (s *shell) testClause(x syntax.TestExpr) int {
	if s.clause(x) {
		return 0
	}
	return 1
}

func (s *shell) clause(x syntax.TestExpr) bool {
	t := &tester{s: s}
	switch x := x.(type) {
	case *syntax.Word:
		return s.literal(x) != ""
	case *syntax.ParenTest:
		return s.clause(x.X)
	case *syntax.UnaryTest:
		if x.Op == syntax.TsNot {
			return !s.clause(x.X)
		}
		w, ok := x.X.(*syntax.Word)
		return ok && t.unary(x.Op.String(), s.literal(w))
	case *syntax.BinaryTest:
		switch x.Op {
		case syntax.AndTest:
			return s.clause(x.X) && s.clause(x.Y)
		case syntax.OrTest:
			return s.clause(x.X) || s.clause(x.Y)
		}
		a, ok := x.X.(*syntax.Word)
		b, also := x.Y.(*syntax.Word)
		if !ok || !also {
			return false
		}
		switch x.Op {
		case syntax.TsMatchShort, syntax.TsMatch:
			return s.matches(b, s.literal(a))
		case syntax.TsNoMatch:
			return !s.matches(b, s.literal(a))
		}
		return t.binary(s.literal(a), x.Op.String(), s.literal(b))
	}
	return false
}
