package shell

import (
	"slices"
	"sort"
	"strconv"
	"strings"
)

// tr changes or drops (-d) bytes.
func tr(c *call) int {
	on, sets := c.flags("")
	if len(sets) == 0 {
		return c.fail("usage: tr [-cds] STRING1 [STRING2]")
	}
	from := set256(sets[0])
	var to []byte
	if len(sets) > 1 {
		to = set256(sets[1])
	}
	var change [256]int
	for i := range change {
		change[i] = i
	}
	inside := map[byte]int{}
	for i, b := range from {
		inside[b] = i
	}
	for i := range change {
		at, in := inside[byte(i)]
		if in == has(on, 'c') {
			continue
		}
		switch {
		case has(on, 'd'):
			change[i] = -1
		case len(to) > 0:
			change[i] = int(to[min(at, len(to)-1)])
		}
	}
	buf := make([]byte, 32<<10)
	last := -1
	for {
		c.step()
		n, err := c.fds.read(c.Proc, 0, buf)
		out := make([]byte, 0, n)
		for _, b := range buf[:n] {
			if to := change[b]; to >= 0 && !(has(on, 's') && to == last) {
				out = append(out, byte(to))
				last = to
			}
		}
		if bad := c.fds.write(c.Proc, 1, out); bad != nil || err != nil {
			return 0
		}
	}
}

// set256 reads a set of tr's: escapes, ranges and classes.
func set256(text string) (out []byte) {
	for name, span := range map[string]string{"[:upper:]": "A-Z", "[:lower:]": "a-z", "[:digit:]": "0-9", "[:alpha:]": "A-Za-z", "[:alnum:]": "A-Za-z0-9", "[:space:]": " \\t\\n\\r"} {
		text = strings.ReplaceAll(text, name, span)
	}
	var raw []byte
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			raw = append(raw, text[i])
			continue
		}
		i++
		j := i
		for j < len(text) && j < i+3 && text[j] >= '0' && text[j] <= '7' {
			j++
		}
		if n, err := strconv.ParseUint(text[i:j], 8, 8); err == nil {
			raw = append(raw, byte(n))
			i = j - 1
			continue
		}
		if k := strings.IndexByte("nrt\\", text[i]); k >= 0 {
			raw = append(raw, "\n\r\t\\"[k])
		} else {
			raw = append(raw, text[i])
		}
	}
	for i := 0; i < len(raw); i++ {
		if i+2 < len(raw) && raw[i+1] == '-' && raw[i] <= raw[i+2] {
			for b := int(raw[i]); b <= int(raw[i+2]); b++ {
				out = append(out, byte(b))
			}
			i += 2
			continue
		}
		out = append(out, raw[i])
	}
	return out
}

func cut(c *call) int {
	on, names := c.flags("dfcb")
	delimiter := on['d']
	if delimiter == "" {
		delimiter = "\t"
	}
	spec, byChar := on['f'], false
	if spec == "" {
		spec, byChar = on['c']+on['b'], true
	}
	wanted := func(i int) bool {
		for _, part := range strings.Split(spec, ",") {
			a, b, ranged := strings.Cut(part, "-")
			from, _ := strconv.Atoi(a) // none is from the first
			to, err := strconv.Atoi(b)
			if !ranged {
				to, err = from, nil
			}
			if i >= from && (err != nil || i <= to) {
				return true
			}
		}
		return false
	}
	return c.each(names, func(h *handle) {
		for _, line := range textLines(c.allOf(h)) {
			sep := delimiter
			if byChar {
				sep = ""
			}
			parts := strings.Split(line, sep)
			if !byChar && len(parts) == 1 {
				c.write(1, []byte(line+"\n"))
				continue
			}
			var out []string
			for i, part := range parts {
				if wanted(i + 1) {
					out = append(out, part)
				}
			}
			c.write(1, []byte(strings.Join(out, sep)+"\n"))
		}
	})
}

func sorts(c *call) int {
	on, names := c.flags("kt")
	var lines []string
	status := c.each(names, func(h *handle) { lines = append(lines, textLines(c.allOf(h))...) })
	less := func(a, b string) bool { return a < b }
	if has(on, 'n') {
		number := func(s string) float64 {
			f, _ := strconv.ParseFloat(strings.TrimSpace(s), 64) // what is no number is 0
			return f
		}
		less = func(a, b string) bool { return number(a) < number(b) }
	}
	sort.SliceStable(lines, func(i, j int) bool {
		if has(on, 'r') {
			i, j = j, i
		}
		return less(lines[i], lines[j])
	})
	if has(on, 'u') {
		lines = slices.Compact(lines)
	}
	for _, l := range lines {
		c.write(1, []byte(l+"\n"))
	}
	return status
}

func uniq(c *call) int {
	_, names := c.flags("")
	return c.each(names, func(h *handle) {
		for _, l := range slices.Compact(textLines(c.allOf(h))) {
			c.write(1, []byte(l+"\n"))
		}
	})
}

func rev(c *call) int {
	return c.each(c.args[1:], func(h *handle) {
		for _, l := range textLines(c.allOf(h)) {
			r := []rune(l)
			slices.Reverse(r)
			c.write(1, []byte(string(r)+"\n"))
		}
	})
}
