package static

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Folder is a folder of manifests, or a single one.
type Folder struct {
	path, node string
	on         func(pods []*v1.Pod)
	report     func(problem error)

	files    map[string]*file  // by path
	reported map[string]string // the problem that was reported last, by path
}

// NewFolder makes a folder of the given node's manifests. The path must be an
// absolute one: it is a part of the pods' UIDs. on is told all static pods
// whenever they were read, and must not change them; report is told once of
// each problem, which names its file.
func NewFolder(path, node string, on func(pods []*v1.Pod), report func(problem error)) *Folder {
	return &Folder{path: filepath.Clean(path), node: node, on: on, report: report, files: map[string]*file{}, reported: map[string]string{}}
}

// Read reads all manifests and tells what they say.
func (f *Folder) Read(now time.Time) {
	paths, err := f.paths()
	f.tell(f.path, err)
	if err != nil {
		return // what it said before stands: nobody has taken anything away
	}
	for path := range f.files {
		if !slices.Contains(paths, path) {
			delete(f.files, path)
			f.tell(path, nil)
		}
	}
	var pods []*v1.Pod
	owner := map[types.NamespacedName]string{}
	for _, path := range f.eldersFirst(paths) {
		old := f.files[path]
		if old == nil {
			old = &file{}
		}
		read := old.read(path, f.node, now)
		f.files[path] = read
		problem := read.problem
		if pod := read.pod; pod != nil {
			if first := owner[Name(pod)]; first != "" {
				problem = fmt.Errorf("%s: metadata.name: Error validating pod %s from file due to duplicate pod name %q, ignoring: it is the name of the pod in %s", path, Name(pod), pod.Name, first)
			} else {
				owner[Name(pod)] = path
				pods = append(pods, pod)
			}
		}
		f.tell(path, problem)
	}
	f.on(pods)
}

// eldersFirst puts files behind those that had a pod already: a new one takes no
// name away from another.
func (f *Folder) eldersFirst(paths []string) []string {
	young := func(path string) int {
		if old := f.files[path]; old != nil && old.pod != nil {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(paths, func(a, b string) int { return young(a) - young(b) })
	return paths
}

// paths are the manifests that are there, in order: all but those whose names
// begin with a dot. A folder that is not there is an empty one, as upstream has it.
func (f *Folder) paths() ([]string, error) {
	info, err := os.Stat(f.path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("the manifests of static pods cannot be read: %w", err)
	case !info.IsDir():
		return []string{f.path}, nil
	}
	entries, err := os.ReadDir(f.path)
	if err != nil {
		return nil, fmt.Errorf("the manifests of static pods cannot be read: %w", err)
	}
	var paths []string
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), ".") {
			paths = append(paths, filepath.Join(f.path, entry.Name()))
		}
	}
	return paths, nil
}

// tell reports a problem that is a new one.
func (f *Folder) tell(path string, problem error) {
	if problem == nil {
		delete(f.reported, path)
		return
	}
	if f.reported[path] != problem.Error() {
		f.reported[path] = problem.Error()
		f.report(problem)
	}
}
