package sim

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/podling/podling/runtime/sim/script"
	"github.com/podling/podling/runtime/sim/shell"
)

// sandbox is a pod's, with what its containers share.
type sandbox struct {
	id         string
	seq        uint64
	pod        *pod
	config     *runtimeapi.PodSandboxConfig
	handler    string
	state      runtimeapi.PodSandboxState
	createdAt  int64
	ip         netip.Addr
	containers []*container // the older ones first
	net        *shell.Net
	script     *script.PodScript // of the pod's annotation
	wrong      error             // with that annotation
}

// RunPodSandbox makes a sandbox. A script in the pod's annotation that cannot be
// read fails what is created in it.
func (r *Runtime) RunPodSandbox(ctx context.Context, config *runtimeapi.PodSandboxConfig, handler string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	own, wrong := script.OfPod(config.GetAnnotations())
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &sandbox{config: config, handler: handler, createdAt: now, script: own, wrong: wrong}
	if s.network() != runtimeapi.NamespaceMode_NODE {
		var err error
		if s.ip, err = r.addresses.take(); err != nil {
			return "", err
		}
	}
	s.id, s.seq = r.id()
	uid := config.GetMetadata().GetUid()
	if s.pod = r.pods[uid]; s.pod == nil {
		s.pod = &pod{uid: uid}
		r.pods[uid] = s.pod
	}
	s.pod.sandboxes = append(s.pod.sandboxes, s)
	r.sandboxes[s.id] = s
	r.tell(s.id, s, runtimeapi.ContainerEventType_CONTAINER_CREATED_EVENT, now)
	r.tell(s.id, s, runtimeapi.ContainerEventType_CONTAINER_STARTED_EVENT, now)
	return s.id, nil
}

func (s *sandbox) network() runtimeapi.NamespaceMode {
	return s.config.GetLinux().GetSecurityContext().GetNamespaceOptions().GetNetwork()
}

func (r *Runtime) findSandbox(id string) (*sandbox, error) {
	if s := r.sandboxes[id]; s != nil {
		return s, nil
	}
	return nil, status.Errorf(codes.NotFound, "an error occurred when try to find sandbox: not found")
}

// StopPodSandbox kills the sandbox's containers and gives its address back.
func (r *Runtime) StopPodSandbox(ctx context.Context, id string) error {
	r.mu.Lock()
	s := r.sandboxes[id]
	if s == nil { // the call may be repeated
		r.mu.Unlock()
		return nil
	}
	list := slices.Clone(s.containers)
	r.mu.Unlock()
	for _, c := range list {
		if err := r.end(ctx, c, 0); err != nil {
			return err
		}
	}
	r.notReady(s)
	return nil
}

// notReady enters a sandbox's end.
func (r *Runtime) notReady(s *sandbox) {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.state == runtimeapi.PodSandboxState_SANDBOX_NOTREADY {
		return
	}
	s.state = runtimeapi.PodSandboxState_SANDBOX_NOTREADY
	r.addresses.give(s.ip)
	r.tell(s.id, s, runtimeapi.ContainerEventType_CONTAINER_STOPPED_EVENT, now)
}

// initSignal: a container that shares its processes with the pod has sent the
// pod's first one, the pause container's, a signal. It ends for SIGTERM and
// SIGINT, and all of the pod's processes with it.
func (r *Runtime) initSignal(s *sandbox, signal int) {
	const sigInt, sigTerm = 2, 15
	if signal != sigInt && signal != sigTerm {
		return
	}
	r.clk.AfterFunc(time.Millisecond, func() {
		r.mu.Lock()
		list := slices.Clone(s.containers)
		r.mu.Unlock()
		for _, c := range list {
			r.kill(c)
		}
		r.clk.AfterFunc(time.Millisecond, func() { r.notReady(s) })
	})
}

// RemovePodSandbox removes a sandbox with its containers.
func (r *Runtime) RemovePodSandbox(ctx context.Context, id string) error {
	if err := r.StopPodSandbox(ctx, id); err != nil {
		return err
	}
	r.mu.Lock()
	s := r.sandboxes[id]
	if s == nil {
		r.mu.Unlock()
		return nil
	}
	list := slices.Clone(s.containers)
	r.mu.Unlock()
	for _, c := range list {
		if err := r.RemoveContainer(ctx, c.id); err != nil {
			return err
		}
	}
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sandboxes[id] == nil {
		return nil
	}
	delete(r.sandboxes, id)
	s.pod.sandboxes = slices.DeleteFunc(s.pod.sandboxes, func(other *sandbox) bool { return other == s })
	if len(s.pod.sandboxes) == 0 {
		delete(r.pods, s.pod.uid)
	}
	r.tell(id, s, runtimeapi.ContainerEventType_CONTAINER_DELETED_EVENT, now)
	return nil
}

// PodSandboxStatus is the CRI's.
func (r *Runtime) PodSandboxStatus(_ context.Context, id string, _ bool) (*runtimeapi.PodSandboxStatusResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, err := r.findSandbox(id)
	if err != nil {
		return nil, err
	}
	return &runtimeapi.PodSandboxStatusResponse{Status: s.status()}, nil
}

func (s *sandbox) status() *runtimeapi.PodSandboxStatus {
	out := &runtimeapi.PodSandboxStatus{Id: s.id, Metadata: s.config.GetMetadata(), State: s.state, CreatedAt: s.createdAt,
		Network: &runtimeapi.PodSandboxNetworkStatus{}, Labels: s.config.GetLabels(), Annotations: s.config.GetAnnotations(), RuntimeHandler: s.handler}
	if s.ip.IsValid() && s.state == runtimeapi.PodSandboxState_SANDBOX_READY {
		out.Network.Ip = s.ip.String()
	}
	if o := s.config.GetLinux().GetSecurityContext().GetNamespaceOptions(); o != nil {
		out.Linux = &runtimeapi.LinuxPodSandboxStatus{Namespaces: &runtimeapi.Namespace{Options: o}}
	}
	return out
}

// ListPodSandbox lists the older ones first.
func (r *Runtime) ListPodSandbox(_ context.Context, filter *runtimeapi.PodSandboxFilter) ([]*runtimeapi.PodSandbox, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*runtimeapi.PodSandbox
	for _, s := range r.chosenSandboxes(filter.GetId(), filter.GetLabelSelector()) {
		if filter.GetState() != nil && filter.State.State != s.state || !selects(filter.GetLabelSelector(), s.config.GetLabels()) {
			continue
		}
		out = append(out, &runtimeapi.PodSandbox{Id: s.id, Metadata: s.config.GetMetadata(), State: s.state, CreatedAt: s.createdAt,
			Labels: s.config.GetLabels(), Annotations: s.config.GetAnnotations(), RuntimeHandler: s.handler})
	}
	return out, nil
}

// chosenSandboxes are those that may match, by the shortest way. Called with r.mu held.
func (r *Runtime) chosenSandboxes(id string, selector map[string]string) []*sandbox {
	if id != "" {
		if s := r.sandboxes[id]; s != nil {
			return []*sandbox{s}
		}
		return nil
	}
	if uid := selector[labelPodUID]; uid != "" {
		if p := r.pods[uid]; p != nil {
			return p.sandboxes
		}
		return nil
	}
	return inOrder(r.sandboxes, func(s *sandbox) uint64 { return s.seq })
}

func selects(selector, labels map[string]string) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return true
}

// UpdatePodSandboxResources is the CRI's.
func (r *Runtime) UpdatePodSandboxResources(_ context.Context, request *runtimeapi.UpdatePodSandboxResourcesRequest) (*runtimeapi.UpdatePodSandboxResourcesResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := r.findSandbox(request.GetPodSandboxId()); err != nil {
		return nil, err
	}
	return &runtimeapi.UpdatePodSandboxResourcesResponse{}, nil
}

// addresses of the node's pods.
type addresses struct {
	prefix netip.Prefix
	last   netip.Addr
	taken  map[netip.Addr]bool
}

// take gives the next address that is free, after the one that was given last.
func (a *addresses) take() (netip.Addr, error) {
	first := a.prefix.Addr().Next().Next() // the network's own, and the gateway's
	next := a.last.Next()
	if !a.last.IsValid() || !a.prefix.Contains(next) {
		next = first
	}
	for begun := next; a.taken[next]; {
		if next = next.Next(); !a.prefix.Contains(next) {
			next = first
		}
		if next == begun {
			return netip.Addr{}, status.Errorf(codes.Unknown, "failed to setup network for sandbox: plugin type=\"bridge\" failed (add): failed to allocate for range 0: no IP addresses available in range set: %s", a.prefix)
		}
	}
	if !a.prefix.Contains(next) {
		return netip.Addr{}, status.Errorf(codes.Unknown, "failed to setup network for sandbox: %s has no addresses for pods", a.prefix)
	}
	if a.taken == nil {
		a.taken = map[netip.Addr]bool{}
	}
	a.taken[next], a.last = true, next
	return next, nil
}

func (a *addresses) give(addr netip.Addr) { delete(a.taken, addr) }
