package trial_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/podling/podling/controlplane"
	"github.com/podling/podling/manifest"
	"github.com/podling/podling/trace"
	"github.com/podling/podling/trial"
)

// config is the API server that all these tests use.
var config *rest.Config

func TestMain(m *testing.M) { os.Exit(withControlPlane(m)) }

func withControlPlane(m *testing.M) int {
	flag.Parse()
	dir, err := os.MkdirTemp("", "podling-trial-*")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	c, err := controlplane.Start(context.Background(), controlplane.Config{DataDir: dir, Ephemeral: true})
	if err != nil {
		fmt.Fprintln(os.Stderr, "control plane:", err)
		return 1
	}
	config = c.Admin()
	config.QPS = -1
	code := m.Run()
	if err := c.Stop(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "stop control plane:", err)
		return 1
	}
	return code
}

// explained begins what the test explains.
const explained = "explained "

// try runs manifests and gives back what was shown, in short, each pod's own order kept.
func try(ctx context.Context, t *testing.T, manifests string, change func(*trial.Options)) (shown []string, err error) {
	t.Helper()
	docs, err := manifest.Read([]string{"-"}, strings.NewReader(manifests))
	if err != nil {
		return nil, err
	}
	client, err := manifest.NewClient(config, "default")
	if err != nil {
		t.Fatal(err)
	}
	pods := kubernetes.NewForConfigOrDie(config)
	o := trial.Options{
		Client: client, Pods: topDown{pods.CoreV1(), t, client}, Documents: docs, Timeout: time.Minute, GracePeriod: time.Second,
		Show: func(e trace.Event) error {
			text := string(e.Type) + " " + e.Pod.Namespace + "/" + e.Pod.Name + " " + string(e.Pod.Status.Phase)
			if e.Pod.DeletionTimestamp != nil && e.Type == watch.Modified {
				text += fmt.Sprintf(" deleted, grace %ds", *e.Pod.DeletionGracePeriodSeconds)
			}
			shown = append(shown, text)
			return nil
		},
		Note: func(text string) {
			if strings.HasPrefix(text, explained) {
				shown = append(shown, text)
			}
			t.Log(text)
		},
		Doing:   func(string) {},
		Explain: func(_ context.Context, pod *v1.Pod) string { return explained + pod.Namespace + "/" + pod.Name },
	}
	change(&o)
	err = trial.Run(ctx, o)
	return shown, err
}

var generated = regexp.MustCompile(`(-[0-9a-z]{8,10})?-[0-9a-z]{5}\b`)

// Each file of testdata/run holds manifests, and what is shown and said when they are tried on an API
// server whose node the test plays.
//
//	run [until=GOAL] [timeout=DURATION] [keep] [ends]   ends: only how pods begin and end
//	left                                                which pods and namespaces are still there
//	delete                                              them
func TestRun(t *testing.T) {
	client := kubernetes.NewForConfigOrDie(config)
	play(t, client)
	datadriven.Walk(t, "testdata/run", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "left":
				return left(t, client)
			case "delete":
				now := int64(0)
				err := client.CoreV1().Pods("default").DeleteCollection(t.Context(), metav1.DeleteOptions{GracePeriodSeconds: &now}, metav1.ListOptions{})
				if err != nil {
					t.Fatal(err)
				}
				return left(t, client)
			}
			shown, err := try(t.Context(), t, d.Input, func(o *trial.Options) {
				var until, timeout string
				d.MaybeScanArgs(t, "until", &until)
				d.MaybeScanArgs(t, "timeout", &timeout)
				o.Goal = trial.Goal(until)
				o.Keep = d.HasArg("keep")
				if timeout != "" {
					o.Timeout, _ = time.ParseDuration(timeout)
				}
			})
			if d.HasArg("ends") { // several pods, and their controllers, take turns as they like
				shown = slices.DeleteFunc(withoutReplacements(shown), func(s string) bool { return strings.HasPrefix(s, "MODIFIED") })
				slices.Sort(shown)
			}
			out := generated.ReplaceAllString(strings.Join(shown, "\n"), "-NAME")
			if err != nil {
				out += "\nerror: " + generated.ReplaceAllString(err.Error(), "-NAME")
			}
			return strings.TrimLeft(out, "\n") + "\n"
		})
	})
}

func left(t *testing.T, client *kubernetes.Clientset) string {
	pods, err := client.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	namespaces, err := client.CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	out := ""
	for _, p := range pods.Items {
		out += "pod " + p.Namespace + "/" + p.Name + "\n"
	}
	for _, n := range namespaces.Items {
		if n.Name != "default" && !strings.HasPrefix(n.Name, "kube-") {
			out += "namespace " + n.Name + "\n"
		}
	}
	if out == "" {
		return "nothing\n"
	}
	return out
}

const pod = `{apiVersion: v1, kind: Pod, metadata: {name: %s, annotations: {play: %q}}, spec: {nodeName: played, containers: [{name: c, image: busybox}]}}`

// An interrupt and a reader that goes end a trial early, but what was made is deleted all the same.
func TestEndsEarly(t *testing.T) {
	client := kubernetes.NewForConfigOrDie(config)
	play(t, client)
	unread := errors.New("nobody reads")
	for name, test := range map[string]struct {
		change func(o *trial.Options, interrupt func())
		want   string
	}{
		"interrupted": {
			func(o *trial.Options, interrupt func()) {
				show := o.Show
				o.Show = func(e trace.Event) error { interrupt(); return show(e) }
			}, "interrupted"},
		"nobody reads": {
			func(o *trial.Options, _ func()) { o.Show = func(trace.Event) error { return unread } },
			unread.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			_, err := try(ctx, t, fmt.Sprintf(pod, "early", "pull"), func(o *trial.Options) {
				test.change(o, interrupt)
			})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if still := left(t, client); still != "nothing\n" {
				t.Errorf("left: %s", still)
			}
		})
	}
}

// The reason for which the context was cancelled, such as a cluster's end, is what is said.
func TestCause(t *testing.T) {
	play(t, kubernetes.NewForConfigOrDie(config))
	ctx, end := context.WithCancelCause(t.Context())
	ended := errors.New("the cluster ended")
	_, err := try(ctx, t, fmt.Sprintf(pod, "cause", "pull"), func(o *trial.Options) {
		show := o.Show
		o.Show = func(e trace.Event) error { end(ended); return show(e) }
	})
	if !errors.Is(err, ended) {
		t.Errorf("got %v", err)
	}
}

// A pod that was there before is not shown, even in the same namespace.
func TestOthersAreNotShown(t *testing.T) {
	client := kubernetes.NewForConfigOrDie(config)
	play(t, client)
	other := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "other", Namespace: "default"},
		Spec: v1.PodSpec{NodeName: nodeName, Containers: []v1.Container{{Name: "c", Image: "busybox"}}}}
	if _, err := client.CoreV1().Pods("default").Create(t.Context(), other, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	shown, err := try(t.Context(), t, fmt.Sprintf(pod, "mine", ""), func(*trial.Options) {})
	if err != nil || slices.ContainsFunc(shown, func(s string) bool { return strings.Contains(s, "other") }) || len(shown) == 0 {
		t.Errorf("%v, %q", err, shown)
	}
	if still := left(t, client); still != "pod default/other\n" {
		t.Errorf("left: %s", still)
	}
	now := int64(0)
	if err := client.CoreV1().Pods("default").Delete(t.Context(), "other", metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
		t.Fatal(err)
	}
}
