package containerd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/podling/podling/runtime/cri"
)

const (
	// atOnce is how many pods are removed side by side.
	atOnce = 8
	// podsPatience is how long the runtime has to remove all pods, and podPatience how much more it has
	// for each, before the rest is removed without it.
	podsPatience = 20 * time.Second
	podPatience  = 500 * time.Millisecond
	// podTries are made to remove a pod, with podPause after each.
	podTries = 4
	podPause = 250 * time.Millisecond
	// restPatience is how long all that is left has to end then.
	restPatience = 20 * time.Second
	// answerPatience is how long a containerd that is just being started again
	// may take to answer before its pods are removed without it.
	answerPatience = 3 * time.Second
	// cniCache is where containerd's CNI library keeps its results; it has no
	// setting for another place.
	cniCache = "/var/lib/cni/results"
)

// RemoveAll ends all pods and the daemon and removes every trace of them:
// containers, shims, mounts, network namespaces, the bridge, the firewall
// rules, and the folder. What the runtime does not remove by itself, because it
// is dead or broken, is removed without it.
func (d *Daemon) RemoveAll(ctx context.Context) error {
	errs := []error{d.removePods(ctx)}
	ctx, cancel := context.WithTimeout(ctx, restPatience)
	defer cancel()
	errs = append(errs, d.end(ctx))
	if shims, err := d.files.shims(); err != nil {
		errs = append(errs, err)
	} else {
		errs = append(errs, endShims(ctx, shims))
	}
	errs = append(errs,
		d.network.forget(),
		unmountBelow(string(d.files)),
		d.network.unforward(ctx),
		d.network.removeBridge(),
		os.RemoveAll(string(d.files)))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("removing containerd's %s: %w", d.files, err)
	}
	return nil
}

// removePods has the runtime end and remove all pods: it alone gives addresses
// and forwarded ports back.
func (d *Daemon) removePods(ctx context.Context) (err error) {
	soon, cancel := context.WithTimeout(ctx, answerPatience)
	defer cancel()
	client, err := cri.Connect(soon, d.Endpoint())
	if err != nil {
		return fmt.Errorf("pods are removed without the runtime, and ports that they had on this machine may stay forwarded: %w", err)
	}
	defer func() { err = errors.Join(err, client.Close(ctx)) }()
	pods, err := client.ListPodSandbox(ctx, nil)
	if err != nil {
		return err
	}
	ctx, cancel = context.WithTimeout(ctx, podsPatience+time.Duration(len(pods))*podPatience)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(atOnce)
	for _, pod := range pods {
		group.Go(func() error { return removePod(ctx, client, pod.Id) })
	}
	return group.Wait()
}

// removePod tries more than once: containerd may be just clearing up after a shim that has died.
func removePod(ctx context.Context, client *cri.Runtime, sandbox string) (err error) {
	for range podTries {
		if err = client.StopPodSandbox(ctx, sandbox); err == nil {
			err = client.RemovePodSandbox(ctx, sandbox)
		}
		if err == nil || ctx.Err() != nil {
			return err
		}
		time.Sleep(podPause)
	}
	return err
}

// endShims ends shims whose pods the runtime did not remove, their containers
// first: a shim that ends leaves those running.
func endShims(ctx context.Context, shims []int) error {
	var containers []int
	for _, shim := range shims {
		children, err := childrenOf(shim)
		if err != nil {
			return err
		}
		containers = append(containers, children...)
	}
	return cmp.Or(endAll(ctx, containers), endAll(ctx, shims))
}

// forget removes what the CNI library has cached of pods that the runtime did
// not remove.
func (n Network) forget() error {
	cached, err := filepath.Glob(filepath.Join(cniCache, n.name+"-*"))
	for _, file := range cached {
		err = errors.Join(err, os.Remove(file))
	}
	return err
}

// unmountBelow takes down the mounts under dir, innermost first.
func unmountBelow(dir string) error {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	var points []string
	for line := range strings.Lines(string(b)) {
		// Field 5 is the mount point, with blanks written as \040.
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		point := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(fields[4])
		if strings.HasPrefix(point, dir+"/") {
			points = append(points, point)
		}
	}
	var errs []error
	for _, point := range slices.Backward(points) {
		if err := unix.Unmount(point, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
			errs = append(errs, &os.PathError{Op: "unmount", Path: point, Err: err})
		}
	}
	return errors.Join(errs...)
}
