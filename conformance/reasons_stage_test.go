package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/jsonpath"

	"github.com/podling/podling/lifecycle/reason"
	"github.com/podling/podling/manifest"
)

// A stage is a cluster that examples are shown on.
type stage struct {
	config *rest.Config
	client kubernetes.Interface
	node   string
}

func stageOn(t *testing.T, kubeconfig, node string) stage {
	t.Helper()
	return stage{config: configFor(t, kubeconfig), client: clientFor(t, kubeconfig), node: node}
}

// A step is what an example needs done once its objects are there.
type step func(ctx context.Context, on stage, namespace string) error

// awaitNode waits until the node's Ready is so.
func (on stage) awaitNode(t *testing.T, status v1.ConditionStatus) {
	t.Helper()
	err := await(t.Context(), on.client, "", "nodes", reasonLimit, func(object []byte) (bool, error) {
		var node v1.Node
		err := json.Unmarshal(object, &node)
		return node.Name == on.node && slices.ContainsFunc(node.Status.Conditions, func(c v1.NodeCondition) bool {
			return c.Type == v1.NodeReady && c.Status == status
		}), err
	})
	if err != nil {
		t.Fatalf("node %s with Ready %s: %v", on.node, status, err)
	}
}

// show applies an example and watches until all its words were seen.
func (on stage) show(ctx context.Context, file string, words []reason.Reason, more step) error {
	text, err := os.ReadFile(filepath.Join("..", "examples", "reasons", file))
	if err != nil {
		return err
	}
	name := strings.ToLower(strings.TrimSuffix(file, ".yaml"))
	return inNamespace(ctx, on.client, name, func(namespace string) error {
		limited, cancel := context.WithTimeout(ctx, reasonLimit)
		defer cancel()
		watching, stop := context.WithCancel(limited) // ended as soon as all is seen, which may be while things are still being applied
		defer stop()
		missing := lookout{words: slices.Clone(words), saw: map[string]bool{}, all: stop}
		var watches errgroup.Group
		for _, resource := range missing.resources() {
			in := namespace
			if resource == "nodes" {
				in = ""
			}
			stream, err := open(watching, on.client, in, resource, "application/json")
			if err != nil {
				return err
			}
			watches.Go(func() error {
				for {
					err := stream.each(watching, func(_ string, object []byte) error { return missing.see(resource, object) })
					if !errors.Is(err, io.EOF) {
						return err
					}
					// An API server that is busy lets go of watches that lag; the next begins with how things are.
					if stream, err = open(watching, on.client, in, resource, "application/json"); err != nil {
						return err
					}
				}
			})
		}
		recorded := on.recording(limited, file, namespace)
		err := on.apply(limited, namespace, bytes.ReplaceAll(text, []byte("nodeName: NODE"), []byte("nodeName: "+on.node)))
		if err == nil && more != nil {
			err = more(limited, on, namespace)
		}
		if err != nil {
			stop()
		}
		err = errors.Join(err, watches.Wait(), missing.err())
		return errors.Join(err, recorded())
	})
}

// apply creates the objects of a manifest.
func (on stage) apply(ctx context.Context, namespace string, text []byte) error {
	documents, err := manifest.Read([]string{"-"}, bytes.NewReader(text))
	if err != nil {
		return err
	}
	client, err := manifest.NewClient(on.config, namespace)
	if err != nil {
		return err
	}
	return client.Apply(ctx, documents, func(*unstructured.Unstructured) {})
}

// A lookout waits for words to be seen.
type lookout struct {
	mu    sync.Mutex
	words []reason.Reason // not seen yet
	saw   map[string]bool // what was seen instead
	all   func()          // called when none is left
}

// resource is what has to be watched for words of that kind.
func resource(k reason.Kind) string {
	switch k {
	case reason.Event:
		return "events"
	case reason.Node:
		return "nodes"
	}
	return "pods"
}

func (l *lookout) resources() []string {
	var out []string
	for _, r := range l.words {
		if !slices.Contains(out, resource(r.Kind)) {
			out = append(out, resource(r.Kind))
		}
	}
	return out
}

// see looks at an object for the words that are still missing.
func (l *lookout) see(in string, object []byte) error {
	var content any
	if err := json.Unmarshal(object, &content); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var left []reason.Reason
	for _, r := range l.words {
		if resource(r.Kind) != in {
			left = append(left, r)
			continue
		}
		values, err := at(content, r.Where)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", r.Name, r.Where, err)
		}
		// Of a condition's type it is enough that it is there; a reason has to stand there as it is.
		if len(values) > 0 && strings.HasSuffix(r.Where, ".status") || slices.Contains(values, r.Name) {
			continue
		}
		for _, value := range values {
			l.saw[value] = true
		}
		left = append(left, r)
	}
	if l.words = left; len(left) == 0 {
		l.all()
	}
	return nil
}

// at are the values at a JSONPath.
func at(content any, where string) ([]string, error) {
	path := jsonpath.New("").AllowMissingKeys(true)
	if err := path.Parse("{." + where + "}"); err != nil {
		return nil, err
	}
	found, err := path.FindResults(content)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, set := range found {
		for _, value := range set {
			if text, ok := value.Interface().(string); ok {
				out = append(out, text)
			}
		}
	}
	return out, nil
}

// err names the words that were not seen.
func (l *lookout) err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for _, r := range l.words {
		errs = append(errs, fmt.Errorf("%s %s was not seen at %s", r.Kind, r.Name, r.Where))
	}
	if len(errs) > 0 {
		errs = append(errs, fmt.Errorf("seen in such places: %v", slices.Sorted(maps.Keys(l.saw))))
	}
	return errors.Join(errs...)
}
