package gather

import (
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podling/podling/explain"
)

// Kinds are what can be explained, by the names that kubectl has for them.
var Kinds = []struct {
	Name    string // as in deployment/NAME
	Aliases []string
}{
	{"pod", []string{"pods", "po"}},
	{"deployment", []string{"deployments", "deploy"}},
	{"replicaset", []string{"replicasets", "rs"}},
	{"statefulset", []string{"statefulsets", "sts"}},
	{"daemonset", []string{"daemonsets", "ds"}},
	{"job", []string{"jobs"}},
	{"cronjob", []string{"cronjobs", "cj"}},
	{"node", []string{"nodes", "no"}},
}

// Kind is the name in Kinds of what somebody calls a kind; "" if there is none.
func Kind(name string) string {
	name, _, _ = strings.Cut(strings.ToLower(name), ".") // deployment.apps
	for _, k := range Kinds {
		if k.Name == name || slices.Contains(k.Aliases, name) {
			return k.Name
		}
	}
	return ""
}

// Explain explains one object of a kind of Kinds.
func (c *Cluster) Explain(ctx context.Context, kind, namespace, name string) (explain.Explanation, error) {
	switch kind {
	case "pod":
		w, err := c.Pod(ctx, namespace, name)
		if err != nil {
			return explain.Explanation{}, c.absent(ctx, kind, namespace, name, err)
		}
		return explain.Pod(w), nil
	case "node":
		return c.node(ctx, name)
	}
	controller, err := c.controller(ctx, kind, namespace, name)
	if err != nil {
		return explain.Explanation{}, c.absent(ctx, kind, namespace, name, err)
	}
	return explain.Of(controller), ctx.Err()
}

// absent says that there is no such object, and which others there are.
func (c *Cluster) absent(ctx context.Context, kind, namespace, name string, err error) error {
	if !vanished(err) {
		return fmt.Errorf("%s %s: %w", kind, name, err)
	}
	hint := ""
	if kind == "pod" {
		if all, err := c.names(ctx, namespace, "pods"); err == nil {
			if near := explain.Nearest(name, all); near != "" {
				hint = fmt.Sprintf("; did you mean %s?", near)
			}
		}
	}
	return fmt.Errorf("there is no %s %s in namespace %s%s", kind, name, namespace, hint)
}

func (c *Cluster) controller(ctx context.Context, kind, ns, name string) (explain.Controller, error) {
	out := explain.Controller{Now: c.Now(), Unseen: map[explain.Part]string{}}
	apps, batch := c.Client.AppsV1(), c.Client.BatchV1()
	var err error
	var uid types.UID
	var selector *metav1.LabelSelector
	switch kind {
	case "deployment":
		if out.Deployment, err = apps.Deployments(ns).Get(ctx, name, metav1.GetOptions{}); err == nil {
			uid, selector = out.Deployment.UID, out.Deployment.Spec.Selector
		}
	case "replicaset":
		if out.ReplicaSet, err = apps.ReplicaSets(ns).Get(ctx, name, metav1.GetOptions{}); err == nil {
			uid, selector = out.ReplicaSet.UID, out.ReplicaSet.Spec.Selector
		}
	case "statefulset":
		if out.StatefulSet, err = apps.StatefulSets(ns).Get(ctx, name, metav1.GetOptions{}); err == nil {
			uid, selector = out.StatefulSet.UID, out.StatefulSet.Spec.Selector
		}
	case "daemonset":
		if out.DaemonSet, err = apps.DaemonSets(ns).Get(ctx, name, metav1.GetOptions{}); err == nil {
			uid, selector = out.DaemonSet.UID, out.DaemonSet.Spec.Selector
		}
	case "job":
		if out.Job, err = batch.Jobs(ns).Get(ctx, name, metav1.GetOptions{}); err == nil {
			uid, selector = out.Job.UID, out.Job.Spec.Selector
		}
	case "cronjob":
		if out.CronJob, err = batch.CronJobs(ns).Get(ctx, name, metav1.GetOptions{}); err == nil {
			uid = out.CronJob.UID
		}
	default:
		return out, fmt.Errorf("%q is no kind that can be explained", kind)
	}
	if err != nil {
		return out, err
	}
	unseen := func(p explain.Part, err error) {
		if err != nil && out.Unseen[p] == "" {
			out.Unseen[p] = why(err)
		}
	}
	events, err := c.events(ctx, ns, name, func(o v1.ObjectReference) bool { return o.UID == uid })
	out.Events = append(out.Events, events...)
	unseen(explain.PartEvents, err)
	owners := []types.UID{uid}
	if out.Deployment != nil {
		sets, err := apps.ReplicaSets(ns).List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(selector)})
		unseen("replicasets", err)
		if err == nil {
			for _, set := range newest(sets.Items, uid) {
				owners = append(owners, set.UID)
				events, err := c.events(ctx, ns, set.Name, func(o v1.ObjectReference) bool { return o.UID == set.UID })
				unseen(explain.PartEvents, err)
				out.Events = append(out.Events, events...)
			}
		}
	}
	if out.CronJob != nil {
		jobs, err := batch.Jobs(ns).List(ctx, metav1.ListOptions{})
		unseen("jobs", err)
		if err == nil {
			for i := range jobs.Items {
				if owner := metav1.GetControllerOf(&jobs.Items[i]); owner != nil && owner.UID == uid {
					below, err := c.controller(ctx, "job", ns, jobs.Items[i].Name)
					if err == nil { // one that has gone meanwhile does not count
						out.Below = append(out.Below, below)
					}
				}
			}
		}
		return out, nil
	}
	pods, err := c.Client.CoreV1().Pods(ns).List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(selector)})
	unseen(explain.PartPods, err)
	if err == nil {
		for i := range pods.Items {
			if owner := metav1.GetControllerOf(&pods.Items[i]); owner != nil && slices.Contains(owners, owner.UID) {
				out.Pods = append(out.Pods, explain.Pod(c.World(ctx, &pods.Items[i])))
			}
		}
	}
	return out, nil
}

// newest are the ReplicaSets of a Deployment that are to have pods, or else the latest.
func newest(sets []appsv1.ReplicaSet, owner types.UID) []appsv1.ReplicaSet {
	sets = slices.DeleteFunc(sets, func(s appsv1.ReplicaSet) bool {
		o := metav1.GetControllerOf(&s)
		return o == nil || o.UID != owner
	})
	slices.SortFunc(sets, func(a, b appsv1.ReplicaSet) int { return b.CreationTimestamp.Compare(a.CreationTimestamp.Time) })
	active := slices.DeleteFunc(slices.Clone(sets), func(s appsv1.ReplicaSet) bool { return s.Spec.Replicas == nil || *s.Spec.Replicas == 0 })
	if len(active) == 0 && len(sets) > 0 {
		return sets[:1]
	}
	return active
}

func (c *Cluster) node(ctx context.Context, name string) (explain.Explanation, error) {
	node, err := c.Client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if vanished(err) {
		hint := ""
		if all, err := c.nodes(ctx); err == nil {
			var names []string
			for _, n := range all {
				names = append(names, n.Name)
			}
			if near := explain.Nearest(name, names); near != "" {
				hint = fmt.Sprintf("; did you mean %s?", near)
			}
		}
		return explain.Explanation{}, fmt.Errorf("there is no node %s%s", name, hint)
	}
	if err != nil {
		return explain.Explanation{}, fmt.Errorf("node %s: %w", name, err)
	}
	w := explain.World{Now: c.Now(), Pod: &v1.Pod{}, Nodes: []v1.Node{*node}, Unseen: map[explain.Part]string{}}
	if w.Events, err = c.events(ctx, metav1.NamespaceAll, name, func(o v1.ObjectReference) bool { return o.Kind == "Node" }); err != nil {
		w.Unseen[explain.PartEvents] = why(err)
	}
	var pods []explain.Explanation
	on, err := c.Client.CoreV1().Pods("").List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + name})
	if err != nil {
		w.Unseen[explain.PartPods] = why(err)
	} else {
		for i := range on.Items {
			if !explain.Well(&on.Items[i]) {
				pods = append(pods, explain.Pod(c.World(ctx, &on.Items[i])))
			}
		}
	}
	return explain.Node(w, node, pods), ctx.Err()
}

// Pods explains the pods of a namespace ("" for all) that a selector chooses; of all if it is empty.
// Those that are well are left out if unhealthy is set.
func (c *Cluster) Pods(ctx context.Context, namespace, selector string, unhealthy bool) ([]explain.Explanation, error) {
	l, err := c.Client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, err
	}
	var out []explain.Explanation
	for i := range l.Items {
		if unhealthy && explain.Well(&l.Items[i]) {
			continue
		}
		e := explain.Pod(c.World(ctx, &l.Items[i]))
		if unhealthy && e.Health == explain.Healthy {
			continue
		}
		out = append(out, e)
	}
	return out, ctx.Err()
}

// Names are those of all objects of a kind of Kinds, for completion.
func (c *Cluster) Names(ctx context.Context, kind, namespace string) ([]string, error) {
	group, in := "", namespace
	switch kind {
	case "pod":
	case "node":
		in = ""
	case "job", "cronjob":
		group = "/apis/batch/v1"
	case "":
		return nil, nil
	default:
		group = "/apis/apps/v1"
	}
	if group == "" {
		return c.names(ctx, in, kind+"s")
	}
	return metadataNames(ctx, c.Client.CoreV1().RESTClient().Get().AbsPath(group, "namespaces", in, kind+"s"))
}
