package shell

import (
	"fmt"
	"io"
	"path"
	"strings"
)

// call is a program about to run, or running.
type call struct {
	*Proc
	args []string
	env  []string
	dir  string
	fds  table
}

func (c *call) getenv(name string) string {
	for i := len(c.env) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(c.env[i], name+"="); ok {
			return value
		}
	}
	return ""
}

// path of a file, seen from the root.
func (c *call) path(name string) string {
	if !path.IsAbs(name) {
		name = c.dir + "/" + name
	}
	return path.Clean(name)
}

func (c *call) print(format string, args ...any) { c.write(1, []byte(fmt.Sprintf(format, args...))) }

// fail says what is wrong, in busybox's way, and gives the exit code for it.
func (c *call) fail(format string, args ...any) int {
	c.write(2, []byte(path.Base(c.args[0])+": "+fmt.Sprintf(format, args...)+"\n"))
	return 1
}

func (c *call) write(fd int, b []byte) { c.fds.write(c.Proc, fd, b) }

// reader reads from a descriptor.
func (c *call) reader(fd int) io.Reader {
	return readerFunc(func(b []byte) (int, error) { return c.fds.read(c.Proc, fd, b) })
}

type readerFunc func([]byte) (int, error)

// Read is io.Reader's.
func (f readerFunc) Read(b []byte) (int, error) { return f(b) }
