package volume

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"k8s.io/apimachinery/pkg/types"
)

// kept are the plugins whose volumes the node itself keeps, in the pod's folder.
var kept = []string{
	"kubernetes.io~empty-dir", "kubernetes.io~configmap", "kubernetes.io~secret",
	"kubernetes.io~projected", "kubernetes.io~downward-api",
}

// Folders are the folders of the pod's volumes that the node itself keeps, by
// the volumes' names. Those of disks and of other machines are not among them.
func (m *Manager) Folders(uid types.UID) (map[string]string, error) {
	if err := checkUID(uid); err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, plugin := range kept {
		dir := filepath.Join(m.podDir(uid), "volumes", plugin)
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return !e.IsDir() })
		for _, e := range entries {
			out[e.Name()] = filepath.Join(dir, e.Name())
		}
	}
	return out, nil
}
