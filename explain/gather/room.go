package gather

import (
	"context"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podling/podling/explain"
)

type budget = policyv1.PodDisruptionBudget

// listOf is a list that may be empty because nobody was let.
type listOf[T any] struct{ list []T }

func items[T any, L any](_ L, err error, of func() []T) (*listOf[T], error) {
	if err != nil {
		return &listOf[T]{}, err
	}
	return &listOf[T]{of()}, nil
}

// storage is what the pod's claims hang on.
func (c *Cluster) storage(ctx context.Context, w *explain.World, unseen func(explain.Part, error)) {
	if !slices.ContainsFunc(w.Pod.Spec.Volumes, func(v v1.Volume) bool { return v.PersistentVolumeClaim != nil || v.Ephemeral != nil }) {
		return
	}
	ns := w.Pod.Namespace
	claims, err := once(ctx, c, "claims/"+ns, func(ctx context.Context) (*listOf[v1.PersistentVolumeClaim], error) {
		l, err := c.Client.CoreV1().PersistentVolumeClaims(ns).List(ctx, metav1.ListOptions{})
		return items(l, err, func() []v1.PersistentVolumeClaim { return l.Items })
	})
	w.Claims = claims.list
	unseen(explain.PartClaims, err)
	volumes, err := once(ctx, c, "volumes", func(ctx context.Context) (*listOf[v1.PersistentVolume], error) {
		l, err := c.Client.CoreV1().PersistentVolumes().List(ctx, metav1.ListOptions{})
		return items(l, err, func() []v1.PersistentVolume { return l.Items })
	})
	w.Volumes = volumes.list
	unseen(explain.PartVolumes, err)
	classes, err := once(ctx, c, "classes", func(ctx context.Context) (*listOf[storagev1.StorageClass], error) {
		l, err := c.Client.StorageV1().StorageClasses().List(ctx, metav1.ListOptions{})
		return items(l, err, func() []storagev1.StorageClass { return l.Items })
	})
	w.Classes = classes.list
	unseen(explain.PartClasses, err)
}

// room is the node that the pod is on, or all that it may come to, with the pods on them.
func (c *Cluster) room(ctx context.Context, w *explain.World, unseen func(explain.Part, error)) {
	name := w.Pod.Spec.NodeName
	images := imageTrouble(w.Pod)
	if name != "" && !images {
		node, err := once(ctx, c, "node/"+name, func(ctx context.Context) (*v1.Node, error) {
			return c.Client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		})
		switch {
		case err == nil:
			w.Nodes = []v1.Node{*node}
		case apierrors.IsNotFound(err):
			w.Nodes, err = c.nodes(ctx)
			unseen(explain.PartNodes, err)
		default:
			unseen(explain.PartNodes, err)
		}
		w.Unseen[explain.PartPods] = "" // nobody asks
		return
	}
	var err error
	w.Nodes, err = c.nodes(ctx)
	unseen(explain.PartNodes, err)
	w.Pods, err = c.pods(ctx)
	unseen(explain.PartPods, err)
	if !images {
		return
	}
	known := map[string]bool{}
	for _, n := range w.Nodes {
		for _, i := range n.Status.Images {
			for _, name := range i.Names {
				known[name] = !strings.Contains(name, "@")
			}
		}
	}
	for i := range w.Pods {
		for _, s := range w.Pods[i].Status.ContainerStatuses {
			if s.State.Running != nil {
				known[s.Image] = !strings.HasPrefix(s.Image, "sha256:")
			}
		}
	}
	for name, usable := range known {
		if usable {
			w.Images = append(w.Images, name)
		}
	}
	slices.Sort(w.Images)
}

func (c *Cluster) nodes(ctx context.Context) ([]v1.Node, error) {
	l, err := once(ctx, c, "nodes", func(ctx context.Context) (*listOf[v1.Node], error) {
		l, err := c.Client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		return items(l, err, func() []v1.Node { return l.Items })
	})
	return l.list, err
}

// pods are all that have a node and have not ended.
func (c *Cluster) pods(ctx context.Context) ([]v1.Pod, error) {
	l, err := once(ctx, c, "pods", func(ctx context.Context) (*listOf[v1.Pod], error) {
		l, err := c.Client.CoreV1().Pods("").List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed"})
		return items(l, err, func() []v1.Pod { return l.Items })
	})
	return l.list, err
}

func imageTrouble(pod *v1.Pod) bool {
	return slices.ContainsFunc(slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses), func(s v1.ContainerStatus) bool {
		w := s.State.Waiting
		return w != nil && (strings.Contains(w.Reason, "Image") || w.Reason == "RegistryUnavailable")
	})
}
