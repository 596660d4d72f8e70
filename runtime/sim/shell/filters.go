package shell

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// copyTo hands on what a handle has, n bytes of it (-1: all).
func (c *call) copyTo(fd int, h *handle, n int64) error {
	buf := make([]byte, 32<<10)
	for n != 0 {
		c.step()
		part := buf
		if n > 0 {
			part = buf[:min(int64(len(buf)), n)]
		}
		k, err := h.read(c.Proc, part)
		if k > 0 {
			if bad := c.fds.write(c.Proc, fd, part[:k]); bad != nil {
				return bad
			}
			if n > 0 {
				n -= int64(k)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// all is everything that comes on a descriptor. It is the container's memory.
func (c *call) all(fd int) []byte { return c.allOf(c.fds.get(fd)) }

func (c *call) allOf(h *handle) []byte {
	if h == nil {
		return nil
	}
	out := &collector{}
	defer func() { c.m.hold(-int64(len(out.buf))) }()
	buf := make([]byte, 32<<10)
	for {
		c.step()
		n, err := h.read(c.Proc, buf)
		if _, bad := out.write(c.Proc, buf[:n]); bad != nil || err != nil {
			return out.buf
		}
	}
}

// each opens files by their names, or the standard input; the exit code says
// whether all could be opened.
func (c *call) each(names []string, do func(h *handle)) int {
	if len(names) == 0 {
		names = []string{"-"}
	}
	status := 0
	for _, name := range names {
		if name == "-" {
			if h := c.fds.get(0); h != nil {
				do(h)
			}
			continue
		}
		h, err := c.openFile(name, 0)
		if err != nil {
			status = c.fail("can't open '%s': %s", name, words(err))
			continue
		}
		do(h)
		h.release()
	}
	return status
}

func cat(c *call) int {
	_, names := c.flags("")
	failed := 0
	status := c.each(names, func(h *handle) {
		if err := c.copyTo(1, h, -1); err != nil {
			failed = c.fail("%s", words(err))
		}
	})
	return max(status, failed)
}

func tee(c *call) int {
	on, names := c.flags("")
	data := c.all(0)
	c.write(1, data)
	status := 0
	for _, name := range names {
		if has(on, 'a') {
			if h, err := c.openFile(name, 0); err == nil {
				was := c.allOf(h)
				h.release()
				status = max(status, c.save(name, append(was, data...)))
				continue
			}
		}
		status = max(status, c.save(name, data))
	}
	return status
}

// count reads -n N, -N and -c N of head and tail.
func (c *call) count() (lines, size int64, plus bool, names []string) {
	for i, a := range c.args {
		if i > 0 && len(a) > 1 && a[0] == '-' {
			if _, err := strconv.Atoi(a[1:]); err == nil {
				c.args = slices.Replace(slices.Clone(c.args), i, i+1, "-n", a[1:])
				break
			}
		}
	}
	on, names := c.flags("nc")
	lines, size = 10, -1
	if text, ok := on['n']; ok {
		plus = strings.HasPrefix(text, "+")
		n, err := strconv.ParseInt(strings.TrimPrefix(text, "+"), 10, 64)
		if err == nil {
			lines = n
		}
	}
	if text, ok := on['c']; ok {
		size = amount(text)
	}
	return lines, size, plus, names
}

// amount reads a number of bytes: 512, 10k, 1M.
func amount(text string) int64 {
	unit := int64(1)
	if text != "" {
		if i := strings.IndexByte("kKmMgG", text[len(text)-1]); i >= 0 {
			unit = 1 << (10 * (i/2 + 1))
			text = text[:len(text)-1]
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return -1
	}
	return n * unit
}

func head(c *call) int {
	lines, size, _, names := c.count()
	return c.each(names, func(h *handle) {
		if size >= 0 {
			if err := c.copyTo(1, h, size); err != nil {
				c.fail("%s", words(err))
			}
			return
		}
		buf := make([]byte, 4096)
		for left := lines; left > 0; {
			c.step()
			n, err := h.read(c.Proc, buf)
			part := buf[:n]
			for i, b := range part {
				if b == '\n' {
					if left--; left == 0 {
						part = part[:i+1]
						break
					}
				}
			}
			c.write(1, part)
			if err != nil {
				return
			}
		}
	})
}

func tail(c *call) int {
	lines, size, plus, names := c.count()
	follow := slices.Contains(c.args, "-f") || slices.Contains(c.args, "-F")
	status := c.each(names, func(h *handle) {
		data := c.allOf(h)
		switch all := bytes.SplitAfter(data, []byte("\n")); {
		case size >= 0:
			data = data[max(0, int64(len(data))-size):]
		case plus:
			data = bytes.Join(all[min(int64(len(all)), max(0, lines-1)):], nil)
		default:
			if len(all) > 0 && len(all[len(all)-1]) == 0 {
				all = all[:len(all)-1]
			}
			data = bytes.Join(all[max(0, int64(len(all))-lines):], nil)
		}
		c.write(1, data)
	})
	if follow {
		c.wait(func() bool { return false })
	}
	return status
}

func wc(c *call) int {
	on, names := c.flags("")
	return c.each(names, func(h *handle) {
		data := c.allOf(h)
		l, w, b := bytes.Count(data, []byte("\n")), len(bytes.Fields(data)), len(data)
		name := ""
		if len(names) > 0 {
			name = " " + names[0]
		}
		switch {
		case has(on, 'l'):
			c.print("%d%s\n", l, name)
		case has(on, 'w'):
			c.print("%d%s\n", w, name)
		case has(on, 'c'):
			c.print("%d%s\n", b, name)
		default:
			c.print("%9d %9d %9d%s\n", l, w, b, name)
		}
	})
}

// textLines are a text's lines without their ends.
func textLines(data []byte) []string {
	text := strings.TrimSuffix(string(data), "\n")
	if text == "" && len(data) == 0 {
		return nil
	}
	return strings.Split(text, "\n")
}

func grep(c *call) int {
	on, rest := c.flags("emA")
	text, given := on['e']
	if !given {
		if len(rest) == 0 {
			return c.fail("no pattern")
		}
		text, rest = rest[0], rest[1:]
	}
	if has(on, 'F') {
		text = regexp.QuoteMeta(text)
	} else if c.args[0] != "egrep" && !has(on, 'E') {
		text = strings.NewReplacer(`\(`, `(`, `\)`, `)`, `\|`, `|`, `\+`, `+`, `\?`, `?`, `(`, `\(`, `)`, `\)`, `|`, `\|`, `+`, `\+`, `?`, `\?`, `\{`, `{`, `\}`, `}`, `{`, `\{`, `}`, `\}`).Replace(text)
	}
	if has(on, 'i') {
		text = "(?i)" + text
	}
	if has(on, 'w') {
		text = `\b(?:` + text + `)\b`
	}
	if has(on, 'x') {
		text = `^(?:` + text + `)$`
	}
	rx, err := regexp.Compile(text)
	if err != nil {
		c.fail("bad regex '%s'", text)
		return 2
	}
	found := 0
	status := c.each(rest, func(h *handle) {
		for _, line := range textLines(c.allOf(h)) {
			if rx.MatchString(line) == has(on, 'v') {
				continue
			}
			if found++; has(on, 'q') || has(on, 'c') {
				continue
			}
			if has(on, 'o') {
				line = strings.Join(rx.FindAllString(line, -1), "\n")
			}
			c.write(1, []byte(line+"\n"))
		}
	})
	if has(on, 'c') {
		c.print("%d\n", found)
	}
	switch {
	case status != 0:
		return 2
	case found == 0:
		return 1
	}
	return 0
}
