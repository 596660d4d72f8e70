package shell

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// image gives what a container's files are before it writes any: busybox's.
var image = sync.OnceValue(bake)

// baked is a folder of the image's: files by name, folders by name.
type baked struct {
	files   map[string]*inode
	folders map[string]*baked
	mode    fs.FileMode
}

func (b *baked) child(name string) *inode {
	if f := b.files[name]; f != nil {
		return f
	}
	if d := b.folders[name]; d != nil {
		n := newDir(d.mode)
		n.below = d
		return n
	}
	return nil
}

func (b *baked) names() []string {
	return slices.AppendSeq(slices.Collect(maps.Keys(b.files)), maps.Keys(b.folders))
}

func (b *baked) folder(name string) *baked {
	at := b
	for _, part := range split(name) {
		if at.folders[part] == nil {
			at.folders[part] = &baked{files: map[string]*inode{}, folders: map[string]*baked{}, mode: 0o755}
		}
		at = at.folders[part]
	}
	return at
}

func bake() folder {
	root := &baked{files: map[string]*inode{}, folders: map[string]*baked{}, mode: 0o755}
	for _, dir := range []string{"etc", "dev", "dev/shm", "home", "root", "proc", "proc/1", "proc/self", "sys", "usr/bin", "usr/sbin", "sbin", "var/run", "var/log", "var/tmp", "lib", "mnt", "opt", "run", "srv"} {
		root.folder(dir)
	}
	root.folder("tmp").mode = 0o777 | fs.ModeSticky
	bin := root.folder("bin")
	for name := range programs {
		bin.files[name] = &inode{mode: 0o755}
	}
	for _, name := range append(slices.Clone(shells), both...) {
		bin.files[name] = &inode{mode: 0o755}
	}
	for _, name := range []string{"null", "zero", "random", "urandom", "tty", "stdin", "stdout", "stderr"} {
		root.folder("dev").files[name] = &inode{mode: fs.ModeDevice | fs.ModeCharDevice | 0o666}
	}
	root.folder("etc").files["passwd"] = &inode{mode: 0o644, data: []byte("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n")}
	root.folder("etc").files["group"] = &inode{mode: 0o644, data: []byte("root:x:0:\nnobody:x:65534:\n")}
	return root
}

// shells are the names by which a shell is called.
var shells = []string{"sh", "ash", "bash", "dash"}

// both are the shell's builtins that are programs as well.
var both = []string{"echo", "printf", "test", "[", "kill", "pwd"}

// Kind is what a program is.
type Kind int

const (
	// Known: the shell and the programs that come with it, and scripts.
	Known Kind = iota
	// Own: a program of the image's own, of which nothing is known.
	Own
)

// NotFound is what a runtime says of a program that it cannot start.
type NotFound struct{ Words string }

// Error gives the words.
func (n *NotFound) Error() string { return n.Words }

// folders that programs are in.
var binaries = []string{"/bin/", "/usr/bin/", "/sbin/", "/usr/sbin/", "/usr/local/bin/"}

func known(name string) bool {
	return programs[name] != nil || slices.Contains(both, name) || slices.Contains(shells, name)
}

// Look finds a program by its name or path, as a runtime does before it starts it.
func (m *Machine) Look(name string) (Kind, error) {
	if !strings.Contains(name, "/") {
		switch {
		case known(name):
			return Known, nil
		case m.Foreign:
			return Own, nil
		}
		return 0, &NotFound{fmt.Sprintf("exec: %q: executable file not found in $PATH", name)}
	}
	dir, base := path.Split(path.Clean(name))
	if slices.Contains(binaries, dir) && known(base) && dir != "/usr/local/bin/" {
		return Known, nil
	}
	at := name
	if !path.IsAbs(at) {
		at = path.Join(m.Dir, name)
	}
	i, err := m.Files().stat(at, true)
	switch {
	case err == nil && i.IsDir():
		return 0, &NotFound{fmt.Sprintf("exec: %q: is a directory", name)}
	case err == nil && i.mode&0o111 == 0:
		return 0, &NotFound{fmt.Sprintf("exec: %q: permission denied", name)}
	case err == nil:
		return Known, nil
	case m.Foreign:
		return Own, nil
	case errors.Is(err, fs.ErrNotExist):
		return 0, &NotFound{fmt.Sprintf("exec: %q: stat %s: no such file or directory", name, name)}
	}
	return 0, &NotFound{fmt.Sprintf("exec: %q: stat %s: %s", name, name, strings.ToLower(words(err)))}
}

// main runs the program that the call names.
func (c *call) main() int {
	c.step()
	base := path.Base(c.args[0])
	if base == "busybox" && len(c.args) > 1 {
		c.args = c.args[1:]
		base = c.args[0]
	}
	kind, err := c.m.Look(c.args[0])
	switch {
	case err != nil:
		text, code := "not found", 127
		if strings.Contains(err.Error(), "permission denied") || strings.Contains(err.Error(), "is a directory") {
			text, code = "Permission denied", 126
		}
		c.write(2, []byte("sh: "+c.args[0]+": "+text+"\n"))
		return code
	case kind == Own:
		return 0
	}
	inBin := !strings.Contains(c.args[0], "/") || slices.Contains(binaries, strings.TrimSuffix(path.Clean(c.args[0]), base))
	switch {
	case inBin && slices.Contains(shells, base):
		return c.sh()
	case inBin && programs[base] != nil:
		return programs[base](c)
	case inBin && slices.Contains(both, base):
		s := newShell(c, base, nil)
		return builtins[base](s, c.args)
	}
	return c.file(c.path(c.args[0]), c.args[1:])
}

// whole runs the program and closes its descriptors, unless it has given them on.
func (c *call) whole() int {
	defer func() { c.fds.close() }()
	return c.main()
}

// follow runs another program to its end: a shell as a process of its own, in
// which it may end.
func (c *call) follow(args, env []string) int {
	next := &call{Proc: c.Proc, args: args, env: env, dir: c.dir, fds: c.fds}
	if base := path.Base(args[0]); programs[base] != nil && base != "busybox" || slices.Contains(both, base) {
		return next.main()
	}
	return c.within(args, func(p *Proc) int {
		next.Proc, next.fds = p, c.fds.clone()
		return next.whole()
	})
}

// file runs a script by its file.
func (c *call) file(name string, args []string) int {
	h, err := c.m.Files().open(name, 0, time.Time{})
	if err != nil {
		return c.fail("can't open '%s': %s", name, words(err))
	}
	text, err := io.ReadAll(readerFunc(func(b []byte) (int, error) { return h.read(c.Proc, b) }))
	h.release()
	if err != nil {
		return c.fail("%v", err)
	}
	return newShell(c, name, args).script(string(text))
}

// sh is the shell: sh [-eux] [-c SCRIPT [NAME [ARG…]] | FILE [ARG…]].
func (c *call) sh() int {
	args := c.args[1:]
	s := newShell(c, c.args[0], nil)
	command := false
	for len(args) > 0 && len(args[0]) > 1 && (args[0][0] == '-' || args[0][0] == '+') {
		if args[0] == "--" {
			args = args[1:]
			break
		}
		if args[0] == "-o" && len(args) > 1 {
			args = args[2:]
			continue
		}
		for _, letter := range args[0][1:] {
			if letter == 'c' {
				command = true
				continue
			}
			s.option(letter, args[0][0] == '-')
		}
		args = args[1:]
	}
	switch {
	case command && len(args) == 0:
		c.write(2, []byte("sh: -c requires an argument\n"))
		return 2
	case command:
		if len(args) > 1 {
			s.name, s.params = args[1], args[2:]
		}
		return s.script(args[0])
	case len(args) > 0:
		h, err := c.m.Files().open(c.path(args[0]), 0, time.Time{})
		if err != nil {
			c.write(2, []byte("sh: can't open '"+args[0]+"': "+words(err)+"\n"))
			return 2
		}
		text, _ := io.ReadAll(readerFunc(func(b []byte) (int, error) { return h.read(c.Proc, b) })) // a file's end is its only error
		h.release()
		s.name, s.params = args[0], args[1:]
		return s.script(string(text))
	}
	text, err := io.ReadAll(c.reader(0))
	if err != nil {
		return 2
	}
	return s.script(string(text))
}

// sleeps gives how long a call of sleep takes, if it is one.
func sleeps(args []string) (time.Duration, bool) {
	if len(args) < 2 {
		return 0, false
	}
	if args[0] != "sleep" && args[0] != "/bin/sleep" {
		return 0, false
	}
	return span(args[1:])
}

// span adds up what sleep is told: 1, 0.5, 2m, infinity.
func span(args []string) (sum time.Duration, ok bool) {
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}
	for _, a := range args {
		if a == "inf" || a == "infinity" {
			return 100 * 365 * 24 * time.Hour, true
		}
		unit := time.Second
		if u, ok := units[a[max(0, len(a)-1)]]; a != "" && ok {
			unit, a = u, a[:len(a)-1]
		}
		n, err := strconv.ParseFloat(a, 64)
		if err != nil || n < 0 || n > 1e9 {
			return 0, false
		}
		sum += time.Duration(n * float64(unit))
	}
	return sum, true
}

// environ is what a container's programs find in their environment.
func (m *Machine) environ() []string {
	out := make([]string, 0, len(m.Env)+3)
	out = append(out, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME="+m.Hostname)
	home := "HOME=/root"
	if m.UID != 0 {
		home = "HOME=/"
	}
	return append(append(out, home), m.Env...)
}
