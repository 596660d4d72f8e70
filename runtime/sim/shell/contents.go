package shell

import (
	"io/fs"
	"path"
	"strings"
)

// given is a folder of what the node has put into a volume: it changes when the
// node changes it, until a container writes there.
type given struct {
	files func() map[string][]byte // by their paths in the volume
	at    string                   // the folder's own path in it; "" is the volume
}

func (g given) child(name string) *inode {
	full := path.Join(g.at, name)
	files := g.files()
	if data, ok := files[full]; ok {
		return &inode{mode: 0o644, data: data}
	}
	for other := range files {
		if strings.HasPrefix(other, full+"/") {
			n := newDir(fs.FileMode(0o755))
			n.below = given{g.files, full}
			return n
		}
	}
	return nil
}

func (g given) names() []string {
	var out []string
	for full := range g.files() {
		if below, ok := strings.CutPrefix(full, g.at+"/"); ok || g.at == "" {
			if g.at == "" {
				below = full
			}
			name, _, _ := strings.Cut(below, "/")
			out = append(out, name)
		}
	}
	return out
}

// LeadsOut says whether a path below a volume leads out of it, by the links that
// containers have made there. On the node an absolute link always does.
func (v *Volumes) LeadsOut(hostPath, below string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	root := v.trees[hostPath]
	if root == nil {
		return false
	}
	dirs := []*inode{root}
	parts := split(below)
	for links := 0; len(parts) > 0; {
		part := parts[0]
		parts = parts[1:]
		if part == "." {
			continue
		}
		if part == ".." {
			if dirs = dirs[:len(dirs)-1]; len(dirs) == 0 {
				return true
			}
			continue
		}
		at := dirs[len(dirs)-1]
		if !at.mode.IsDir() {
			return false
		}
		next := at.child(part)
		switch {
		case next == nil:
			return false
		case next.mode&fs.ModeSymlink == 0:
			dirs = append(dirs, next)
			continue
		}
		if links++; path.IsAbs(next.link) || links > 40 {
			return true
		}
		parts = append(split(next.link), parts...)
	}
	return false
}
