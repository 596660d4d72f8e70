package static

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
)

// TestFollow changes files in every way that editors and tools do; each change
// is seen long before all is read again.
func TestFollow(t *testing.T) {
	const limit = rereadEvery / 2
	dir := filepath.Join(t.TempDir(), "manifests")
	news := make(chan []string, 1000)
	folder := NewFolder(dir, "n", func(pods []*v1.Pod) {
		names := []string{}
		for _, pod := range pods {
			names = append(names, pod.Name)
		}
		news <- names
	}, func(problem error) { t.Log(problem) })
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		folder.Run(ctx)
	}()
	defer func() {
		stop()
		<-ended
	}()
	becomes := func(what string, want ...string) {
		t.Helper()
		late := time.After(limit)
		var got []string
		for {
			select {
			case got = <-news:
				if slices.Equal(got, want) {
					return
				}
			case <-late:
				t.Fatalf("%s: the pods are %v, not %v, after %v", what, got, want, limit)
			}
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	becomes("no folder")
	must(os.Mkdir(dir, 0o700))
	write(t, dir, map[string]string{"a.yaml": pod("name: a", busybox)})
	becomes("the folder comes with a file", "a-n")
	write(t, dir, map[string]string{"b.yaml": pod("name: b", busybox)})
	becomes("a second file", "a-n", "b-n")
	write(t, dir, map[string]string{"a.yaml": pod("name: c", busybox)})
	becomes("written over", "c-n", "b-n")
	write(t, dir, map[string]string{".d.yaml": pod("name: d", busybox)})
	must(os.Rename(filepath.Join(dir, ".d.yaml"), filepath.Join(dir, "a.yaml")))
	becomes("replaced", "d-n", "b-n")
	must(os.Rename(filepath.Join(dir, "b.yaml"), filepath.Join(dir, ".b.yaml")))
	becomes("renamed away", "d-n")
	must(os.RemoveAll(dir))
	becomes("the folder goes")
	must(os.Mkdir(dir, 0o700))
	write(t, dir, map[string]string{"e.yaml": pod("name: e", busybox)})
	becomes("and comes again", "e-n")
}
