package kubelet

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
)

// api is as much of an API server as a node writes to and hears from: pods by
// name, with UIDs, resource versions and a watch.
type api struct {
	pods    map[string]*v1.Pod
	version int
	news    []news // that the node has not heard yet
	down    bool
}

type news struct {
	pod  *v1.Pod
	gone bool
}

// change puts a version of a pod in force, nil for none, and has the watch tell.
func (a *api) change(pod *v1.Pod, gone bool) {
	a.version++
	pod.ResourceVersion = strconv.Itoa(1000 + a.version)
	a.pods[pod.Name] = pod
	if gone {
		delete(a.pods, pod.Name)
	}
	a.news = append(a.news, news{pod.DeepCopy(), gone})
}

// client is what one node process has of the API server. Of all but pods there is
// as much as the fake clientset has: nothing.
type client struct {
	kubernetes.Interface
	of *nodeLife
}

func (c client) CoreV1() corev1.CoreV1Interface { return core{c.Interface.CoreV1(), c.of} }

type core struct {
	corev1.CoreV1Interface
	of *nodeLife
}

func (c core) Pods(string) corev1.PodInterface { return pods{of: c.of} }

type pods struct {
	corev1.PodInterface
	of *nodeLife
}

var errUnreachable = errors.New("connection refused")

// write is a request: it parks on its way there, and on its way back. lost: it was
// served, and nobody hears of it.
func (p pods) write(name, what string, serve func() (*v1.Pod, error)) (*v1.Pod, error) {
	err := p.of.park(p.of, "%s: API %s", name, what)
	if err != nil {
		return nil, err
	}
	p.of.mu.Lock()
	down := p.of.api.down
	p.of.mu.Unlock()
	var pod *v1.Pod
	if err = errUnreachable; !down {
		pod, err = serve()
	}
	if lost := p.of.park(p.of, "%s: API %s answers", name, what); lost != nil {
		err = lost
	}
	if err != nil {
		if !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			p.of.refuse()
		}
		return nil, err
	}
	return pod, nil
}

func (p pods) Patch(_ context.Context, name string, _ types.PatchType, data []byte, _ metav1.PatchOptions, _ ...string) (*v1.Pod, error) {
	return p.write(name, "status", func() (*v1.Pod, error) {
		old, err := p.old(name)
		if err != nil {
			return nil, err
		}
		before, err := json.Marshal(old)
		if err != nil {
			return nil, err
		}
		after, err := strategicpatch.StrategicMergePatch(before, data, v1.Pod{})
		if err != nil {
			return nil, err
		}
		pod := &v1.Pod{}
		if err := json.Unmarshal(after, pod); err != nil {
			return nil, err
		}
		if pod.UID != old.UID {
			return nil, apierrors.NewConflict(v1.Resource("pods"), name, errors.New("uid"))
		}
		p.of.checkStatus(old, pod)
		p.of.api.change(pod, false)
		p.of.say("%s is %s", name, summary(pod))
		return pod.DeepCopy(), nil
	})
}

func (p pods) Delete(_ context.Context, name string, o metav1.DeleteOptions) error {
	_, err := p.write(name, "delete", func() (*v1.Pod, error) {
		old, err := p.old(name)
		if err != nil {
			return nil, err
		}
		if *o.Preconditions.UID != old.UID {
			return nil, apierrors.NewConflict(v1.Resource("pods"), name, errors.New("uid"))
		}
		p.of.checkDeleted(old)
		p.of.api.change(old.DeepCopy(), true)
		p.of.say("%s is gone from the API", name)
		return old, nil
	})
	return err
}

// List knows the selector of one pod's name.
func (p pods) List(_ context.Context, o metav1.ListOptions) (*v1.PodList, error) {
	which, err := fields.ParseSelector(o.FieldSelector)
	if err != nil {
		return nil, err
	}
	name, _ := which.RequiresExactMatch(metav1.ObjectNameField)
	list := &v1.PodList{}
	_, err = p.write(name, "list", func() (*v1.Pod, error) {
		if pod := p.of.api.pods[name]; pod != nil {
			list.Items = append(list.Items, *pod.DeepCopy())
		}
		return nil, nil
	})
	return list, err
}

func (p pods) old(name string) (*v1.Pod, error) {
	if pod := p.of.api.pods[name]; pod != nil {
		return pod, nil
	}
	return nil, apierrors.NewNotFound(v1.Resource("pods"), name)
}
