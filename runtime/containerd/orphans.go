package containerd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/klog/v2"

	"github.com/podling/podling/runtime/cri"
)

const (
	// orphanTries are made to remove what is left, with orphanPause after each; then the next start tries.
	orphanTries = 20
	orphanPause = 3 * time.Second
)

// orphans may be left of sandboxes that a containerd was making when it was killed: it makes a network
// namespace, and the plugins an address, before it writes down whose they are. The next one knows
// nothing of them.
type orphans struct {
	namespaces []string // files that network namespaces are mounted on
	addresses  []string // files that keep a pod's address from being given to another
	shims      []int    // processes
}

// orphans are all that may be some. To be called while no containerd runs: what is made later is
// somebody's.
func (l layout) orphans() (o orphans, err error) {
	namespaces, err1 := filepath.Glob(filepath.Join(l.state(), "io.containerd.grpc.v1.cri", "netns", "*"))
	addresses, err2 := filepath.Glob(filepath.Join(l.addresses(), "*", "[0-9]*"))
	shims, err3 := l.shims()
	return orphans{namespaces, addresses, shims}, errors.Join(err1, err2, err3)
}

// removePatiently tries again while containerd does not tell of all of its sandboxes whose they are: one
// that it was making, too, may be there for a moment, or until its pod is over. It ends with containerd.
func (o orphans) removePatiently(l layout, containerd *process) {
	ctx, cancel := endingWith(context.Background(), containerd.exited)
	defer cancel()
	for range orphanTries {
		err := o.remove(ctx, l)
		if err == nil || ctx.Err() != nil {
			return
		}
		klog.ErrorS(err, "Something may be left of sandboxes that were being made when containerd ended; it is tried again")
		select {
		case <-time.After(orphanPause):
		case <-ctx.Done():
		}
	}
}

// remove removes those that belong to no sandbox that the containerd which is starting has.
func (o orphans) remove(ctx context.Context, l layout) (err error) {
	if len(o.namespaces)+len(o.addresses)+len(o.shims) == 0 {
		return nil
	}
	client, err := cri.Connect(ctx, l.endpoint())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close(context.WithoutCancel(ctx))) }()
	sandboxes, err := client.ListPodSandbox(ctx, nil)
	if err != nil {
		return err
	}
	var ids, namespaces []string
	for _, s := range sandboxes {
		ids = append(ids, s.GetId())
		r, err := client.PodSandboxStatus(ctx, s.GetId(), true)
		if status.Code(err) == codes.NotFound {
			continue // removed by now
		}
		if err != nil {
			return err
		}
		if r.GetStatus().GetLinux().GetNamespaces().GetOptions().GetNetwork() == runtimeapi.NamespaceMode_NODE {
			continue
		}
		namespace, err := networkNamespace(r)
		if err != nil {
			return fmt.Errorf("sandbox %s: %w", s.GetId(), err)
		}
		namespaces = append(namespaces, namespace)
	}
	errs := []error{l.endForgotten(o.shims)} // containerd has let go of those that it could not load
	for _, path := range o.namespaces {
		if !slices.Contains(namespaces, path) {
			klog.InfoS("A network namespace that is no pod's is removed", "path", path)
			errs = append(errs, removeNamespace(path))
		}
	}
	for _, path := range o.addresses {
		owner, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // given back by now
		}
		// The file's first line is the sandbox's ID (plugins/ipam/host-local/backend/disk).
		if id, _, _ := strings.Cut(string(owner), "\r\n"); err == nil && !slices.Contains(ids, strings.TrimSpace(id)) {
			klog.InfoS("An address that is no pod's is given back", "address", filepath.Base(path))
			err = os.Remove(path)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// networkNamespace is the file of a sandbox's.
func networkNamespace(r *runtimeapi.PodSandboxStatusResponse) (string, error) {
	var info struct {
		RuntimeSpec struct {
			Linux struct {
				Namespaces []struct{ Type, Path string }
			}
		}
	}
	if err := json.Unmarshal([]byte(r.GetInfo()["info"]), &info); err != nil {
		return "", fmt.Errorf("what containerd tells of it: %w", err)
	}
	for _, n := range info.RuntimeSpec.Linux.Namespaces {
		if n.Type == "network" && n.Path != "" {
			return n.Path, nil
		}
	}
	return "", errors.New("containerd does not tell its network namespace")
}

// removeNamespace removes a network namespace and what is in it, or the file alone if it is not mounted.
func removeNamespace(path string) error {
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && err != unix.EINVAL && err != unix.ENOENT {
		return &os.PathError{Op: "umount", Path: path, Err: err}
	}
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
