package static

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	kubetypes "k8s.io/kubernetes/pkg/kubelet/types"

	"github.com/podling/podling/manifest"
)

const (
	// lasting is how long a manifest has to be bad for its pod to end: it may be
	// half-written (upstream: until all is read again, every 20 s).
	lasting = rereadEvery
	// maxSize is the most that a manifest may have, in bytes (upstream: maxConfigLength).
	maxSize = 10 << 20
)

// file is a manifest as it was read last.
type file struct {
	raw      []byte
	pod      *v1.Pod   // nil: none that could be run
	problem  error     // with its path; a pod may be run all the same
	badSince time.Time // zero: it is good
}

// read reads the file again.
func (old *file) read(path, node string, now time.Time) *file {
	raw, err := load(path)
	if errors.Is(err, os.ErrNotExist) { // it went between two looks
		return &file{}
	}
	if err == nil && old.raw != nil && old.badSince.IsZero() && bytes.Equal(old.raw, raw) {
		return old
	}
	var pod *v1.Pod
	if err == nil {
		pod, err = decode(path, raw, node)
	}
	if err != nil {
		return old.turnedBad(path, err, now)
	}
	seen := now.Format(time.RFC3339Nano)
	if old.pod != nil && old.pod.UID == pod.UID {
		seen = old.pod.Annotations[kubetypes.ConfigFirstSeenAnnotationKey]
	}
	pod.Annotations[kubetypes.ConfigFirstSeenAnnotationKey] = seen
	is := &file{raw: raw, pod: pod}
	if doubt := check(path); doubt != nil {
		is.problem = fmt.Errorf("a static pod is run, but not all that its manifest says has a meaning: %w", doubt)
	}
	return is
}

// turnedBad is a file that cannot be run as it is. What it was before goes on for a while.
func (old *file) turnedBad(path string, problem error, now time.Time) *file {
	is := &file{pod: old.pod, badSince: old.badSince, problem: fmt.Errorf("%s: %w", path, problem)}
	if closer := check(path); closer != nil && strings.HasPrefix(closer.Error(), path+":") {
		is.problem = closer // it tells the line
	}
	if is.badSince.IsZero() {
		is.badSince = now
	}
	if now.Sub(is.badSince) >= lasting {
		is.pod = nil
	}
	return is
}

// load reads a file that is one.
func load(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, errors.New("it is a folder, and folders in the folder of manifests are not read")
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a file")
	}
	in, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	raw, err := io.ReadAll(io.LimitReader(in, maxSize+1))
	if err == nil && len(raw) > maxSize {
		return nil, fmt.Errorf("it has more than %d bytes", maxSize)
	}
	return raw, err
}

// check looks at a manifest as closely as `podling run` does, which says on
// which line something is wrong; upstream's decoder passes over fields that it
// does not know.
func check(path string) error {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() || info.Size() > maxSize {
		return nil
	}
	docs, err := manifest.Read([]string{path}, nil)
	if err != nil {
		return err
	}
	var more error
	if len(docs) > 1 {
		more = fmt.Errorf("%s: it holds %d objects, of which the first alone counts", path, len(docs))
	}
	return errors.Join(more, manifest.Check(docs[:1]))
}
