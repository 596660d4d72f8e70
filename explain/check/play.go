package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/podling/podling/explain"
	"github.com/podling/podling/explain/gather"
)

// Result is how a case went.
type Result struct {
	Case    Case
	Got     explain.Explanation
	Took    time.Duration
	Wrong   []string // verdicts about other root causes that were given on the way
	Err     error
	Instead string // what kubectl describe shows
}

// Right says that the root cause was named, and no wrong one before.
func (r *Result) Right() bool { return r.Err == nil && len(r.Wrong) == 0 }

// Stage is the cluster on which cases are played.
type Stage struct {
	Client   kubernetes.Interface
	dynamic  dynamic.Interface
	node     string
	describe func(ctx context.Context, namespace, target string) (string, error)
}

// NewStage plays on the cluster of config.
func NewStage(ctx context.Context, config *rest.Config) (*Stage, error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	d, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	if len(nodes.Items) == 0 {
		return nil, errors.New("the cluster has no node")
	}
	return &Stage{Client: client, dynamic: d, node: nodes.Items[0].Name}, nil
}

// kinds are where objects are made.
var kinds = map[string]struct {
	group, version, resource string
	global                   bool
}{
	"Pod": {"", "v1", "pods", false}, "ConfigMap": {"", "v1", "configmaps", false}, "Secret": {"", "v1", "secrets", false},
	"Service": {"", "v1", "services", false}, "PersistentVolumeClaim": {"", "v1", "persistentvolumeclaims", false},
	"ResourceQuota": {"", "v1", "resourcequotas", false}, "LimitRange": {"", "v1", "limitranges", false}, "Node": {"", "v1", "nodes", true},
	"Deployment": {"apps", "v1", "deployments", false}, "StatefulSet": {"apps", "v1", "statefulsets", false}, "DaemonSet": {"apps", "v1", "daemonsets", false},
	"Job": {"batch", "v1", "jobs", false}, "CronJob": {"batch", "v1", "cronjobs", false},
	"PodDisruptionBudget": {"policy", "v1", "poddisruptionbudgets", false},
}

// Play makes the case's objects in a namespace of their own, and explains until the true root cause is
// named or the patience is over. A verdict of another cause on the way is a wrong one.
func (s *Stage) Play(ctx context.Context, c Case, patience time.Duration) (r Result) {
	r.Case = c
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	labels := map[string]string{}
	if k, v, ok := strings.Cut(c.Label, "="); ok {
		labels[k] = v
	}
	ns, err := s.Client.CoreV1().Namespaces().Create(ctx, &v1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "broken-", Labels: labels}}, metav1.CreateOptions{})
	if err != nil {
		r.Err = err
		return r
	}
	made := []func(context.Context) error{func(ctx context.Context) error {
		return s.Client.CoreV1().Namespaces().Delete(ctx, ns.Name, metav1.DeleteOptions{})
	}}
	defer func() {
		after, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
		defer cancel()
		for _, undo := range made {
			if err := undo(after); err != nil && r.Err == nil {
				r.Err = err
			}
		}
	}()
	_, err = s.Client.CoreV1().ServiceAccounts(ns.Name).Create(ctx, &v1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		r.Err = err
		return r
	}
	undo, err := s.apply(ctx, ns.Name, c.Manifest)
	made = append(made, undo...)
	if err == nil {
		err = s.steps(ctx, ns.Name, c)
	}
	if err != nil {
		r.Err = err
		return r
	}
	kind, name, _ := strings.Cut(c.Target, "/")
	ticks := time.NewTicker(500 * time.Millisecond)
	defer ticks.Stop()
	for {
		got, err := gather.New(s.Client).Explain(ctx, kind, ns.Name, name)
		if err == nil {
			r.Got = got
			if r.Err = s.judge(c, got); r.Err == nil {
				break
			}
			if got.Health == explain.Unhealthy && got.Cause != c.Expect {
				if said := got.Cause + ": " + got.Verdict; len(r.Wrong) == 0 || r.Wrong[len(r.Wrong)-1] != said {
					r.Wrong = append(r.Wrong, said)
				}
			}
		} else if ctx.Err() == nil {
			r.Err = err
		}
		select {
		case <-ctx.Done():
			return r
		case <-ticks.C:
		}
	}
	r.Took = time.Since(began)
	if s.describe != nil {
		r.Instead, r.Err = s.describe(ctx, ns.Name, c.Target)
	}
	return r
}

// judge says what the explanation lacks.
func (s *Stage) judge(c Case, got explain.Explanation) error {
	if got.Cause != c.Expect {
		return fmt.Errorf("the cause is %s, want %s: %s", got.Cause, c.Expect, got.Verdict)
	}
	for _, name := range c.Names {
		if !strings.Contains(got.Verdict, name) {
			return fmt.Errorf("the verdict does not say %q: %s", name, got.Verdict)
		}
	}
	return nil
}

func (s *Stage) apply(ctx context.Context, namespace string, manifest []byte) ([]func(context.Context) error, error) {
	var undo []func(context.Context) error
	manifest = bytes.ReplaceAll(manifest, []byte("nodeName: NODE"), []byte("nodeName: "+s.node))
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(manifest)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return undo, nil
		}
		object := &unstructured.Unstructured{}
		if err = errors.Join(err, yaml.Unmarshal(document, &object.Object)); err != nil {
			return undo, err
		}
		k, ok := kinds[object.GetKind()]
		if !ok {
			return undo, fmt.Errorf("nobody has said where objects of kind %q are made", object.GetKind())
		}
		var to dynamic.ResourceInterface = s.dynamic.Resource(schema.GroupVersionResource{Group: k.group, Version: k.version, Resource: k.resource})
		if k.global {
			undo = append(undo, func(ctx context.Context) error { return to.Delete(ctx, object.GetName(), metav1.DeleteOptions{}) })
		} else {
			to = s.dynamic.Resource(schema.GroupVersionResource{Group: k.group, Version: k.version, Resource: k.resource}).Namespace(namespace)
		}
		if _, err := to.Create(ctx, object, metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict}); err != nil {
			return undo, fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
		}
		if object.GetKind() == "Pod" && len(object.GetFinalizers()) > 0 { // or the namespace never goes
			undo = append(undo, func(ctx context.Context) error {
				_, err := to.Patch(ctx, object.GetName(), types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
				if apierrors.IsNotFound(err) {
					return nil
				}
				return err
			})
		}
	}
}

// steps are what is done once the objects are there.
func (s *Stage) steps(ctx context.Context, namespace string, c Case) error {
	pods := s.Client.CoreV1().Pods(namespace)
	until := func(is func() (bool, error)) error {
		return wait.PollUntilContextCancel(ctx, 100*time.Millisecond, true, func(context.Context) (bool, error) { return is() })
	}
	if c.Ungate != "" {
		err := until(func() (bool, error) {
			all, err := pods.List(ctx, metav1.ListOptions{})
			if err != nil {
				return false, err
			}
			for _, p := range all.Items {
				if p.Name != c.Ungate && p.Spec.NodeName == "" {
					return false, nil
				}
			}
			return true, nil
		})
		if err != nil {
			return err
		}
		if _, err = pods.Patch(ctx, c.Ungate, types.JSONPatchType, []byte(`[{"op":"remove","path":"/spec/schedulingGates"}]`), metav1.PatchOptions{}); err != nil {
			return err
		}
	}
	if _, name, ok := strings.Cut(c.Delete, "/"); ok {
		if c.After != "" {
			err := until(func() (bool, error) {
				p, err := pods.Get(ctx, name, metav1.GetOptions{})
				return err == nil && string(p.Status.Phase) == c.After, err
			})
			if err != nil {
				return err
			}
		}
		return pods.Delete(ctx, name, metav1.DeleteOptions{})
	}
	return nil
}
