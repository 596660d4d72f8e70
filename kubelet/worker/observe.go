package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/podling/podling/lifecycle"
	"github.com/podling/podling/runtime/fault"
)

// Saw takes in what the runtime said of the pod by itself.
func (w *Worker) Saw(sandbox *runtimeapi.PodSandboxStatus, containers []*runtimeapi.ContainerStatus) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.news++
	w.add(func(o *lifecycle.Observed) {
		if sandbox != nil {
			s := sandboxFact(sandbox)
			if !s.Ready {
				s.LostAt = w.node.Clock.Now()
			}
			o.Sandboxes = upsertSandbox(o.Sandboxes, s)
		}
		for _, s := range containers {
			if c := w.node.container(w.pod, sandbox.GetId(), s); !slices.Contains(w.removed, c.ID) {
				o.Containers = upsert(o.Containers, c)
			}
		}
	})
}

// container is the fact of one container, with its resources told in the spec's terms.
func (n *Node) container(pod *v1.Pod, sandboxID string, s *runtimeapi.ContainerStatus) lifecycle.Container {
	c := containerFact(n.RuntimeName, sandboxID, s)
	var given v1.ResourceRequirements
	if raw := s.GetAnnotations()[annotationResources]; c.State == lifecycle.Running && raw != "" && json.Unmarshal([]byte(raw), &given) == nil {
		c.Resources = enforced(given, s.GetResources().GetLinux())
	}
	return c
}

// specOf finds a container of any kind by its name.
func specOf(pod *v1.Pod, name string) *v1.Container {
	for _, list := range [][]v1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	for i := range pod.Spec.EphemeralContainers {
		if e := &pod.Spec.EphemeralContainers[i]; e.Name == name {
			return (*v1.Container)(&e.EphemeralContainerCommon)
		}
	}
	return nil
}

// Look asks the runtime for everything it has of the pod: once when the node
// starts, whenever a relist finds that news was missed, and when the runtime did not make something,
// which it may have made already.
func (w *Worker) Look(ctx context.Context) error {
	ctx = fault.For(ctx, w.Newest(), "", "")
	const looks = 5 // then what was just heard is forgotten, and the next relist tells
	for i := range looks {
		w.mu.Lock()
		news := w.news
		w.mu.Unlock()
		fact, err := w.everything(ctx)
		if err != nil {
			return err
		}
		w.mu.Lock()
		current := w.news == news || i == looks-1 // or it would undo what was heard meanwhile
		if current {
			w.add(fact)
		}
		w.mu.Unlock()
		if current {
			break
		}
	}
	return nil
}

// everything is what the runtime has of the pod.
func (w *Worker) everything(ctx context.Context) (func(*lifecycle.Observed), error) {
	filter := map[string]string{LabelPodUID: string(w.uid)}
	sandboxes, err := w.node.Runtime.ListPodSandbox(ctx, &runtimeapi.PodSandboxFilter{LabelSelector: filter})
	if err != nil {
		return nil, fmt.Errorf("listing the pod's sandboxes: %w", err)
	}
	containers, err := w.node.Runtime.ListContainers(ctx, &runtimeapi.ContainerFilter{LabelSelector: filter})
	if err != nil {
		return nil, fmt.Errorf("listing the pod's containers: %w", err)
	}
	var ss []*runtimeapi.PodSandboxStatus
	for _, s := range sandboxes {
		r, err := w.node.Runtime.PodSandboxStatus(ctx, s.Id, false)
		if err != nil {
			return nil, fmt.Errorf("status of sandbox %s: %w", s.Id, err)
		}
		ss = append(ss, r.GetStatus())
	}
	in := map[string]string{} // container to sandbox
	var cs []*runtimeapi.ContainerStatus
	for _, c := range containers {
		r, err := w.node.Runtime.ContainerStatus(ctx, c.Id, false)
		if err != nil {
			return nil, fmt.Errorf("status of container %s: %w", c.Id, err)
		}
		in[c.Id] = c.PodSandboxId
		cs = append(cs, r.GetStatus())
	}
	return func(o *lifecycle.Observed) {
		o.Sandboxes, o.Containers = nil, nil // what the runtime has forgotten is gone
		for _, s := range ss {
			o.Sandboxes = upsertSandbox(o.Sandboxes, sandboxFact(s))
			o.RecursiveReadOnly = w.node.Handlers.RecursiveReadOnly(s.GetRuntimeHandler())
		}
		for _, c := range cs {
			o.Containers = upsert(o.Containers, w.node.container(w.pod, in[c.GetId()], c))
		}
	}, nil
}

// lookAgain is for when the runtime did not make something. It may be there all the same: a node that
// was killed has asked for it, and its news went there.
func (p *pass) lookAgain(ctx context.Context) {
	if err := p.Look(ctx); err != nil {
		p.log().Error(err, "Looking at what there is of the pod; the next relist tries again")
	}
}

// refresh reads one container's status, which is told to the worker.
func (p *pass) refresh(ctx context.Context, sandboxID, id string) error {
	r, err := p.node.Runtime.ContainerStatus(ctx, id, false)
	if err != nil {
		p.criError(err)
		if !notFound(err) {
			p.node.Event(p.pod, FailedSync(err))
		}
		return err
	}
	c := p.node.container(p.pod, sandboxID, r.GetStatus())
	p.tell(func(o *lifecycle.Observed) { o.Containers = upsert(o.Containers, c) })
	return nil
}

// FailedSync is the Event of a pod that the runtime does not tell about (upstream:
// pkg/kubelet/pod_workers.go).
func FailedSync(err error) lifecycle.Event {
	return lifecycle.Event{Type: v1.EventTypeWarning, Reason: "FailedSync", Message: "error determining status: " + err.Error()}
}

// ended reads how a container ended that was stopped. The runtime may know that it
// is stopped a moment before it knows how it ended.
func (p *pass) ended(ctx context.Context, sandboxID, id string) error {
	const looks, between = 40, 50 * time.Millisecond
	for range looks {
		if err := p.refresh(ctx, sandboxID, id); err != nil {
			return err
		}
		if slices.ContainsFunc(p.seen.Containers, func(c lifecycle.Container) bool { return bare(c.ID) == id && c.State == lifecycle.Exited }) {
			return nil
		}
		p.node.Clock.Sleep(between)
	}
	return nil // it is seen as it is; the next event or relist tells
}

// Fingerprint sums up what is known of the pod's sandboxes and containers, to be
// compared with what a relist shows: id and state of each. busy: a pass is
// changing them right now.
func (w *Worker) Fingerprint() (ids map[string]string, busy bool) {
	o, ok := w.known()
	ids = map[string]string{}
	for _, s := range o.Sandboxes {
		ids[s.ID] = fmt.Sprint(s.Ready)
	}
	for _, c := range o.Containers {
		ids[bare(c.ID)] = string(c.State)
	}
	return ids, !ok || len(o.Pass) > 0
}

// known asks the loop what it knows; false if the worker has ended, or has not
// begun yet.
func (w *Worker) known() (lifecycle.Observed, bool) {
	select {
	case <-w.began:
	default: // it waits for others to make room, perhaps for long
		return lifecycle.Observed{}, false
	}
	got := make(chan lifecycle.Observed, 1)
	w.Tell(func(o *lifecycle.Observed) { got <- *o })
	select {
	case o := <-got:
		return o, true
	case <-w.ended:
		return lifecycle.Observed{}, false
	}
}
