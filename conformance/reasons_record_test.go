package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/podling/podling/atlas"
	"github.com/podling/podling/trace"
)

// recordTo is the folder that the examples' event streams are written to, for the atlas:
//
//	go test ./conformance -run TestReasons -record ../atlas/recorded
var recordTo = flag.String("record", "", "write what the examples of reasons show to this folder")

// recordedSteps is how many watch events of a pod the atlas shows at most: crash loops go on for ever.
const recordedSteps = 14

// recording writes what happens in a namespace, until the function that it gives is called. Without
// -record it does nothing.
func (on stage) recording(ctx context.Context, file, namespace string) func() error {
	if *recordTo == "" {
		return func() error { return nil }
	}
	following, stop := context.WithCancel(ctx)
	var mu sync.Mutex
	var out atlas.Recording
	began := time.Now()
	steps, versions := map[string]int{}, map[string]int{}
	listed, over := make(chan struct{}), make(chan error, 1)
	tracer := &trace.Tracer{Pods: on.client.CoreV1(), Namespace: namespace, Start: began, Listed: func() { close(listed) }}
	go func() {
		over <- tracer.Run(following, func(e trace.Event) {
			mu.Lock()
			defer mu.Unlock()
			if e.Pod != nil {
				versions[e.Pod.Name] = max(versions[e.Pod.Name], version(e.Pod))
			}
			if e.Pod == nil || steps[e.Pod.Name] >= recordedSteps {
				return
			}
			steps[e.Pod.Name]++
			out.Steps = append(out.Steps, atlas.Step{Seconds: milli(e.Since), Event: string(e.Type), Pod: e.Pod.Name, Node: e.Pod.Spec.NodeName, Status: e.Pod.Status})
		})
	}()
	select {
	case <-listed:
	case <-ctx.Done():
	}
	caughtUp := func(ctx context.Context) (bool, error) {
		pods, err := on.client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err
		}
		mu.Lock()
		defer mu.Unlock()
		return !slices.ContainsFunc(pods.Items, func(p v1.Pod) bool { return versions[p.Name] < version(&p) }), nil
	}
	return func() error {
		// What was seen elsewhere has to be in the recording.
		limited, cancel := context.WithTimeout(ctx, reasonLimit)
		defer cancel()
		if err := wait.PollUntilContextCancel(limited, 50*time.Millisecond, true, caughtUp); err != nil {
			return err
		}
		stop()
		if err := <-over; err != nil {
			return err
		}
		list, err := on.client.CoreV1().Events(namespace).List(limited, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, e := range list.Items {
			at := e.FirstTimestamp.Time
			if at.IsZero() {
				at = e.EventTime.Time
			}
			from := e.Source.Component
			if from == "" {
				from = e.ReportingController
			}
			out.Events = append(out.Events, atlas.Said{Seconds: max(0, float64(at.Sub(began.Truncate(time.Second)).Round(time.Second))/1e9), Type: e.Type, Reason: e.Reason, From: from, About: about(&e), Message: e.Message})
		}
		slices.SortStableFunc(out.Events, func(a, b atlas.Said) int { return int(1000 * (a.Seconds - b.Seconds)) })
		text, err := json.MarshalIndent(out, "", " ")
		if err != nil {
			return err
		}
		named := strings.NewReplacer(namespace, "default", on.node, "node").Replace(string(text))
		return errors.Join(os.MkdirAll(*recordTo, 0o755), os.WriteFile(filepath.Join(*recordTo, strings.TrimSuffix(file, ".yaml")+".json"), []byte(named+"\n"), 0o644))
	}
}

func about(e *v1.Event) string {
	if _, container, ok := strings.Cut(e.InvolvedObject.FieldPath, "{"); ok {
		return e.InvolvedObject.Name + "/" + strings.TrimSuffix(container, "}")
	}
	return e.InvolvedObject.Name
}

func version(p *v1.Pod) int {
	n, err := strconv.Atoi(p.ResourceVersion)
	if err != nil {
		panic(err) // they are numbers by now (KEP-5504)
	}
	return n
}

func milli(d time.Duration) float64 { return float64(d.Round(time.Millisecond).Milliseconds()) / 1000 }
