package replay

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podling/podling/lifecycle"
)

type file struct {
	bytes.Buffer
	fail error
}

func (f *file) Write(p []byte) (int, error) {
	if f.fail != nil {
		return 0, f.fail
	}
	return f.Buffer.Write(p)
}

func (f *file) Close() error { return nil }

var _ io.WriteCloser = (*file)(nil)

// recorded are some decisions about a pod: it is new, its container runs, it ended, it is deleted.
func recorded(t *testing.T) string {
	t.Helper()
	out := &file{}
	r, err := NewRecorder(out, "podling v0")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 123456789, time.FixedZone("CET", 3600))
	made := metav1.NewTime(now)
	pod := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p", UID: "1", Generation: 1, CreationTimestamp: made, ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "m"}}},
		Spec:       v1.PodSpec{RestartPolicy: v1.RestartPolicyAlways, Containers: []v1.Container{{Name: "c", Image: "i"}}},
		Status:     v1.PodStatus{Phase: v1.PodPending, QOSClass: v1.PodQOSBestEffort},
	}
	hash := lifecycle.Hash(&pod.Spec.Containers[0])
	sandbox := lifecycle.Sandbox{ID: "s", Ready: true, IPs: []string{"10.0.0.1"}, CreatedAt: now}
	running := lifecycle.Container{ID: "x://1", Name: "c", SandboxID: "s", Image: "i", Hash: hash, State: lifecycle.Running, CreatedAt: now, StartedAt: now}
	dead := running
	dead.State, dead.FinishedAt, dead.ExitCode, dead.Reason = lifecycle.Exited, now.Add(1500*time.Millisecond), 1, "Error"
	deleted := pod.DeepCopy()
	grace := int64(5)
	deleted.DeletionTimestamp, deleted.DeletionGracePeriodSeconds = &made, &grace
	decide := func(pod *v1.Pod, seen lifecycle.Observed) *v1.PodStatus {
		now = now.Add(1700 * time.Millisecond)
		seen.HostIPs = []string{"192.0.2.1"}
		plan := lifecycle.Decide(pod, seen, now)
		r.Decided("node", pod, seen, now, plan)
		return &plan.Status
	}
	reported := decide(pod, lifecycle.Observed{})
	mounted := lifecycle.Volumes{Mounted: true}
	reported = decide(pod, lifecycle.Observed{Volumes: mounted, Sandboxes: []lifecycle.Sandbox{sandbox}, Containers: []lifecycle.Container{running}, Reported: reported})
	reported = decide(pod, lifecycle.Observed{Volumes: mounted, Sandboxes: []lifecycle.Sandbox{sandbox}, Containers: []lifecycle.Container{dead}, Reported: reported})
	decide(deleted, lifecycle.Observed{Volumes: mounted, Sandboxes: []lifecycle.Sandbox{sandbox}, Containers: []lifecycle.Container{dead}, Reported: reported})
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if len(pod.ManagedFields) == 0 {
		t.Error("the pod was changed while it was written down")
	}
	return out.String()
}

func TestVerify(t *testing.T) {
	text := recorded(t)
	report, err := Verify(strings.NewReader(text))
	if err != nil || report.Decisions != 4 || report.Pods != 1 || len(report.Different) > 0 || len(report.Problems) > 0 {
		t.Fatalf("%+v, %v", report, err)
	}
}

// A decision that was another is named, with what is different.
func TestVerifyFindsDifferences(t *testing.T) {
	text := strings.Replace(recorded(t), `"Verb":"mount volumes"`, `"Verb":"clean up"`, 1)
	report, err := Verify(strings.NewReader(text))
	if err != nil || len(report.Different) != 1 {
		t.Fatalf("%+v, %v", report, err)
	}
	d := report.Different[0]
	if d.Line != 2 || d.Namespace != "ns" || d.Name != "p" || len(d.Fields) != 1 || d.Fields[0] != (Field{"Actions[0].Verb", `"clean up"`, `"mount volumes"`}) {
		t.Errorf("%+v", d)
	}
}

// What cannot be used is named by its line, and the rest is used.
func TestVerifyBadInput(t *testing.T) {
	text := recorded(t)
	report, err := Verify(strings.NewReader("{\n" + text[:len(text)-20]))
	if err != nil || report.Decisions != 3 || len(report.Problems) != 2 || report.Problems[0].Line != 1 || report.Problems[1].Line != 6 || !strings.Contains(report.Problems[1].Error(), "cut off") {
		t.Errorf("%+v, %v", report, err)
	}
	trace := `{"time":"2026-01-02T03:04:05Z","event":"ADDED","namespace":"ns","name":"p","status":{}}`
	for _, none := range []string{"", trace, `{"event":"DECISION"}`} {
		if _, err := Verify(strings.NewReader(none)); !errors.Is(err, ErrNoDecisions) {
			t.Errorf("%q: %v", none, err)
		}
	}
}

// A disk that is full is told of in the end, once, and stops nobody.
func TestRecorderFails(t *testing.T) {
	out := &file{}
	r, err := NewRecorder(out, "podling v0")
	if err != nil {
		t.Fatal(err)
	}
	out.fail = io.ErrShortWrite
	for range 3 {
		r.Decided("node", &v1.Pod{}, lifecycle.Observed{}, time.Now(), lifecycle.Plan{})
	}
	if err := r.Close(); !errors.Is(err, io.ErrShortWrite) || strings.Count(err.Error(), "\n") > 0 {
		t.Errorf("got %v", err)
	}
}
