package gather

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/podling/podling/explain"
)

// patience is how long one question may take before the explanation goes on without the answer.
const patience = 10 * time.Second

// Cluster reads what explanations need. Lists that several explanations need are asked for once, so
// that one Cluster is for one moment. It is for one goroutine.
type Cluster struct {
	Client kubernetes.Interface
	// Now is the moment that is explained; the machine's time if nil.
	Now func() time.Time

	seen map[string]any // lists, by what they are of
	errs map[string]error
}

// New reads from the cluster of client.
func New(client kubernetes.Interface) *Cluster {
	return &Cluster{Client: client, Now: time.Now, seen: map[string]any{}, errs: map[string]error{}}
}

// once asks for something, and remembers the answer.
func once[T any](ctx context.Context, c *Cluster, what string, ask func(context.Context) (T, error)) (T, error) {
	if err, ok := c.errs[what]; ok {
		return c.seen[what].(T), err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	got, err := ask(ctx)
	c.seen[what], c.errs[what] = got, err
	return got, err
}

// why is the reason that something was not to be seen, in a few words.
func why(err error) string {
	switch {
	case apierrors.IsForbidden(err):
		return "no permission: " + err.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("no answer within %s", patience)
	}
	return err.Error()
}

// Pod is the pod of that name, with all that its explanation needs.
func (c *Cluster) Pod(ctx context.Context, namespace, name string) (explain.World, error) {
	pod, err := c.Client.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return explain.World{}, err
	}
	return c.World(ctx, pod), ctx.Err()
}

// World gathers what the explanation of a pod needs. If the pod vanishes meanwhile, its last state is
// explained.
func (c *Cluster) World(ctx context.Context, pod *v1.Pod) explain.World {
	w := explain.World{Now: c.Now(), Pod: pod, Unseen: map[explain.Part]string{}}
	unseen := func(p explain.Part, err error) {
		if err != nil && w.Unseen[p] == "" {
			w.Unseen[p] = why(err)
		}
	}
	ns := pod.Namespace
	var err error
	w.Events, err = c.events(ctx, ns, pod.Name, func(o v1.ObjectReference) bool {
		return o.Kind == "Pod" && (o.UID == pod.UID || o.UID == "" || pod.Annotations[v1.MirrorPodAnnotationKey] != "")
	})
	unseen(explain.PartEvents, err)
	if explain.Well(pod) {
		w.Unseen[explain.PartLogs] = "" // nobody asks
	} else {
		w.Logs, err = c.logs(ctx, pod)
		unseen(explain.PartLogs, err)
	}

	c.references(ctx, &w, unseen)
	c.storage(ctx, &w, unseen)
	c.room(ctx, &w, unseen)

	budgets, err := once(ctx, c, "budgets/"+ns, func(ctx context.Context) (*listOf[budget], error) {
		l, err := c.Client.PolicyV1().PodDisruptionBudgets(ns).List(ctx, metav1.ListOptions{})
		return items(l, err, func() []budget { return l.Items })
	})
	w.Budgets = budgets.list
	unseen(explain.PartBudgets, err)
	services, err := once(ctx, c, "services/"+ns, func(ctx context.Context) (*listOf[v1.Service], error) {
		l, err := c.Client.CoreV1().Services(ns).List(ctx, metav1.ListOptions{})
		return items(l, err, func() []v1.Service { return l.Items })
	})
	w.Services = services.list
	if err != nil {
		w.Services = nil // they are looked at by the way; without them less is said, and nothing wrong
	}
	return w
}

// events are those about an object that is told by is.
func (c *Cluster) events(ctx context.Context, namespace, name string, is func(v1.ObjectReference) bool) ([]v1.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	l, err := c.Client.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("involvedObject.name", name).String()})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(l.Items, func(e v1.Event) bool { return !is(e.InvolvedObject) }), nil
}

const (
	logLines = int64(30)
	logBytes = int64(16 << 10)
	// logPatience is shorter: a node that does not answer is no reason to wait.
	logPatience = 4 * time.Second
)

// noLog is how a kubelet begins, in place of a log, when the container has been removed
// (GetContainerLogs in pkg/kubelet/kuberuntime/kuberuntime_container.go).
const noLog = "unable to retrieve container logs for "

// logs are the ends of what the containers wrote that have been started, of their run before too.
func (c *Cluster) logs(ctx context.Context, pod *v1.Pod) ([]explain.Log, error) {
	var out []explain.Log
	for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if s.ContainerID == "" && s.LastTerminationState.Terminated == nil {
			continue
		}
		for _, previous := range []bool{false, true} {
			if previous && s.RestartCount == 0 {
				continue
			}
			lines, limit := logLines, logBytes
			short, cancel := context.WithTimeout(ctx, logPatience)
			text, err := c.Client.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &v1.PodLogOptions{
				Container: s.Name, Previous: previous, TailLines: &lines, LimitBytes: &limit}).DoRaw(short)
			cancel()
			if apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) {
				return out, err
			}
			g := explain.Log{Container: s.Name, Previous: previous}
			if err != nil {
				g.Err = err.Error()
			} else if text := strings.TrimRight(string(text), "\n"); strings.HasPrefix(text, noLog) {
				g.Err = text
			} else if text != "" {
				g.Lines = strings.Split(text, "\n")
			}
			out = append(out, g)
			if errors.Is(err, context.DeadlineExceeded) {
				return out, errors.New("its node does not answer")
			}
		}
	}
	return out, nil
}

// references are the names that the pod refers to, as far as they are there. Of secrets only the
// keys are kept.
func (c *Cluster) references(ctx context.Context, w *explain.World, unseen func(explain.Part, error)) {
	configMaps, secrets := explain.Referred(w.Pod)
	core, ns := c.Client.CoreV1(), w.Pod.Namespace
	var err error
	w.ConfigMaps, err = c.named(ctx, ns, "configmaps", configMaps, func(ctx context.Context, name string) ([]string, error) {
		m, err := core.ConfigMaps(ns).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		keys := []string{}
		for k := range m.Data {
			keys = append(keys, k)
		}
		for k := range m.BinaryData {
			keys = append(keys, k)
		}
		return keys, nil
	})
	unseen(explain.PartConfigMaps, err)
	w.Secrets, err = c.named(ctx, ns, "secrets", secrets, func(ctx context.Context, name string) ([]string, error) {
		s, err := core.Secrets(ns).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		keys := []string{}
		for k := range s.Data {
			keys = append(keys, k)
		}
		return keys, nil
	})
	unseen(explain.PartSecrets, err)
}

// named looks objects up by name; if one is missing, the names of all are fetched, to find one that
// was meant. Without the right to list them the rest is as good.
func (c *Cluster) named(ctx context.Context, namespace, resource string, want []string, keys func(context.Context, string) ([]string, error)) ([]explain.Named, error) {
	var out []explain.Named
	missing := false
	for _, name := range want {
		have, err := once(ctx, c, resource+"/"+namespace+"/"+name, func(ctx context.Context) ([]string, error) { return keys(ctx, name) })
		switch {
		case err == nil:
			out = append(out, explain.Named{Name: name, Keys: have})
		case apierrors.IsNotFound(err):
			missing = true
		default:
			return nil, err
		}
	}
	if !missing {
		return out, nil
	}
	all, err := once(ctx, c, resource+"/"+namespace, func(ctx context.Context) ([]string, error) { return c.names(ctx, namespace, resource) })
	if err != nil {
		return out, nil
	}
	for _, name := range all {
		if !slices.ContainsFunc(out, func(n explain.Named) bool { return n.Name == name }) {
			out = append(out, explain.Named{Name: name})
		}
	}
	return out, nil
}

// names lists objects of the core group without what is in them.
func (c *Cluster) names(ctx context.Context, namespace, resource string) ([]string, error) {
	request := c.Client.CoreV1().RESTClient().Get().Resource(resource)
	if namespace != "" {
		request = request.Namespace(namespace)
	}
	return metadataNames(ctx, request)
}

// metadataNames are the names of what a request lists.
func metadataNames(ctx context.Context, request *rest.Request) ([]string, error) {
	raw, err := request.SetHeader("Accept", "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1").Do(ctx).Raw()
	if err != nil {
		return nil, err
	}
	var l metav1.PartialObjectMetadataList
	if err := json.Unmarshal(raw, &l); err != nil {
		return nil, err
	}
	var out []string
	for _, o := range l.Items {
		out = append(out, o.Name)
	}
	return out, nil
}

// vanished says that an object is not there, so that a caller can say so in its own words.
func vanished(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && status.Status().Code == http.StatusNotFound
}
