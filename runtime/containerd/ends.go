package containerd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/containerd/containerd/api/runtime/task/v3"
	tasktypes "github.com/containerd/containerd/api/types/task"
	"github.com/containerd/ttrpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/klog/v2"
)

const (
	// shimPatience is how long a shim may take to answer.
	shimPatience = 5 * time.Second
	// beginning is how long a shim may take to start a container, and beginningPause the time between two looks.
	beginning, beginningPause = 500 * time.Millisecond, 20 * time.Millisecond
	// takeover is how long after its start a containerd has surely asked all shims what they run.
	takeover = 30 * time.Second
	// endFile is where an end is kept, in the container's own folder, which containerd removes with it.
	endFile = "podling-end.json"
	// shimSpeaks is the protocol and the version of its task service.
	shimSpeaks, shimVersion = "ttrpc", 3
)

// An end is how a container ended while no containerd ran. containerd takes its shim for one that
// was left over and forgets what that knows (loadShim in core/runtime/v2/shim_load.go): the container
// is Unknown then, with exit code 255, and a pod that did its work has failed.
type end struct {
	ExitCode uint32    `json:"exitCode"`
	At       time.Time `json:"at"`
	// Unbegun: the container had not begun when the containerd ended that was about to start it.
	Unbegun bool `json:"unbegun,omitempty"`
}

// keepEnds asks the shims how containers ended, and keeps it; of those that run it waits for the end
// until takeover. To be called before containerd ends or is started.
func (l layout) keepEnds() {
	bundles, err := filepath.Glob(filepath.Join(l.tasks(), "[0-9a-f]*"))
	if err != nil {
		klog.ErrorS(err, "What ran without containerd cannot be looked up")
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), takeover)
	var asked, waited sync.WaitGroup
	for _, bundle := range bundles {
		id := filepath.Base(bundle)
		if info, err := os.Stat(l.container(id)); err != nil || !info.IsDir() {
			continue // a sandbox's, which has no exit code to tell
		}
		asked.Add(1)
		waited.Go(func() {
			if err := l.keepEnd(ctx, bundle, id, asked.Done); err != nil && ctx.Err() == nil {
				klog.InfoS("A container's shim does not say how it is", "container", id, "err", err)
			}
		})
	}
	asked.Wait()
	go func() {
		waited.Wait()
		cancel()
	}()
}

// keepEnd keeps the end of one container. answered is called once the shim has said how it is.
func (l layout) keepEnd(ctx context.Context, bundle, id string, answered func()) error {
	answered = sync.OnceFunc(answered)
	defer answered()
	shim, err := readShim(bundle)
	if err != nil {
		return err
	}
	client, err := shim.dial()
	if err != nil {
		return err
	}
	defer client.Close() // was only asked
	tasks := task.NewTTRPCTaskClient(client)
	asking, cancel := context.WithTimeout(ctx, shimPatience)
	defer cancel()
	state, err := tasks.State(asking, &task.StateRequest{ID: id})
	for end := time.Now().Add(beginning); err == nil && state.Status == tasktypes.Status_CREATED && time.Now().Before(end); {
		time.Sleep(beginningPause) // the shim may be just starting it, for a containerd that is gone
		state, err = tasks.State(asking, &task.StateRequest{ID: id})
	}
	if err != nil && status.Code(err) != codes.NotFound {
		return err
	}
	if err != nil || state.Status == tasktypes.Status_CREATED {
		if started, err := l.started(id); err != nil || started {
			return err
		}
		return l.writeEnd(id, end{Unbegun: true})
	}
	e := end{ExitCode: state.ExitStatus, At: state.ExitedAt.AsTime()}
	switch state.Status {
	case tasktypes.Status_STOPPED:
	case tasktypes.Status_RUNNING, tasktypes.Status_PAUSED, tasktypes.Status_PAUSING:
		answered()
		if err := l.forgetUnbegun(id); err != nil {
			return err
		}
		r, err := tasks.Wait(ctx, &task.WaitRequest{ID: id})
		if err != nil {
			return err // it runs on, and containerd hears of its end
		}
		e = end{ExitCode: r.ExitStatus, At: r.ExitedAt.AsTime()}
	default:
		return nil // nothing is known of it
	}
	return l.writeEnd(id, e)
}

// shim is how a shim is reached.
type shim struct {
	Version           int
	Address, Protocol string
}

// readShim reads what containerd wrote down of the shim of a bundle.
func readShim(bundle string) (s shim, err error) {
	path := filepath.Join(bundle, "bootstrap.json")
	raw, err := os.ReadFile(path)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return s, fmt.Errorf("%s: %w", path, err)
	}
	if s.Protocol != shimSpeaks || s.Version != shimVersion {
		return s, fmt.Errorf("the shim at %s speaks %s %d, not %s %d", s.Address, s.Protocol, s.Version, shimSpeaks, shimVersion)
	}
	return s, nil
}

func (s shim) dial() (*ttrpc.Client, error) {
	conn, err := net.DialTimeout("unix", strings.TrimPrefix(s.Address, "unix://"), shimPatience)
	if err != nil {
		return nil, err
	}
	return ttrpc.NewClient(conn), nil
}

// container is containerd's folder of one.
func (l layout) container(id string) string {
	return filepath.Join(l.root(), "io.containerd.grpc.v1.cri", "containers", id)
}

// writeEnd keeps an end for as long as containerd has the container.
func (l layout) writeEnd(id string, e end) error {
	raw, err := json.Marshal(e)
	if err != nil {
		return err
	}
	path := filepath.Join(l.container(id), endFile)
	if err = os.WriteFile(path+".new", raw, 0o600); err == nil {
		err = os.Rename(path+".new", path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil // removed meanwhile
	}
	return err
}

// started says whether containerd has written down that the container was started.
func (l layout) started(id string) (bool, error) {
	path := filepath.Join(l.container(id), "status") // internal/cri/store/container/status.go
	raw, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	var written struct{ StartedAt int64 }
	if err := json.Unmarshal(raw, &written); err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	return written.StartedAt != 0, nil
}

// forgetUnbegun takes back that a container had not begun.
func (l layout) forgetUnbegun(id string) error {
	if e, known := l.readEnd(id); !known || !e.Unbegun {
		return nil
	}
	return os.Remove(filepath.Join(l.container(id), endFile))
}

// readEnd gives the end that was kept of a container, if one was.
func (l layout) readEnd(id string) (e end, known bool) {
	raw, err := os.ReadFile(filepath.Join(l.container(id), endFile))
	if errors.Is(err, fs.ErrNotExist) {
		return e, false
	}
	if err == nil {
		err = json.Unmarshal(raw, &e)
	}
	if err != nil {
		klog.ErrorS(err, "How a container ended cannot be read", "container", id)
	}
	return e, err == nil
}
