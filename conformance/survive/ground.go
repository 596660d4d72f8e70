package survive

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/podling/podling/conformance/images"
	"github.com/podling/podling/conformance/launch"
	"github.com/podling/podling/runtime/cri"
)

// limit bounds each thing that is waited for. On an idle machine each takes seconds; a relist,
// which finds what was missed, comes every half minute.
const limit = 2 * time.Minute

// Ground is where trials are made: a cluster on a data folder, with a real containerd. The API
// server is either in the node's process, or apart from it.
type Ground struct {
	// Apart: the control plane is a process of its own, which the node has joined.
	Apart bool

	binary, folder string
	registry       images.Registry
	close          []func() error // what is to be done at the end, the last first
	extra          []string       // flags of the control plane
	away           time.Duration  // that the API server is, where that is the fault
	plane, node    *launch.Podling
	nodeName       string
	client         kubernetes.Interface
	runtime        *cri.Runtime
	trials         int
}

// Prepare brings a cluster up below the folder, which has to be there and should be empty. The
// binary is podling's. planeFlags go to the process with the control plane.
func Prepare(ctx context.Context, binary, folder string, apart bool, planeFlags ...string) (*Ground, error) {
	g := &Ground{Apart: apart, binary: binary, folder: folder, extra: planeFlags}
	registry, closeRegistry, err := images.Serve(ctx)
	if err != nil {
		return nil, err
	}
	g.registry, g.close = registry, append(g.close, closeRegistry)
	if err := g.begin(ctx); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	return g, nil
}

func (g *Ground) begin(ctx context.Context) error {
	if err := os.MkdirAll(g.marks(), 0o777); err != nil {
		return err
	}
	if err := g.upPlane(ctx); err != nil {
		return err
	}
	if g.Apart {
		out, err := exec.CommandContext(ctx, g.binary, "token", "create", "--kubeconfig", g.plane.Kubeconfig).Output()
		if err != nil {
			return fmt.Errorf("token create: %w", err)
		}
		words := strings.Fields(string(out))
		if len(words) < 3 {
			return fmt.Errorf("token create printed %q", out)
		}
		if err := g.upNode(ctx, words[2:]...); err != nil {
			return err
		}
	}
	var err error
	if g.runtime, err = cri.Connect(ctx, "unix://"+filepath.Join(g.data(), "containerd", "containerd.sock")); err != nil {
		return err
	}
	g.close = append(g.close, func() error { return g.runtime.Close(context.WithoutCancel(ctx)) })
	return nil
}

// data is the node's folder.
func (g *Ground) data() string { return filepath.Join(g.folder, "node") }

// marks is where containers write down that they began; every pod has it as a volume.
func (g *Ground) marks() string { return filepath.Join(g.folder, "marks") }

// upPlane starts the process with the control plane, or starts it again, at the same address.
func (g *Ground) upPlane(ctx context.Context) error {
	flags := append([]string{"--data-dir", g.data(), "--registry-mirror", g.registry.Mirror()}, g.extra...)
	if g.Apart {
		flags = append([]string{"--runtime", "none", "--data-dir", filepath.Join(g.folder, "plane")}, g.extra...)
	}
	p, err := launch.Up(ctx, g.binary, flags...)
	if err != nil {
		return err
	}
	g.plane = p
	if !g.Apart {
		g.node, g.nodeName = p, p.Node
	}
	config, err := clientcmd.BuildConfigFromFlags("", p.Kubeconfig)
	if err != nil {
		return err
	}
	config.QPS = -1
	g.client, err = kubernetes.NewForConfig(config)
	return err
}

// upNode starts the node that is apart from its API server.
func (g *Ground) upNode(ctx context.Context, flags ...string) error {
	p, err := launch.Node(ctx, g.binary, append([]string{"--data-dir", g.data(), "--node-name", "apart", "--registry-mirror", g.registry.Mirror()}, flags...)...)
	if err != nil {
		return err
	}
	g.node, g.nodeName = p, "apart"
	return nil
}

// Close ends everything. What is left of pods, if trials went wrong, is removed.
func (g *Ground) Close() error {
	var errs []error
	for _, p := range []*launch.Podling{g.node, g.plane} {
		if p != nil && !ended(p) {
			errs = append(errs, p.Stop())
		}
	}
	errs = append(errs, g.sweep())
	for i := len(g.close) - 1; i >= 0; i-- {
		errs = append(errs, g.close[i]())
	}
	if bridge := g.bridge(); bridge != "" {
		if _, err := os.Stat("/sys/class/net/" + bridge); err == nil {
			if out, err := exec.Command("ip", "link", "delete", bridge).CombinedOutput(); err != nil {
				errs = append(errs, fmt.Errorf("removing bridge %s: %w: %s", bridge, err, out))
			}
		}
	}
	return errors.Join(errs...)
}

// sweep ends the shims that are left, and takes down what is mounted.
func (g *Ground) sweep() error {
	shims, err := g.shims()
	if err != nil {
		return err
	}
	var errs []error
	for _, line := range shims {
		var pid int
		if _, err := fmt.Sscanf(line, "process %d:", &pid); err != nil {
			return err
		}
		errs = append(errs, syscall.Kill(pid, syscall.SIGKILL))
	}
	mounts, err := g.mounts()
	if err != nil {
		return err
	}
	for _, line := range slices.Backward(mounts) { // the innermost first
		errs = append(errs, unix.Unmount(strings.TrimPrefix(line, "mount "), unix.MNT_DETACH))
	}
	return errors.Join(errs...)
}

// kill ends a process with SIGKILL and waits until it is gone.
func kill(p *launch.Podling) error {
	if err := syscall.Kill(p.Pid, syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill -9 %d: %w", p.Pid, err)
	}
	p.Wait()
	return nil
}

// until polls for something; the error says what it was.
func until(ctx context.Context, what string, is func() (bool, error)) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	pause := 20 * time.Millisecond
	for {
		ok, err := is()
		if ok {
			return nil
		}
		select {
		case <-time.After(pause):
			pause = min(pause*5/4, time.Second)
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%s: not within %v", what, time.Since(began).Round(time.Second)), err)
		}
	}
}

// ended: the process is not there any more.
func ended(p *launch.Podling) bool { return syscall.Kill(p.Pid, 0) != nil }
