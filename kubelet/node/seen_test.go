package node

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	v1 "k8s.io/api/core/v1"
	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func TestConditions(t *testing.T) {
	began := time.Now().Truncate(time.Second)
	fresh := conditions(nil, seen{}, began)
	if got := transitions(&v1.NodeStatus{}, &v1.NodeStatus{Conditions: fresh}); !slices.Equal(got, []string{
		"NodeHasSufficientMemory", "NodeHasNoDiskPressure", "NodeHasSufficientPID", "NodeReady",
	}) {
		t.Errorf("events of a new node: %v", got)
	}
	later := began.Add(time.Minute)
	still := conditions(fresh, seen{}, later)
	if got := transitions(&v1.NodeStatus{Conditions: fresh}, &v1.NodeStatus{Conditions: still}); got != nil {
		t.Errorf("events of nothing: %v", got)
	}
	if differs(&v1.NodeStatus{Conditions: fresh}, &v1.NodeStatus{Conditions: still}) {
		t.Error("to be older is to be different")
	}
	bad := conditions(fresh, seen{short: []v1.NodeConditionType{v1.NodeDiskPressure, v1.NodeMemoryPressure}, runtime: runtimeView{state: State{RuntimeError: "it burns"}}}, later)
	if got := transitions(&v1.NodeStatus{Conditions: fresh}, &v1.NodeStatus{Conditions: bad}); !slices.Equal(got, []string{
		"NodeHasInsufficientMemory", "NodeHasDiskPressure", "NodeNotReady",
	}) {
		t.Errorf("events of a node gone bad: %v", got)
	}
	for i, c := range bad {
		changed := c.Status != fresh[i].Status
		if changed != c.LastTransitionTime.Time.Equal(later) || !c.LastHeartbeatTime.Time.Equal(later) {
			t.Errorf("%s: changed %t, times %v and %v", c.Type, changed, c.LastTransitionTime, c.LastHeartbeatTime)
		}
	}
	if ready := bad[3]; ready.Reason != "KubeletNotReady" || ready.Message != "it burns" {
		t.Errorf("%+v", ready)
	}
	if fresh[3].Status != v1.ConditionTrue {
		t.Error("the old conditions were changed")
	}
}

func TestImageList(t *testing.T) {
	var images []*runtimeapi.Image
	for i := range 60 {
		images = append(images, &runtimeapi.Image{Id: fmt.Sprint(i), Size: uint64(i), RepoDigests: []string{"d1", "d2", "d3"}, RepoTags: []string{"t1", "t2", "t3"}})
	}
	list := imageList(images)
	if len(list) != 50 || list[0].SizeBytes != 59 || list[49].SizeBytes != 10 {
		t.Errorf("%d images, %d..%d", len(list), list[0].SizeBytes, list[len(list)-1].SizeBytes)
	}
	if !slices.Equal(list[0].Names, []string{"d1", "d2", "d3", "t1", "t2"}) {
		t.Errorf("names: %v", list[0].Names)
	}
}

// A runtime that answers as a test says.
type answering struct {
	internalapi.RuntimeService
	err error
}

func (a *answering) Status(context.Context, bool) (*runtimeapi.StatusResponse, error) {
	return &runtimeapi.StatusResponse{Status: &runtimeapi.RuntimeStatus{Conditions: []*runtimeapi.RuntimeCondition{
		{Type: runtimeapi.RuntimeReady, Status: true}, {Type: runtimeapi.NetworkReady, Status: true},
	}}}, a.err
}

func (a *answering) Version(context.Context, string) (*runtimeapi.VersionResponse, error) {
	return &runtimeapi.VersionResponse{RuntimeName: "test", RuntimeVersion: "1"}, a.err
}

// A runtime that is too busy to answer is not down, unless that lasts.
func TestLook(t *testing.T) {
	busy := status.Error(codes.DeadlineExceeded, "too late")
	gone := status.Error(codes.Unavailable, "nobody there")
	well, down, unknown := State{}, State{RuntimeError: errRuntimeDown}, State{RuntimeError: errRuntimeNotLooked}
	for _, test := range []struct {
		name   string
		before runtimeView
		err    error
		want   State
		told   []State
	}{
		{"first, well", runtimeView{}, nil, well, []State{well}},
		{"first, gone", runtimeView{}, gone, down, []State{down}},
		{"first, busy", runtimeView{}, busy, unknown, []State{unknown}},
		{"well, gone", runtimeView{answered: time.Now()}, gone, down, []State{down}},
		{"well, busy", runtimeView{answered: time.Now()}, busy, well, nil},
		{"well, busy for long", runtimeView{answered: time.Now().Add(-silence)}, busy, down, []State{down}},
		{"well, an error", runtimeView{answered: time.Now()}, errors.New("odd"), down, []State{down}},
		{"down, well", runtimeView{state: down, answered: time.Now()}, nil, well, []State{well}},
		{"down, busy", runtimeView{state: down, answered: time.Now()}, busy, down, nil},
	} {
		var told []State
		n := New(Config{Runtime: &answering{err: test.err}, State: func(s State) { told = append(told, s) }})
		n.seen.runtime = test.before
		n.look(t.Context())
		if got := n.seen.runtime.state; got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
		if !reflect.DeepEqual(told, test.told) {
			t.Errorf("%s: told of %+v, want %+v", test.name, told, test.told)
		}
		if woken := len(n.wake) > 0; woken != (len(test.told) > 0) {
			t.Errorf("%s: woken %t", test.name, woken)
		}
	}
}

func TestNotTrue(t *testing.T) {
	s := &runtimeapi.RuntimeStatus{Conditions: []*runtimeapi.RuntimeCondition{{Type: "A", Status: true}, {Type: "B", Reason: "R", Message: "M"}}}
	for kind, want := range map[string]string{"A": "", "B": "B=false reason:R message:M", "C": "the runtime says nothing of C"} {
		if got := notTrue(s, kind); got != want {
			t.Errorf("%s: %q", kind, got)
		}
	}
}
