package shell

import (
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"time"
)

// info is what is known of a file.
type info struct {
	name string
	mode fs.FileMode
	size int64
	time time.Time
	link string
}

// The methods of fs.FileInfo.
func (i info) Name() string               { return i.name }
func (i info) Size() int64                { return i.size }
func (i info) Mode() fs.FileMode          { return i.mode }
func (i info) ModTime() time.Time         { return i.time }
func (i info) IsDir() bool                { return i.mode.IsDir() }
func (i info) Sys() any                   { return nil }
func (i info) Type() fs.FileMode          { return i.mode.Type() }
func (i info) Info() (fs.FileInfo, error) { return i, nil }

func (n *inode) info(name string) info {
	size := int64(len(n.data))
	if n.disk != "" {
		if on, err := os.Stat(n.disk); err == nil {
			size = on.Size()
		}
	}
	return info{name, n.mode, size, n.mtime, n.link}
}

// stat tells of a file; follow: of what a link leads to.
func (f *Files) stat(name string, follow bool) (info, error) {
	if d := device(name); d != nil {
		return info{name: path.Base(name), mode: fs.ModeDevice | fs.ModeCharDevice | 0o666}, nil
	}
	f.v.mu.Lock()
	defer f.v.mu.Unlock()
	at, err := f.walk(name, follow)
	if err == nil && at.node == nil {
		err = syscall.ENOENT
	}
	if err != nil {
		return info{}, err
	}
	return at.node.info(path.Base(at.path)), nil
}

// list is what a folder has, by name.
func (f *Files) list(name string) ([]fs.DirEntry, error) {
	f.v.mu.Lock()
	defer f.v.mu.Unlock()
	at, err := f.walk(name, true)
	switch {
	case err != nil:
		return nil, err
	case at.node == nil:
		return nil, syscall.ENOENT
	case !at.node.mode.IsDir():
		return nil, syscall.ENOTDIR
	}
	var out []fs.DirEntry
	for _, kid := range at.node.list() {
		if n := at.node.child(kid); n != nil {
			out = append(out, n.info(kid))
		}
	}
	return out, nil
}

// may says whether something may be made or removed at a place.
func (at place) may() error {
	switch {
	case at.readOnly:
		return syscall.EROFS
	case at.dir == nil || at.mount:
		return syscall.EBUSY
	}
	return nil
}

func (f *Files) mkdir(name string, parents bool) error {
	f.v.mu.Lock()
	defer f.v.mu.Unlock()
	if parents && name != "/" {
		if at, err := f.walk(path.Dir(name), true); err != nil || at.node == nil {
			f.v.mu.Unlock()
			err := f.mkdir(path.Dir(name), true)
			f.v.mu.Lock()
			if err != nil {
				return err
			}
		}
	}
	at, err := f.walk(name, true)
	if err != nil {
		return err
	}
	if at.node != nil {
		if parents && at.node.mode.IsDir() {
			return nil
		}
		return syscall.EEXIST
	}
	return f.enter(at, newDir(0o755))
}

// enter puts a new node at a place.
func (f *Files) enter(at place, n *inode) error {
	if err := at.may(); err != nil {
		return err
	}
	at.dir.kids[at.name] = n
	return nil
}

func (f *Files) remove(name string, recursive bool) error {
	f.v.mu.Lock()
	defer f.v.mu.Unlock()
	at, err := f.walk(name, false)
	if err == nil && at.node == nil {
		err = syscall.ENOENT
	}
	if err == nil {
		err = at.may()
	}
	if err != nil {
		return err
	}
	if at.node.mode.IsDir() && !recursive && len(at.node.list()) > 0 {
		return syscall.ENOTEMPTY
	}
	f.v.used -= at.node.weight()
	at.dir.kids[at.name] = nil
	return nil
}

func (n *inode) weight() int64 {
	sum := int64(len(n.data))
	for _, kid := range n.kids {
		if kid != nil {
			sum += kid.weight()
		}
	}
	return sum
}

func (f *Files) symlink(target, name string) error {
	f.v.mu.Lock()
	defer f.v.mu.Unlock()
	at, err := f.walk(name, false)
	if err == nil && at.node != nil {
		err = syscall.EEXIST
	}
	if err != nil {
		return err
	}
	return f.enter(at, &inode{mode: fs.ModeSymlink | 0o777, link: target})
}

// rename moves a file or folder; hard: it stays where it was as well.
func (f *Files) rename(from, to string, hard bool) error {
	f.v.mu.Lock()
	defer f.v.mu.Unlock()
	a, err := f.walk(from, false)
	if err == nil && a.node == nil {
		err = syscall.ENOENT
	}
	if err == nil && !hard {
		err = a.may()
	}
	if err != nil {
		return err
	}
	b, err := f.walk(to, true)
	if err != nil {
		return err
	}
	if hard && b.node != nil {
		return syscall.EEXIST
	}
	if strings.HasPrefix(b.path+"/", a.path+"/") && a.node.mode.IsDir() {
		return syscall.EINVAL
	}
	if err := f.enter(b, a.node); err != nil {
		return err
	}
	if !hard {
		a.dir.kids[a.name] = nil
	}
	return nil
}

func (f *Files) chmod(name string, change func(fs.FileMode) fs.FileMode) error {
	f.v.mu.Lock()
	defer f.v.mu.Unlock()
	at, err := f.walk(name, true)
	if err == nil && at.node == nil {
		err = syscall.ENOENT
	}
	if err == nil && at.readOnly {
		err = syscall.EROFS
	}
	if err != nil {
		return err
	}
	n := at.own()
	n.mode = n.mode.Type() | change(n.mode.Perm())
	return nil
}

// own makes the node at a place the containers' to change.
func (at place) own() *inode {
	n := at.node
	if n.disk != "" && !n.through {
		n.data, _ = os.ReadFile(n.disk) // gone meanwhile: an empty one
		n.disk = ""
	}
	if at.dir != nil && !at.mount && at.dir.kids[at.name] != n {
		copied := *n // what is below is shared by all
		at.dir.kids[at.name] = &copied
		n = &copied
	}
	return n
}

func (f *Files) touch(name string, now time.Time) error {
	h, err := f.open(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, now)
	if err != nil {
		return err
	}
	h.stream.(*file).node.mtime = now
	h.release()
	return nil
}

// device is a stream for a device's path; nil for others.
func device(name string) stream {
	switch name {
	case "/dev/null", "/dev/tty":
		return null{}
	case "/dev/zero", "/dev/random", "/dev/urandom":
		return zero{}
	}
	return nil
}

// open gives a file's stream.
func (f *Files) open(name string, flags int, now time.Time) (*handle, error) {
	f.v.mu.Lock()
	defer f.v.mu.Unlock()
	writes := flags&(os.O_WRONLY|os.O_RDWR) != 0
	at, err := f.walk(name, true)
	switch {
	case err != nil:
		return nil, err
	case at.node == nil && flags&os.O_CREATE == 0:
		return nil, syscall.ENOENT
	case at.node == nil:
		at.node = &inode{mode: 0o644, mtime: now}
		if err := f.enter(at, at.node); err != nil {
			return nil, err
		}
	case at.node.mode.IsDir():
		return nil, syscall.EISDIR
	case writes && at.readOnly:
		return nil, syscall.EROFS
	case flags&os.O_EXCL != 0:
		return nil, syscall.EEXIST
	}
	n := at.node
	if writes {
		n = at.own()
		n.mtime = now
	}
	if flags&os.O_TRUNC != 0 && writes {
		f.v.used -= int64(len(n.data))
		n.data = nil
		if err := n.flush(); err != nil {
			return nil, err
		}
	}
	return open(&file{f: f, node: n, append: flags&os.O_APPEND != 0}), nil
}

// flush writes a file that goes to the node's disk as well.
func (n *inode) flush() error {
	if !n.through {
		return nil
	}
	if err := os.MkdirAll(path.Dir(n.disk), 0o750); err != nil {
		return err
	}
	return os.WriteFile(n.disk, n.data, 0o666)
}

// file is an open one.
type file struct {
	f      *Files
	node   *inode
	append bool
	at     int
}

func (o *file) content() []byte {
	if o.node.disk != "" && !o.node.through {
		data, err := os.ReadFile(o.node.disk)
		if err != nil {
			return nil
		}
		return data
	}
	return o.node.data
}

func (o *file) read(_ *Proc, b []byte) (int, error) {
	o.f.v.mu.Lock()
	defer o.f.v.mu.Unlock()
	data := o.content()
	if o.at >= len(data) {
		return 0, io.EOF
	}
	n := copy(b, data[o.at:])
	o.at += n
	return n, nil
}

func (o *file) write(p *Proc, b []byte) (int, error) {
	p.step()
	o.f.v.mu.Lock()
	defer o.f.v.mu.Unlock()
	n := o.node
	if o.append {
		o.at = len(n.data)
	}
	end := o.at + len(b)
	if more := int64(end - len(n.data)); more > 0 {
		if o.f.v.used+more > room {
			return 0, syscall.ENOSPC
		}
		o.f.v.used += more
		n.data = append(n.data, make([]byte, more)...)
	}
	copy(n.data[o.at:], b)
	o.at = end
	return len(b), n.flush()
}

func (*file) close(*Proc) {}
