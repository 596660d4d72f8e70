package conformance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// table is one watch event's object as the API server sends it for kubectl's columns.
func table(name, ready, status, restarts, pod string) []byte {
	return fmt.Appendf(nil, `{"kind":"Table","rows":[{"cells":[%q,%q,%q,%q,"3s"],"object":{"metadata":{"name":%q},"status":%s}}]}`,
		name, ready, status, restarts, name, pod)
}

// TestRecorder feeds two watches' events in and looks at the recording and the board.
func TestRecorder(t *testing.T) {
	dir := t.TempDir()
	r := newRecorder("made-up", board(dir))
	pending := `{"phase":"Pending"}`
	running := `{"phase":"Running","conditions":[{"type":"Ready","status":"True"}],
		"containerStatuses":[{"name":"main","restartCount":2}],"initContainerStatuses":[{"name":"init","restartCount":1}]}`
	for _, e := range []struct {
		event  string
		object []byte
	}{
		{"ADDED", table("job-a1b2c", "0/1", "Pending", "0", pending)},
		{"MODIFIED", table("job-a1b2c", "0/1", "ContainerCreating", "0", pending)},
		{"MODIFIED", table("job-a1b2c", "1/1", "Running", "2 (4s ago)", running)},
		{"MODIFIED", table("job-a1b2c", "1/1", "Running", "2 (9s ago)", running)}, // nothing new
		{"ADDED", table("job-zzzzz", "0/1", "Pending", "0", pending)},
	} {
		if err := r.onPods(e.event, e.object); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range []string{
		`{"type":"Normal","reason":"Started","involvedObject":{"kind":"Pod","name":"job-a1b2c"},"source":{"component":"kubelet"}}`,
		`{"type":"Normal","reason":"Scheduled","involvedObject":{"kind":"Pod","name":"job-a1b2c"},"reportingComponent":"default-scheduler"}`,
		`{"type":"Normal","reason":"Started","involvedObject":{"kind":"Pod","name":"job-a1b2c"},"source":{"component":"kubelet"},"count":2}`,
		`{"type":"Normal","reason":"Created","involvedObject":{"kind":"Job","name":"job"}}`,
	} {
		if err := r.onEvents("ADDED", []byte(e)); err != nil {
			t.Fatal(err)
		}
	}
	for file, want := range map[string]string{
		"job-a1b2c.phase": "Running\n", "job-a1b2c.status": "Running\n", "job-a1b2c.ready": "True\n", "job-a1b2c.restarts": "3\n",
		"job-a1b2c.seen": "Pending\nContainerCreating\nRunning\n", "job-a1b2c.events": "Scheduled\nStarted\n", "job-zzzzz.phase": "Pending\n",
	} {
		if got, err := os.ReadFile(filepath.Join(dir, file)); err != nil || string(got) != want {
			t.Errorf("%s is %q, %v; want %q", file, got, err, want)
		}
	}
	if err := r.onPods("DELETED", table("job-a1b2c", "0/1", "Completed", "2", running)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "job-a1b2c.phase")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("phase of a deleted pod is still there: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "job-a1b2c.seen")); err != nil {
		t.Errorf("what was seen of a deleted pod is forgotten: %v", err)
	}

	recording := r.end(done)
	var shown []string
	for _, s := range recording.Pods["job-1"] {
		shown = append(shown, fmt.Sprintf("%s %s", s.Event, s.State["phase"]))
	}
	if got, want := strings.Join(shown, ", "), "ADDED Pending, MODIFIED Pending, MODIFIED Running, DELETED Running"; got != want {
		t.Errorf("states of job-1: %s; want %s", got, want)
	}
	if got, want := fmt.Sprint(recording.Columns["job-1"]), "[[0/1 Pending 0] [0/1 ContainerCreating 0] [1/1 Running 2] [0/1 Completed 2]]"; got != want {
		t.Errorf("columns of job-1: %s; want %s", got, want)
	}
	if got, want := fmt.Sprint(recording.Events), "map[job-1:[[Normal Scheduled default-scheduler] [Normal Started kubelet]]]"; got != want {
		t.Errorf("events: %s; want %s", got, want)
	}
	if len(recording.Pods["job-2"]) != 1 {
		t.Errorf("pods are %v; want job-2 among them", recording.Pods)
	}
}

// TestRecorderRefuses: what is not as expected ends the recording, it is not left out.
func TestRecorderRefuses(t *testing.T) {
	r := newRecorder("made-up", board(t.TempDir()))
	for _, text := range []string{
		`no JSON`,
		`{"rows":[{"cells":["p"],"object":{"metadata":{"name":"p"},"status":{}}}]}`,
		`{"rows":[{"cells":["p","0/1","Pending","0","1s"],"object":{"metadata":{"name":"p"}}}]}`,
	} {
		if err := r.onPods("ADDED", []byte(text)); err == nil {
			t.Errorf("no error for %s", text)
		}
	}
}

// TestScript runs steps that use every helper but evict, which needs a cluster.
func TestScript(t *testing.T) {
	facts := t.TempDir()
	b := board(facts)
	for fact, value := range map[string]any{"status": "Init:0/1", "phase": "Running", "restarts": 3, "ready": "True", "events": "Pulled\nStarted", "seen": "Pending\nRunning"} {
		if err := b.put("p", fact, value); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct{ steps, want string }{
		"all hold":       {`status p 'Init:.*' 5; phase p 'Running|Failed' 5; restarts p 3 5; ready p 5; event p Started 5; seen p Pending 5; gone q 5`, "done"},
		"whole lines":    {`status p Init 0`, "timed out: shows"},
		"too few":        {`restarts p 4 0`, "timed out: counts"},
		"no such pod":    {`ready q 0`, "timed out"},
		"not gone":       {`gone p 0`, "timed out: missing"},
		"push":           {`push absent:1; push two:2`, "done"},
		"push refused":   {`push refused:1`, "push refused:1: no room here"},
		"own variables":  {`[ "$NODE" = node-x ]; false`, "exit status 1"},
		"left behind":    {`sleep 60 3>&3 >/dev/null 2>&1 & true`, "done"},
		"a failing step": {`echo why >&2; exit 3`, "exit status 3: why"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "steps.sh"), []byte(c.steps), 0o600); err != nil {
				t.Fatal(err)
			}
			var pushed []string
			s := script{dir: dir, env: []string{"W=" + facts, "NODE=node-x"}, push: func(_ context.Context, image string) error {
				if strings.HasPrefix(image, "refused") {
					return errors.New("no room\nhere")
				}
				pushed = append(pushed, image)
				return nil
			}}
			got, err := s.run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if (c.want == done && got != done) || !strings.Contains(got, c.want) {
				t.Errorf("steps %q; want %q", got, c.want)
			}
			if name == "push" && strings.Join(pushed, " ") != "absent:1 two:2" {
				t.Errorf("pushed %q", pushed)
			}
		})
	}
}

// TestScriptEnds: steps that hang end when the context does.
func TestScriptEnds(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "steps.sh"), []byte("push begun:1; sleep 600"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	got, err := script{dir: dir, push: func(context.Context, string) error {
		cancel(errors.New("enough"))
		return nil
	}}.run(ctx)
	if err != nil || got != "failed: enough" {
		t.Errorf("steps %q, %v; want failed: enough", got, err)
	}
}
