package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	v1 "k8s.io/api/core/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/klog/v2"
)

const (
	// lookEvery is how often a runtime that is well is looked at, lookAgain one that is not.
	lookEvery = time.Second
	lookAgain = 100 * time.Millisecond
	// lookTimeout is how long an answer may take.
	lookTimeout = 10 * time.Second
	// silence is how long a runtime may be too busy to answer before it counts as down (upstream's
	// threshold, there for every kind of failure).
	silence = 30 * time.Second
)

// Upstream's words (pkg/kubelet/runtime.go).
const (
	errRuntimeDown      = "container runtime is down"
	errRuntimeNotLooked = "container runtime status check may not have completed yet"
)

// runtimeView is how the runtime looked last.
type runtimeView struct {
	state    State
	name     string // containerd://2.4.2; "" if it never answered
	handlers []v1.NodeRuntimeHandler
	features *v1.NodeFeatures
	answered time.Time
}

// watchRuntime looks at the runtime until ctx ends.
func (n *Node) watchRuntime(ctx context.Context) {
	for {
		n.mu.Lock()
		well := n.seen.runtime.state == State{}
		n.mu.Unlock()
		pause := lookEvery
		if !well {
			pause = lookAgain
		}
		again := time.After(pause)
		if n.cfg.Keeper != nil {
			again = nil // what is simulated changes by what is done to it
		}
		select {
		case <-ctx.Done():
			return
		case <-n.failed:
		case <-again:
		}
		n.look(ctx)
	}
}

// look asks the runtime how it is, and tells of a change.
func (n *Node) look(ctx context.Context) {
	asking, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	response, err := n.cfg.Runtime.Status(asking, false)
	n.mu.Lock()
	old := n.seen.runtime
	n.mu.Unlock()
	view := old
	switch {
	case ctx.Err() != nil:
		return // the node ends; that the call was cut off says nothing about the runtime
	case err == nil:
		view = viewOf(response)
		view.answered = time.Now()
		if view.name = old.name; old.name == "" || old.state.RuntimeError != "" {
			view.name = n.runtimeName(asking)
		}
	case isBusy(err) && time.Since(old.answered) < silence:
	case isBusy(err) && old.answered.IsZero():
		view.state.RuntimeError = errRuntimeNotLooked
	default:
		view.state.RuntimeError = errRuntimeDown
	}
	if view.state != old.state && err != nil {
		klog.FromContext(ctx).Error(err, "The container runtime does not answer")
	}
	first := old.answered.IsZero() && old.state == State{}
	if (first || view.state != old.state) && n.cfg.State != nil {
		n.cfg.State(view.state)
	}
	changed := !reflect.DeepEqual(withoutTime(view), withoutTime(old))
	n.mu.Lock()
	n.seen.runtime = view
	n.mu.Unlock()
	if changed {
		signal(n.wake)
	}
}

// isBusy is whether an answer came too late, as opposed to nobody being there to give one.
func isBusy(err error) bool {
	return status.Code(err) == codes.DeadlineExceeded || errors.Is(err, context.DeadlineExceeded)
}

func withoutTime(v runtimeView) runtimeView {
	v.answered = time.Time{}
	return v
}

// runtimeName is the runtime's name and version, or the name of nothing if it does not say.
func (n *Node) runtimeName(ctx context.Context) string {
	version, err := n.cfg.Runtime.Version(ctx, "")
	if err != nil {
		klog.FromContext(ctx).Error(err, "The container runtime does not tell its version")
		return ""
	}
	return version.RuntimeName + "://" + version.RuntimeVersion
}

// Handlers are the runtime's, as it told of them last.
func (n *Node) Handlers() []v1.NodeRuntimeHandler {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.seen.runtime.handlers
}

// viewOf reads the runtime's answer.
func viewOf(response *runtimeapi.StatusResponse) runtimeView {
	var view runtimeView
	if bad := notTrue(response.GetStatus(), runtimeapi.RuntimeReady); bad != "" {
		view.state.RuntimeError = "container runtime not ready: " + bad
	}
	if bad := notTrue(response.GetStatus(), runtimeapi.NetworkReady); bad != "" {
		view.state.NetworkError = "container runtime network not ready: " + bad
	}
	for _, handler := range response.GetRuntimeHandlers() {
		rro, userns := handler.GetFeatures().GetRecursiveReadOnlyMounts(), handler.GetFeatures().GetUserNamespaces()
		view.handlers = append(view.handlers, v1.NodeRuntimeHandler{
			Name:     handler.GetName(),
			Features: &v1.NodeRuntimeHandlerFeatures{RecursiveReadOnlyMounts: &rro, UserNamespaces: &userns},
		})
	}
	slices.SortFunc(view.handlers, func(a, b v1.NodeRuntimeHandler) int { return cmp.Compare(a.Name, b.Name) })
	if features := response.GetFeatures(); features != nil {
		groups := features.GetSupplementalGroupsPolicy()
		view.features = &v1.NodeFeatures{SupplementalGroupsPolicy: &groups}
	}
	return view
}

// notTrue describes a condition of the runtime that is not as it should be; "" if it is.
func notTrue(s *runtimeapi.RuntimeStatus, kind string) string {
	for _, c := range s.GetConditions() {
		if c.GetType() == kind {
			if c.GetStatus() {
				return ""
			}
			return fmt.Sprintf("%s=false reason:%s message:%s", kind, c.GetReason(), c.GetMessage())
		}
	}
	return "the runtime says nothing of " + kind
}
