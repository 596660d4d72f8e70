package shell

import (
	"path"
	"strconv"
	"strings"
)

func seq(c *call) int {
	on, rest := c.flags("s")
	var n []float64
	for _, a := range rest {
		f, err := strconv.ParseFloat(a, 64)
		if err != nil {
			return c.fail("invalid number '%s'", a)
		}
		n = append(n, f)
	}
	first, step := 1.0, 1.0
	switch len(n) {
	case 1:
	case 2:
		first = n[0]
	case 3:
		first, step = n[0], n[1]
	default:
		return c.fail("usage: seq [FIRST [INC]] LAST")
	}
	if step == 0 {
		return c.fail("increment is zero")
	}
	sep := on['s']
	if sep == "" {
		sep = "\n"
	}
	last := n[len(n)-1]
	for i := first; step > 0 && i <= last || step < 0 && i >= last; i += step {
		c.step()
		if i != first {
			c.write(1, []byte(sep))
		}
		if c.fds.write(c.Proc, 1, []byte(strconv.FormatFloat(i, 'f', -1, 64))) != nil {
			return 1
		}
	}
	c.write(1, []byte("\n"))
	return 0
}

// expr knows two operands and the sums and comparisons of them.
func expr(c *call) int {
	a := c.args[1:]
	if len(a) == 1 {
		c.print("%s\n", a[0])
		return truth(a[0] != "" && a[0] != "0")
	}
	if len(a) != 3 {
		c.fail("syntax error")
		return 2
	}
	x, errX := strconv.ParseInt(a[0], 10, 64)
	y, errY := strconv.ParseInt(a[2], 10, 64)
	compare := strings.Compare(a[0], a[2])
	if errX == nil && errY == nil {
		compare = int(min(1, max(-1, x-y)))
	}
	is := map[string]bool{"=": compare == 0, "!=": compare != 0, "<": compare < 0, "<=": compare <= 0, ">": compare > 0, ">=": compare >= 0}
	if yes, ok := is[a[1]]; ok {
		c.print("%d\n", 1-truth(yes))
		return truth(yes)
	}
	if errX != nil || errY != nil {
		c.fail("non-numeric argument")
		return 2
	}
	var z int64
	switch a[1] {
	case "+":
		z = x + y
	case "-":
		z = x - y
	case "*":
		z = x * y
	case "/", "%":
		if y == 0 {
			c.fail("division by zero")
			return 2
		}
		if z = x / y; a[1] == "%" {
			z = x % y
		}
	default:
		c.fail("syntax error")
		return 2
	}
	c.print("%d\n", z)
	return truth(z != 0)
}

// truth is an exit code.
func truth(yes bool) int {
	if yes {
		return 0
	}
	return 1
}

// base is basename and dirname.
func base(c *call) int {
	if len(c.args) < 2 {
		return c.fail("missing operand")
	}
	name := c.args[1]
	if path.Base(c.args[0]) == "dirname" {
		c.print("%s\n", path.Dir(name))
		return 0
	}
	name = path.Base(name)
	if len(c.args) > 2 && name != c.args[2] {
		name = strings.TrimSuffix(name, c.args[2])
	}
	c.print("%s\n", name)
	return 0
}

func yes(c *call) int {
	text := "y"
	if len(c.args) > 1 {
		text = strings.Join(c.args[1:], " ")
	}
	b := []byte(strings.Repeat(text+"\n", max(1, 4096/(len(text)+1))))
	for {
		c.step()
		if c.fds.write(c.Proc, 1, b) != nil {
			return 1
		}
	}
}
