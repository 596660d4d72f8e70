package fault

import (
	"context"
	"reflect"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/podling/podling/clock"
)

// The runtime answers nothing but its status, and sends no events.
type quiet struct{ internalapi.RuntimeService }

func (quiet) Status(context.Context, bool) (*runtimeapi.StatusResponse, error) {
	return &runtimeapi.StatusResponse{Status: &runtimeapi.RuntimeStatus{Conditions: []*runtimeapi.RuntimeCondition{
		{Type: runtimeapi.RuntimeReady, Status: true}, {Type: runtimeapi.NetworkReady, Status: true}}}}, nil
}

func (quiet) GetContainerEvents(ctx context.Context, _ chan *runtimeapi.ContainerEventResponse, joined func(runtimeapi.RuntimeService_GetContainerEventsClient)) error {
	joined(nil)
	<-ctx.Done()
	return ctx.Err()
}

// Every call that the services have can be struck, under its own name and when
// the runtime is down. (Behind the faults there is nothing: what is not struck
// panics.)
func TestEveryCall(t *testing.T) {
	called := map[Call]bool{}
	for _, service := range []any{(*internalapi.RuntimeService)(nil), (*internalapi.ImageManagerService)(nil)} {
		methods := reflect.TypeOf(service).Elem()
		for i := range methods.NumMethod() {
			m := methods.Method(i)
			if m.Name == "Close" {
				continue // the node's own end of the connection
			}
			called[Call(m.Name)] = true
			for _, by := range []Call{Call(m.Name), RuntimeDown} {
				f := with(t, Rule{Call: by, Code: codes.Unavailable.String()})
				var wrapped any = f.Runtime(nil, "n")
				if methods.Name() == "ImageManagerService" {
					wrapped = f.Images(nil, "n")
				}
				args := []reflect.Value{reflect.ValueOf(t.Context())}
				for n := 1; n < m.Type.NumIn(); n++ {
					args = append(args, reflect.Zero(m.Type.In(n)))
				}
				out := reflect.ValueOf(wrapped).MethodByName(m.Name).Call(args)
				err, _ := out[len(out)-1].Interface().(error)
				if status.Code(err) != codes.Unavailable {
					t.Errorf("%s with a fault of %s: %v", m.Name, by, err)
				}
			}
		}
	}
	for _, c := range Calls() {
		if !c.State() && !c.Step() && !called[c] {
			t.Errorf("no service has a call %s", c)
		}
	}
}

func TestNetworkNotReady(t *testing.T) {
	f := with(t, Rule{Call: NetworkNotReady, Error: "no bridge today"})
	ready := func() *runtimeapi.RuntimeCondition {
		response, err := f.Runtime(quiet{}, "n").Status(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		return response.Status.Conditions[1]
	}
	if c := ready(); c.Status || c.Reason != "NetworkPluginNotReady" || c.Message != "no bridge today" {
		t.Errorf("%v", c)
	}
	f.Clear()
	if c := ready(); !c.Status {
		t.Errorf("the fault is gone, its effect is not: %v", c)
	}
}

// A stream of events ends when the runtime goes down, and can be joined again after.
func TestEventsEnd(t *testing.T) {
	f := New(clock.Real{})
	service := f.Runtime(quiet{}, "n")
	joined, ended := make(chan struct{}, 1), make(chan error, 1)
	join := func(ctx context.Context) {
		ended <- service.GetContainerEvents(ctx, nil, func(runtimeapi.RuntimeService_GetContainerEventsClient) { joined <- struct{}{} })
	}
	go join(t.Context())
	<-joined
	if _, err := f.Add(Rule{Call: RuntimeDown, Name: "down"}); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; status.Code(err) != codes.Unavailable {
		t.Errorf("the stream ended with %v", err)
	}
	go join(t.Context())
	if err := <-ended; status.Code(err) != codes.Unavailable {
		t.Errorf("while it is down: %v", err)
	}
	if err := f.Remove("down"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	go join(ctx)
	<-joined
	cancel()
	if err := <-ended; status.Code(err) == codes.Unavailable {
		t.Errorf("the caller gave up: %v", err)
	}
}
