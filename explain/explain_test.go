package explain

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// testdata/worlds.txt holds worlds as YAML, and their explanations as people see them.
func TestWorlds(t *testing.T) {
	datadriven.RunTest(t, "testdata/worlds.txt", func(t *testing.T, d *datadriven.TestData) string {
		var out bytes.Buffer
		w := World{Now: noon, Unseen: map[Part]string{}}
		if err := yaml.UnmarshalStrict([]byte(d.Input), &w); err != nil {
			t.Fatalf("%s: %v", d.Pos, err)
		}
		if w.Pod.Namespace == "" {
			w.Pod.Namespace = "default"
		}
		e := Pod(w)
		if err := Print(&out, e); err != nil {
			t.Fatal(err)
		}
		if text, err := json.Marshal(e); err != nil || bytes.Contains(text, []byte(":null")) {
			t.Errorf("%s: as JSON: %v: %s", d.Pos, err, text)
		}
		fmt.Fprintf(&out, "(%s, %s)\n", e.Health, e.Cause)
		return strings.ReplaceAll(out.String(), "\n\n", "\n.\n")
	})
}

func TestHarmless(t *testing.T) {
	for text, want := range map[string]string{
		"plain":                   "plain",
		"\x1b[31mred\x1b[0m text": "red text",
		"\x1b]0;title\x07after":   "after",
		"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\": "link",
		"\u009b31mc1":       "c1",
		"a\r\nb\tc":         "a b c",
		"bell\x07 null\x00": "bell\ufffd null\ufffd",
		"turn\u202ered":     "turn\ufffdred",
		"bad\xffbyte":       "bad\ufffdbyte",
		"\x1b":              "\ufffd",
	} {
		if got := harmless(text); got != want {
			t.Errorf("harmless(%q) = %q, want %q", text, got, want)
		}
	}
	if got := short(strings.Repeat("é", 50), 10); len([]rune(got)) != 10 || !strings.HasSuffix(got, "…") {
		t.Errorf("cut to %q", got)
	}
}

func TestNearest(t *testing.T) {
	have := []string{"app-config", "database", "nginx-conf", "tls"}
	for name, want := range map[string]string{
		"app-confg": "app-config", "databsae": "database", "nginx": "nginx-conf", "TLS": "tls", "zookeeper": "", "x": "", "": "", "app-config": "",
	} {
		if got := Nearest(name, have); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", name, got, want)
		}
	}
}

// The back-off that is told is that of the restarts so far, from the last end on.
func TestNextRestartIsComputed(t *testing.T) {
	for _, test := range []struct {
		restarts int32
		message  string
		ended    time.Duration
		want     float64 // seconds from now; 0 if it is over
		then     string
	}{
		{1, "", 4 * time.Second, 6, "10 s; 20 s"},
		{4, "", 17 * time.Second, 63, "80 s; 3 min"},
		{9, "", time.Minute, 240, "5 min; 5 min"},
		{2, "back-off 40s restarting failed container=main pod=p", 3 * time.Second, 37, "40 s; 80 s"},
		{2, "", time.Minute, 0, "20 s; 40 s"},
	} {
		pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Spec: v1.PodSpec{Containers: []v1.Container{{Name: "main"}}}}
		s := v1.ContainerStatus{Name: "main", RestartCount: test.restarts, State: v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: test.message}}}
		s.LastTerminationState.Terminated = &v1.ContainerStateTerminated{ExitCode: 1, FinishedAt: metav1.NewTime(noon.Add(-test.ended))}
		pod.Status = v1.PodStatus{Phase: v1.PodRunning, ContainerStatuses: []v1.ContainerStatus{s},
			Conditions: []v1.PodCondition{{Type: v1.PodScheduled, Status: v1.ConditionTrue}, {Type: v1.PodReadyToStartContainers, Status: v1.ConditionTrue}, {Type: v1.PodInitialized, Status: v1.ConditionTrue}}}
		e := Pod(World{Now: noon, Pod: pod, Unseen: map[Part]string{PartNodes: ""}})
		n := e.Next[0]
		_, then, _ := strings.Cut(test.then, "; ")
		if !strings.Contains(n.Text, then) {
			t.Errorf("after %d restarts: %q, want a back-off of %s then", test.restarts, n.Text, then)
		}
		if test.want == 0 {
			if n.At != nil {
				t.Errorf("after %d restarts: at %s, though the back-off is over", test.restarts, n.At)
			}
			continue
		}
		if n.Seconds == nil || *n.Seconds != test.want || !n.Computed || !n.At.Equal(noon.Add(time.Duration(test.want)*time.Second)) {
			t.Errorf("after %d restarts: %+v, want in %g s", test.restarts, n, test.want)
		}
	}
}

// Nothing is said to be missing because nobody could look.
func TestUnseenIsNotMissing(t *testing.T) {
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "default"}, Spec: v1.PodSpec{NodeName: "n",
		Containers: []v1.Container{{Name: "main", EnvFrom: []v1.EnvFromSource{{SecretRef: &v1.SecretEnvSource{LocalObjectReference: v1.LocalObjectReference{Name: "s"}}}}}}}}
	pod.Status = v1.PodStatus{Phase: v1.PodPending, ContainerStatuses: []v1.ContainerStatus{{Name: "main", State: v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: "CreateContainerConfigError", Message: "couldn't find key k in Secret default/s"}}}}}
	e := Pod(World{Now: noon, Pod: pod, Unseen: map[Part]string{PartSecrets: "no permission", PartNodes: "no permission", PartEvents: ""}})
	if e.Cause != CauseKeyMissing || strings.Contains(e.Verdict, "not exist in namespace") || len(e.Unseen) != 2 {
		t.Errorf("%s, %s, %+v", e.Cause, e.Verdict, e.Unseen)
	}
}

// An empty world, and a pod that says nothing, are explained without a crash and without a wrong verdict.
func TestNothingKnown(t *testing.T) {
	for _, phase := range []v1.PodPhase{"", v1.PodPending, v1.PodRunning, v1.PodSucceeded, v1.PodFailed, v1.PodUnknown, "Strange"} {
		for _, unseen := range []map[Part]string{nil, {PartSpec: "", PartEvents: "", PartNodes: "", PartPods: ""}} {
			e := Pod(World{Now: noon, Pod: &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", CreationTimestamp: metav1.NewTime(noon.Add(-time.Hour))}, Status: v1.PodStatus{Phase: phase}}, Unseen: unseen})
			if e.Verdict == "" || e.Health == Healthy && phase != v1.PodSucceeded {
				t.Errorf("phase %q: %s: %s", phase, e.Health, e.Verdict)
			}
		}
	}
}

// Every cause is in the documentation, and the documentation names none that is not there.
func TestCausesAreDocumented(t *testing.T) {
	source, err := os.ReadFile("rules.go")
	if err != nil {
		t.Fatal(err)
	}
	docs, err := os.ReadFile("../docs/explain.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(docs), "## Causes")
	known := map[string]bool{}
	for _, m := range regexp.MustCompile(`Cause\w+\s+= "(\w+)"`).FindAllStringSubmatch(string(source), -1) {
		known[m[1]] = true
		if !strings.Contains(table, "`"+m[1]+"`") && !strings.Contains(table, "`"+m[1]+"/") {
			t.Errorf("docs/explain.md does not name the cause %s", m[1])
		}
	}
	for _, m := range regexp.MustCompile("`([A-Z]\\w+)`").FindAllStringSubmatch(table, -1) {
		if !known[m[1]] && m[1] != "World" {
			t.Errorf("docs/explain.md names the cause %s, which there is not", m[1])
		}
	}
	if len(known) < 80 {
		t.Errorf("only %d causes were found", len(known))
	}
}
