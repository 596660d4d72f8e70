package shell

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// onEach does something with every file that is named.
func (c *call) onEach(names []string, do func(name string) error, complaint string) int {
	status := 0
	for _, name := range names {
		if err := do(c.path(name)); err != nil {
			status = c.fail(complaint, name, words(err))
		}
	}
	return status
}

func touch(c *call) int {
	_, names := c.flags("dtr")
	now := c.m.Clock.Now()
	return c.onEach(names, func(name string) error {
		if i, err := c.m.Files().stat(name, true); err == nil && i.IsDir() || device(name) != nil {
			return nil
		}
		return c.m.Files().touch(name, now)
	}, "%s: %s")
}

func rm(c *call) int {
	on, names := c.flags("")
	recursive, force := has(on, 'r') || has(on, 'R'), has(on, 'f')
	status := 0
	for _, name := range names {
		i, err := c.m.Files().stat(c.path(name), false)
		switch {
		case err != nil && force:
			continue
		case err == nil && i.IsDir() && !recursive:
			status = c.fail("'%s' is a directory", name)
			continue
		}
		if err == nil {
			err = c.m.Files().remove(c.path(name), recursive)
		}
		if err != nil {
			status = c.fail("can't remove '%s': %s", name, words(err))
		}
	}
	return status
}

func mkdir(c *call) int {
	on, names := c.flags("m")
	return c.onEach(names, func(name string) error { return c.m.Files().mkdir(name, has(on, 'p')) }, "can't create directory '%s': %s")
}

func rmdir(c *call) int {
	_, names := c.flags("")
	return c.onEach(names, func(name string) error { return c.m.Files().remove(name, false) }, "'%s': %s")
}

func ls(c *call) int {
	on, names := c.flags("")
	if len(names) == 0 {
		names = []string{"."}
	}
	status := 0
	line := func(i info) {
		if has(on, 'l') {
			end := ""
			if i.link != "" {
				end = " -> " + i.link
			}
			c.print("%s    1 %-8s %-8s %9d %s %s%s\n", i.mode, "root", "root", i.size, i.time.UTC().Format("Jan _2 15:04"), i.name, end)
			return
		}
		c.print("%s\n", i.name)
	}
	for _, name := range names {
		i, err := c.m.Files().stat(c.path(name), !has(on, 'l') || has(on, 'd') || strings.HasSuffix(name, "/"))
		if err != nil {
			status = c.fail("%s: %s", name, words(err))
			continue
		}
		if !i.IsDir() || has(on, 'd') {
			i.name = name
			line(i)
			continue
		}
		list, err := c.m.Files().list(c.path(name))
		if err != nil {
			status = c.fail("%s: %s", name, words(err))
			continue
		}
		if len(names) > 1 {
			c.print("%s:\n", name)
		}
		for _, e := range list {
			if !strings.HasPrefix(e.Name(), ".") || has(on, 'a') || has(on, 'A') {
				line(e.(info))
			}
		}
	}
	return status
}

// into is where a file goes that is moved or copied to a name: a folder keeps its name.
func (c *call) into(to, from string) string {
	to = c.path(to)
	if i, err := c.m.Files().stat(to, true); err == nil && i.IsDir() {
		return path.Join(to, path.Base(from))
	}
	return to
}

func ln(c *call) int {
	on, names := c.flags("")
	if len(names) == 1 {
		names = append(names, path.Base(names[0]))
	}
	if len(names) < 2 {
		return c.fail("usage: ln [-sf] TARGET LINK")
	}
	to := c.into(names[1], names[0])
	if has(on, 'f') {
		_ = c.m.Files().remove(to, false) // what is not there is not in the way
	}
	var err error
	if has(on, 's') {
		err = c.m.Files().symlink(names[0], to)
	} else {
		err = c.m.Files().rename(c.path(names[0]), to, true)
	}
	if err != nil {
		return c.fail("%s: %s", names[1], words(err))
	}
	return 0
}

func mv(c *call) int {
	_, names := c.flags("")
	if len(names) < 2 {
		return c.fail("usage: mv SOURCE... DEST")
	}
	to := names[len(names)-1]
	status := 0
	for _, name := range names[:len(names)-1] {
		if err := c.m.Files().rename(c.path(name), c.into(to, name), false); err != nil {
			status = c.fail("can't rename '%s': %s", name, words(err))
		}
	}
	return status
}

func cp(c *call) int {
	on, names := c.flags("")
	if len(names) < 2 {
		return c.fail("usage: cp SOURCE... DEST")
	}
	recursive := has(on, 'r') || has(on, 'R') || has(on, 'a')
	to := names[len(names)-1]
	status := 0
	for _, name := range names[:len(names)-1] {
		status = max(status, c.copyFile(c.path(name), c.into(to, name), recursive))
	}
	return status
}

func (c *call) copyFile(from, to string, recursive bool) int {
	c.step()
	i, err := c.m.Files().stat(from, true)
	if err != nil {
		return c.fail("can't stat '%s': %s", from, words(err))
	}
	if i.IsDir() {
		if !recursive {
			return c.fail("omitting directory '%s'", from)
		}
		if err := c.m.Files().mkdir(to, true); err != nil {
			return c.fail("can't create directory '%s': %s", to, words(err))
		}
		list, err := c.m.Files().list(from)
		if err != nil {
			return c.fail("%s: %s", from, words(err))
		}
		status := 0
		for _, e := range list {
			status = max(status, c.copyFile(path.Join(from, e.Name()), path.Join(to, e.Name()), true))
		}
		return status
	}
	h, err := c.openFile(from, 0)
	if err != nil {
		return c.fail("can't open '%s': %s", from, words(err))
	}
	data := c.allOf(h)
	h.release()
	if status := c.save(to, data); status != 0 {
		return status
	}
	if err := c.m.Files().chmod(to, func(fs.FileMode) fs.FileMode { return i.mode.Perm() }); err != nil && device(to) == nil {
		return c.fail("%s: %s", to, words(err))
	}
	return 0
}

func chmod(c *call) int {
	_, rest := c.flags("")
	if len(c.args) > 1 && strings.HasPrefix(c.args[1], "-x") {
		rest = c.args[1:]
	}
	if len(rest) < 2 {
		return c.fail("usage: chmod MODE FILE")
	}
	change := func(was fs.FileMode) fs.FileMode {
		switch {
		case strings.Contains(rest[0], "+x"):
			return was | 0o111
		case strings.Contains(rest[0], "-x"):
			return was &^ 0o111
		}
		return was
	}
	if n, err := strconv.ParseUint(rest[0], 8, 32); err == nil {
		change = func(fs.FileMode) fs.FileMode { return fs.FileMode(n) & fs.ModePerm }
	}
	return c.onEach(rest[1:], func(name string) error { return c.m.Files().chmod(name, change) }, "%s: %s")
}

func mktemp(c *call) int {
	on, _ := c.flags("p")
	for n := 0; ; n++ {
		name := "/tmp/tmp." + strconv.Itoa(100000+n)
		if _, err := c.m.Files().stat(name, false); err == nil {
			continue
		}
		var err error
		if has(on, 'd') {
			err = c.m.Files().mkdir(name, false)
		} else {
			err = c.m.Files().touch(name, c.m.Clock.Now())
		}
		if err != nil {
			return c.fail("%s: %s", name, words(err))
		}
		c.print("%s\n", name)
		return 0
	}
}

func readlink(c *call) int {
	on, names := c.flags("")
	status := 0
	for _, name := range names {
		i, err := c.m.Files().stat(c.path(name), false)
		switch {
		case has(on, 'f') || path.Base(c.args[0]) == "realpath":
			c.m.Files().v.mu.Lock()
			at, err := c.m.Files().walk(c.path(name), true)
			c.m.Files().v.mu.Unlock()
			if err != nil {
				status = 1
				continue
			}
			c.print("%s\n", at.path)
		case err != nil || i.link == "":
			status = 1
		default:
			c.print("%s\n", i.link)
		}
	}
	return status
}

func truncate(c *call) int {
	on, names := c.flags("s")
	size := amount(on['s'])
	if size < 0 || size > room {
		return c.fail("invalid number '%s'", on['s'])
	}
	status := 0
	for _, name := range names {
		var data []byte
		if h, err := c.openFile(name, 0); err == nil {
			data = c.allOf(h)
			h.release()
		}
		data = append(data, make([]byte, max(0, size-int64(len(data))))...)
		status = max(status, c.save(name, data[:size]))
	}
	return status
}

// find lists files: find [PATH] [-name PATTERN] [-type f|d].
func find(c *call) int {
	args := c.args[1:]
	from, name, kind := ".", "*", ""
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		from, args = args[0], args[1:]
	}
	for ; len(args) > 1; args = args[2:] {
		switch args[0] {
		case "-name":
			name = args[1]
		case "-type":
			kind = args[1]
		}
	}
	var walk func(at string) int
	walk = func(at string) int {
		c.step()
		i, err := c.m.Files().stat(c.path(at), false)
		if err != nil {
			return c.fail("%s: %s", at, words(err))
		}
		if match(name, path.Base(at)) && (kind == "" || kind == "d" == i.IsDir()) {
			c.print("%s\n", at)
		}
		if !i.IsDir() {
			return 0
		}
		list, err := c.m.Files().list(c.path(at))
		if err != nil {
			return c.fail("%s: %s", at, words(err))
		}
		status := 0
		for _, e := range list {
			status = max(status, walk(strings.TrimSuffix(at, "/")+"/"+e.Name()))
		}
		return status
	}
	return walk(from)
}

func stat(c *call) int {
	on, names := c.flags("c")
	return c.onEach(names, func(name string) error {
		i, err := c.m.Files().stat(name, true)
		if err != nil {
			return err
		}
		format := on['c']
		if format == "" {
			format = "  File: %n\n  Size: %s"
		}
		c.print("%s\n", strings.NewReplacer("%n", name, "%s", strconv.FormatInt(i.size, 10), "%a", strconv.FormatInt(int64(i.mode.Perm()), 8),
			"%Y", strconv.FormatInt(i.time.Unix(), 10), "%U", "root", "%u", "0", "%G", "root", "%g", "0").Replace(format))
		return nil
	}, "can't stat '%s': %s")
}
