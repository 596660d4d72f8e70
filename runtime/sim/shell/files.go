package shell

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Mount is a file or folder of the node's that is mounted into a container. What
// containers write there stays in memory; what is there on the node's disk they
// see, until they write something else.
type Mount struct {
	HostPath, Path string
	ReadOnly       bool
	// Through: what is written goes to the node's disk as well (a termination message).
	Through bool
}

// Volumes are the folders that a pod's containers share, by their paths on the node.
type Volumes struct {
	mu    sync.Mutex
	trees map[string]*inode
	used  int64
}

// room is how much a pod's containers may write to files, in bytes.
const room = 64 << 20

// inode is a file, a folder or a link.
type inode struct {
	mode    fs.FileMode
	data    []byte
	link    string
	kids    map[string]*inode // nil: not there, whatever is below
	below   folder            // what the folder has that is not in kids
	disk    string            // the file's place on the node's disk, if its data is there
	through bool
	mtime   time.Time
}

// folder is what lies below what containers write.
type folder interface {
	child(name string) *inode
	names() []string
}

func newDir(mode fs.FileMode) *inode {
	return &inode{mode: fs.ModeDir | mode, kids: map[string]*inode{}}
}

func (n *inode) child(name string) *inode {
	if kid, ok := n.kids[name]; ok {
		return kid
	}
	if n.below == nil {
		return nil
	}
	kid := n.below.child(name)
	if kid != nil && kid.mode.IsDir() {
		n.kids[name] = kid // what is made in it must stay in it
	}
	return kid
}

func (n *inode) list() []string {
	set := map[string]bool{}
	if n.below != nil {
		for _, name := range n.below.names() {
			set[name] = true
		}
	}
	for name, kid := range n.kids {
		if set[name] = kid != nil; kid == nil {
			delete(set, name)
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// onDisk is a folder of the node's.
type onDisk string

func (d onDisk) child(name string) *inode { return fromDisk(path.Join(string(d), name)) }

func (d onDisk) names() []string {
	list, err := os.ReadDir(string(d))
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range list {
		out = append(out, e.Name())
	}
	return out
}

func fromDisk(place string) *inode {
	info, err := os.Lstat(place)
	if err != nil {
		return nil
	}
	switch {
	case info.IsDir():
		n := newDir(info.Mode().Perm())
		n.below, n.mtime = onDisk(place), info.ModTime()
		return n
	case info.Mode()&fs.ModeSymlink != 0:
		link, err := os.Readlink(place)
		if err != nil {
			return nil
		}
		return &inode{mode: fs.ModeSymlink | 0o777, link: link}
	case info.Mode().IsRegular():
		return &inode{mode: info.Mode().Perm(), disk: place, mtime: info.ModTime()}
	}
	return nil
}

// NewVolumes gives none yet.
func NewVolumes() *Volumes { return &Volumes{trees: map[string]*inode{}} }

func (v *Volumes) at(m Mount, contents func(string) map[string][]byte) *inode {
	if n := v.trees[m.HostPath]; n != nil {
		return n
	}
	n := fromDisk(m.HostPath)
	switch {
	case n != nil:
	case m.Through:
		n = &inode{mode: 0o666, disk: m.HostPath}
	default:
		n = newDir(0o777)
		if contents != nil {
			n.below = given{func() map[string][]byte { return contents(m.HostPath) }, ""}
		}
	}
	n.through = m.Through
	v.trees[m.HostPath] = n
	return n
}

// Files are what a container sees.
type Files struct {
	m      *Machine
	v      *Volumes
	root   *inode
	mounts map[string]*mounted
}

type mounted struct {
	*inode
	readOnly bool
}

func newFiles(m *Machine) *Files {
	v := m.Volumes
	if v == nil {
		v = NewVolumes()
	}
	root := newDir(0o755)
	root.below = image()
	f := &Files{m: m, v: v, root: root, mounts: map[string]*mounted{}}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, mount := range m.Mounts {
		at := path.Clean("/" + mount.Path)
		n := v.at(mount, m.Contents)
		if at != "/" {
			f.mounts[at] = &mounted{n, mount.ReadOnly}
			f.place(at, n)
		}
	}
	return f
}

// place makes the folders that a mount is in, and shows its name there.
func (f *Files) place(at string, n *inode) {
	dir := f.root
	parts := strings.Split(strings.Trim(at, "/"), "/")
	for i, name := range parts {
		kid := dir.child(name)
		if kid == nil {
			kid = newDir(0o755)
			if i == len(parts)-1 && !n.mode.IsDir() {
				kid = &inode{mode: n.mode}
			}
			if dir.kids == nil {
				return // below a file: there is no such place
			}
			dir.kids[name] = kid
		}
		dir = kid
	}
}

// A place is where a path leads.
type place struct {
	dir      *inode // that the name is in; nil for the root
	name     string
	node     *inode // nil: there is none of that name
	readOnly bool
	mount    bool   // a mount begins here
	path     string // without links
}

var errLoop = syscall.ELOOP

// walk finds a path; follow: also through a link at its end. Called with v.mu held.
func (f *Files) walk(name string, follow bool) (place, error) {
	at := place{node: f.root, path: "/", readOnly: f.m.ReadOnly}
	parts := split(name)
	for links := 0; len(parts) > 0; {
		part := parts[0]
		parts = parts[1:]
		if at.node == nil {
			return at, syscall.ENOENT
		}
		if !at.node.mode.IsDir() {
			return at, syscall.ENOTDIR
		}
		if part == ".." {
			up, err := f.walk(path.Dir(at.path), true)
			if err != nil {
				return at, err
			}
			at = up
			continue
		}
		full := path.Join(at.path, part)
		next := place{dir: at.node, name: part, path: full, readOnly: at.readOnly}
		if m := f.mounts[full]; m != nil {
			next.node, next.readOnly, next.mount = m.inode, m.readOnly, true
		} else {
			next.node = at.node.child(part)
		}
		if next.node != nil && next.node.mode&fs.ModeSymlink != 0 && (follow || len(parts) > 0) {
			if links++; links > 40 {
				return next, errLoop
			}
			target := next.node.link
			if !path.IsAbs(target) {
				target = path.Join(at.path, target)
			}
			parts = append(split(target), parts...)
			at = place{node: f.root, path: "/", readOnly: f.m.ReadOnly}
			continue
		}
		at = next
	}
	return at, nil
}

func split(name string) []string {
	return strings.FieldsFunc(name, func(r rune) bool { return r == '/' })
}

// words are what busybox says of an error.
func words(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "No such file or directory"
	case errors.Is(err, syscall.ENOTDIR):
		return "Not a directory"
	case errors.Is(err, syscall.EISDIR):
		return "Is a directory"
	case errors.Is(err, syscall.ENOTEMPTY):
		return "Directory not empty"
	case errors.Is(err, syscall.EROFS):
		return "Read-only file system"
	case errors.Is(err, syscall.EBUSY):
		return "Device or resource busy"
	case errors.Is(err, fs.ErrExist):
		return "File exists"
	case errors.Is(err, syscall.EACCES):
		return "Permission denied"
	case errors.Is(err, syscall.ENOSPC):
		return "No space left on device"
	case errors.Is(err, syscall.EBADF):
		return "Bad file descriptor"
	case errors.Is(err, syscall.EPIPE):
		return "Broken pipe"
	case errors.Is(err, errLoop):
		return "Symbolic link loop"
	}
	return err.Error()
}
