package shell

import (
	"os"
	"regexp"
	"strings"
)

// dd copies: dd if= of= bs= count=. A block is the container's memory.
func dd(c *call) int {
	in, out, size, count := c.fds.get(0), c.fds.get(1), int64(512), int64(-1)
	for _, a := range c.args[1:] {
		key, value, _ := strings.Cut(a, "=")
		switch key {
		case "if", "of":
			flags := 0
			if key == "of" {
				flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
			}
			h, err := c.openFile(value, flags)
			if err != nil {
				return c.fail("can't open '%s': %s", value, words(err))
			}
			defer h.release()
			if key == "if" {
				in = h
			} else {
				out = h
			}
		case "bs":
			size = amount(value)
		case "count":
			count = amount(value)
		}
	}
	if size <= 0 {
		return c.fail("invalid number")
	}
	if !c.m.hold(size) {
		c.alive()
	}
	defer c.m.hold(-size)
	buf := make([]byte, size)
	blocks := int64(0)
	for ; blocks != count; blocks++ {
		c.step()
		n, err := in.read(c.Proc, buf)
		if n > 0 {
			if _, bad := out.write(c.Proc, buf[:n]); bad != nil {
				return c.fail("writing: %s", words(bad))
			}
		}
		if err != nil {
			break
		}
	}
	c.write(2, []byte(sprintf("%d+0 records in\n%d+0 records out\n", blocks, blocks)))
	return 0
}

// sed knows s/// and -n …p in its simplest forms.
func sed(c *call) int {
	on, rest := c.flags("e")
	text, given := on['e']
	if !given {
		if len(rest) == 0 {
			return c.fail("no script")
		}
		text, rest = rest[0], rest[1:]
	}
	if len(text) < 4 || text[0] != 's' {
		return c.fail("unsupported command %s", text)
	}
	parts := strings.Split(text[2:], text[1:2])
	if len(parts) != 3 {
		return c.fail("unmatched '%c'", text[1])
	}
	rx, err := regexp.Compile(parts[0])
	if err != nil {
		return c.fail("bad regex '%s'", parts[0])
	}
	to := regexp.MustCompile(`\\([0-9])`).ReplaceAllString(strings.ReplaceAll(parts[1], "$", "$$"), "$${$1}")
	to = strings.ReplaceAll(to, "&", "${0}")
	replace := func(line string) string {
		if strings.Contains(parts[2], "g") {
			return rx.ReplaceAllString(line, to)
		}
		at := rx.FindStringSubmatchIndex(line)
		if at == nil {
			return line
		}
		return line[:at[0]] + string(rx.ExpandString(nil, to, line, at)) + line[at[1]:]
	}
	var changed strings.Builder
	status := c.each(rest, func(h *handle) {
		for _, line := range textLines(c.allOf(h)) {
			changed.WriteString(replace(line) + "\n")
		}
	})
	if has(on, 'i') && len(rest) == 1 {
		return max(status, c.save(rest[0], []byte(changed.String())))
	}
	c.write(1, []byte(changed.String()))
	return status
}
