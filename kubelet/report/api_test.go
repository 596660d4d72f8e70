package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// api is as much of an API server as a reporter sees of one: UIDs, preconditions,
// and a watch that is told of everything a little later.
type api struct {
	*fake.Clientset
	watch chan func()

	mu   sync.Mutex
	n    int
	down bool
	cold bool // has just started: what it deletes it does not find yet
	pods map[string]*v1.Pod
	log  []string // what was done, in order
}

// newAPI serves a reporter; seen is told of the pods, as a watch tells the node.
func newAPI(t *testing.T, seen func(pod *v1.Pod, gone bool)) *api {
	a := &api{Clientset: &fake.Clientset{}, watch: make(chan func(), 1000), pods: map[string]*v1.Pod{}}
	reactor := func(do func(clienttesting.Action) (*v1.Pod, bool, error)) clienttesting.ReactionFunc {
		return func(action clienttesting.Action) (bool, runtime.Object, error) {
			a.mu.Lock()
			defer a.mu.Unlock()
			if a.down {
				return true, nil, errors.New("connection refused")
			}
			pod, gone, err := do(action)
			if err == nil && action.GetVerb() != "get" {
				a.watch <- func() { seen(pod, gone) }
			}
			return true, pod, err
		}
	}
	a.AddReactor("create", "pods", reactor(a.create))
	a.AddReactor("get", "pods", reactor(a.get))
	a.AddReactor("update", "pods", reactor(a.update))
	a.AddReactor("patch", "pods", reactor(a.patch))
	a.AddReactor("delete", "pods", reactor(a.delete))
	a.AddReactor("list", "pods", a.list)
	go func() {
		for tell := range a.watch {
			tell()
		}
	}()
	t.Cleanup(func() { close(a.watch) })
	return a
}

func (a *api) note(what string, pod *v1.Pod) *v1.Pod {
	a.n++
	pod.ResourceVersion = strconv.Itoa(1000 + a.n)
	a.log = append(a.log, what)
	return pod.DeepCopy()
}

func (a *api) create(action clienttesting.Action) (*v1.Pod, bool, error) {
	pod := action.(clienttesting.CreateAction).GetObject().(*v1.Pod).DeepCopy()
	if pod.Namespace == "missing" {
		return nil, false, apierrors.NewNotFound(v1.Resource("namespaces"), pod.Namespace)
	}
	if a.pods[pod.Name] != nil {
		return nil, false, apierrors.NewAlreadyExists(v1.Resource("pods"), pod.Name)
	}
	a.n++
	pod.UID = types.UID(fmt.Sprint("mirror-", a.n))
	pod.Status = v1.PodStatus{Phase: v1.PodPending}
	a.pods[pod.Name] = pod
	return a.note("create "+pod.Labels["is"], pod), false, nil
}

func (a *api) get(action clienttesting.Action) (*v1.Pod, bool, error) {
	name := action.(clienttesting.GetAction).GetName()
	if a.pods[name] == nil {
		return nil, false, apierrors.NewNotFound(v1.Resource("pods"), name)
	}
	return a.pods[name].DeepCopy(), false, nil
}

func (a *api) update(action clienttesting.Action) (*v1.Pod, bool, error) {
	pod := action.(clienttesting.UpdateAction).GetObject().(*v1.Pod).DeepCopy()
	old := a.pods[pod.Name]
	if old == nil {
		return nil, false, apierrors.NewNotFound(v1.Resource("pods"), pod.Name)
	}
	if pod.UID != old.UID || pod.ResourceVersion != old.ResourceVersion {
		return nil, false, apierrors.NewConflict(v1.Resource("pods"), pod.Name, errors.New("changed"))
	}
	a.pods[pod.Name] = pod
	return a.note("whole status "+pod.Labels["is"]+" "+pod.Status.Message, pod), false, nil
}

func (a *api) patch(action clienttesting.Action) (*v1.Pod, bool, error) {
	p := action.(clienttesting.PatchAction)
	old := a.pods[p.GetName()]
	if old == nil {
		return nil, false, apierrors.NewNotFound(v1.Resource("pods"), p.GetName())
	}
	before, err := json.Marshal(old)
	if err != nil {
		return nil, false, err
	}
	after, err := strategicpatch.StrategicMergePatch(before, p.GetPatch(), v1.Pod{})
	if err != nil {
		return nil, false, err
	}
	pod := &v1.Pod{}
	if err := json.Unmarshal(after, pod); err != nil {
		return nil, false, err
	}
	if pod.UID != old.UID {
		return nil, false, apierrors.NewConflict(v1.Resource("pods"), p.GetName(), errors.New("uid"))
	}
	a.pods[pod.Name] = pod
	return a.note("status "+pod.Labels["is"]+" "+pod.Status.Message, pod), false, nil
}

// list knows the field selector of one pod of the node alone.
func (a *api) list(action clienttesting.Action) (bool, runtime.Object, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	which := action.(clienttesting.ListAction).GetListRestrictions().Fields
	name, _ := which.RequiresExactMatch("metadata.name")
	node, _ := which.RequiresExactMatch("spec.nodeName")
	list := &v1.PodList{}
	if pod := a.pods[name]; pod != nil && pod.Spec.NodeName == node {
		list.Items = append(list.Items, *pod.DeepCopy())
	}
	return true, list, nil
}

func (a *api) delete(action clienttesting.Action) (*v1.Pod, bool, error) {
	d := action.(clienttesting.DeleteActionImpl)
	pod := a.pods[d.Name]
	if pod == nil || a.cold {
		return nil, false, apierrors.NewNotFound(v1.Resource("pods"), d.Name)
	}
	if p := d.DeleteOptions.Preconditions; p != nil && *p.UID != pod.UID {
		return nil, false, apierrors.NewConflict(v1.Resource("pods"), d.Name, errors.New("uid"))
	}
	if d.DeleteOptions.GracePeriodSeconds == nil { // somebody's: the node has the last word
		now := v1.Pod{}.CreationTimestamp
		now.Time = time.Now()
		pod = pod.DeepCopy()
		pod.DeletionTimestamp = &now
		a.pods[d.Name] = pod
		return a.note("ask to delete "+pod.Labels["is"], pod), false, nil
	}
	delete(a.pods, d.Name)
	return a.note("delete "+pod.Labels["is"], pod), true, nil
}

// set changes the server while nobody uses it.
func (a *api) set(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change()
}
