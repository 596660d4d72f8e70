package trace

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// testdata/recording.txt has recordings, well made and not; what is read of them is printed, and what is
// wrong with them. With without=N the last N bytes are missing.
func TestReadRecording(t *testing.T) {
	datadriven.RunTest(t, "testdata/recording.txt", func(t *testing.T, d *datadriven.TestData) string {
		text := d.Input
		if d.HasArg("without") {
			var n int
			d.ScanArgs(t, "without", &n)
			text = text[:len(text)-n]
		}
		var out strings.Builder
		rec, err := ReadRecording(strings.NewReader(text))
		if err != nil {
			return fmt.Sprintf("error: %v\n", err)
		}
		if rec.By != "" {
			fmt.Fprintf(&out, "by %s\n", rec.By)
		}
		printer := NewPrinter(&out)
		printer.Writers = true
		for _, e := range rec.Events {
			if err := printer.Print(e); err != nil {
				t.Fatal(err)
			}
		}
		for _, p := range rec.Problems {
			fmt.Fprintf(&out, "left out: %s\n", Printable(p.Error()))
		}
		return out.String()
	})
}

// What a recorder wrote is read again as it was.
func TestRecordingRoundTrip(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678000000, time.UTC)
	made := metav1.NewTime(at.Truncate(time.Second))
	first := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p", UID: "1", Labels: map[string]string{"a": "b"}, CreationTimestamp: made},
		Spec: v1.PodSpec{SchedulerName: "s"}, Status: v1.PodStatus{Phase: v1.PodPending}}
	then := first.DeepCopy()
	then.Status.Phase, then.Status.Message = v1.PodRunning, "\x1b[31mred"
	events := []Event{
		{Type: watch.Added, Pod: first, Existing: true},
		{Type: watch.Modified, Pod: then, Writers: []Writer{{Manager: "kubelet", Operation: "Update", Subresource: "status", Changed: []string{"phase"}}}},
		{Type: Said, Said: &v1.Event{Reason: "Started", InvolvedObject: v1.ObjectReference{Namespace: "ns", Name: "p", UID: "1"}, LastTimestamp: made}},
		{Type: watch.Error, Err: errors.New("gone")},
		{Type: watch.Deleted, Pod: then},
	}
	was := (*v1.Pod)(nil)
	var file bytes.Buffer
	recorder := NewRecorder(&file)
	if err := recorder.Header(at, "podling v0", true); err != nil {
		t.Fatal(err)
	}
	for i := range events {
		e := &events[i]
		e.Since = time.Duration(i) * 10 * time.Millisecond
		e.Time = at.Add(e.Since)
		if e.Pod != nil {
			e.Changes = Compare(was, e.Pod)
			was = e.Pod
		}
		if err := recorder.Print(*e); err != nil {
			t.Fatal(err)
		}
	}
	rec, err := ReadRecording(&file)
	if err != nil || len(rec.Problems) > 0 || rec.By != "podling v0" {
		t.Fatalf("%+v, %v", rec, err)
	}
	same := cmp.Comparer(func(a, b error) bool { return (a == nil) == (b == nil) && (a == nil || a.Error() == b.Error()) })
	if d := cmp.Diff(events, rec.Events, same, cmpopts.EquateEmpty()); d != "" {
		t.Error(d)
	}
	if !rec.Last().Equal(events[4].Time) {
		t.Errorf("the last event was at %v", rec.Last())
	}
}

// A line without an end must not take all memory, and does not hide what follows it.
func TestLongLine(t *testing.T) {
	rec, err := ReadRecording(strings.NewReader(strings.Repeat("x", longestLine+10) + "\n" +
		`{"time":"2026-01-02T03:04:05Z","event":"ADDED","namespace":"ns","name":"p","status":{}}` + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(rec.Events) != 1 || len(rec.Problems) != 1 || rec.Problems[0].Line != 1 || !errors.Is(rec.Problems[0].Err, errTooLong) {
		t.Errorf("%d events, problems %v", len(rec.Events), rec.Problems)
	}
}
