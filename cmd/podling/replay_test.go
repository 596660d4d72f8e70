package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podling/podling/lifecycle"
	"github.com/podling/podling/replay"
	"github.com/podling/podling/trace"
)

const (
	added   = `{"time":"2026-01-02T03:04:05Z","event":"ADDED","namespace":"ns","name":"p","status":{"phase":"Pending"}}` + "\n"
	running = `{"time":"2026-01-02T03:04:05.25Z","event":"MODIFIED","namespace":"ns","name":"p","status":{"phase":"Running"}}` + "\n"
	failed  = `{"time":"2026-01-02T03:04:06Z","event":"MODIFIED","namespace":"ns","name":"p","status":{"phase":"Failed","message":"\u001b[31mred"}}` + "\n"
	another = `{"time":"2026-01-02T03:04:06Z","event":"ADDED","namespace":"ns","name":"q","status":{"phase":"Pending"}}` + "\n"
	ofLater = `{"time":"2026-01-02T03:04:05Z","event":"RECORDING","namespace":"","name":"","status":null,"version":7}` + "\n"
	onNode  = `{"time":"2026-01-02T03:04:05.5Z","event":"MODIFIED","namespace":"ns","name":"p","status":{"phase":"Pending","conditions":[{"type":"PodScheduled","status":"True"}]}}` + "\n"
)

// decisions is a file with one decision, that the pod needs nothing more.
func decisions(t *testing.T) string {
	t.Helper()
	path := write(t, "good.jsonl", "")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	recorder, err := replay.NewRecorder(file, "podling")
	if err != nil {
		t.Fatal(err)
	}
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p"}}
	seen, now := lifecycle.Observed{Gone: true, Killed: true, Cleaned: true}, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	recorder.Decided("node", pod, seen, now, lifecycle.Decide(pod, seen, now))
	if err := recorder.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// Files are read by trace, diff and replay; what cannot be used of them is named by its line.
func TestRecordings(t *testing.T) {
	one, two := write(t, "one.jsonl", added+running), write(t, "two.jsonl", added+failed+another)
	cut := write(t, "cut.jsonl", added+running[:40])
	later, text := write(t, "later.jsonl", ofLater+added), write(t, "text.jsonl", "hello\n")
	way, good := write(t, "way.jsonl", added+onNode), decisions(t)
	recorded, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	bad := write(t, "bad.jsonl", strings.Replace(string(recorded), `"Done":true`, `"Done":false`, 1))
	for _, test := range []struct {
		args        string
		code        int
		out, errOut string
	}{
		{"trace -f " + one, 0, "0.250s  MODIFIED  ns/p  Running", ""},
		{"trace -f " + two + " q", 0, "   1.000s  ADDED     ns/q  Pending\n", ""},
		{"trace -f " + two, 0, `message=\x1b[31mred`, ""},
		{"trace -f " + one + " --spans -n other", 0, "", ""},
		{"trace -f " + way + " --spans", 0, "scheduling        500 ms  ███", ""},
		{"trace -f " + way + " --spans -o json", 0, `"span":"scheduling"`, ""},
		{"trace -f " + cut, 0, "ADDED     ns/p", "cut.jsonl: line 2: the line is cut off"},
		{"trace -f " + later, 1, "", "version 7"},
		{"trace -f " + text, 1, "", "not a recording"},
		{"trace diff " + one + " " + one, 0, "ns/p and ns/p: 2 same states\n", ""},
		{"trace diff " + one + " " + two + ":p", 3, "part after 1 same states:\n  A    0.250s  phase=Running\n  B    1.000s  phase=Failed\n               message=\\x1b[31mred\n", ""},
		{"trace diff " + one + " " + two, 3, "ns/q is in the second only\n", ""},
		{"trace diff " + two + " " + one + " -o json", 3, `{"a":"ns/q","b":"","differ":true,"same":0}`, ""},
		{"trace diff " + one + " " + two + ":nobody", 1, "", "no pod nobody"},
		{"trace diff " + one + " /nowhere.jsonl", 1, "", "/nowhere.jsonl"},
		{"trace diff " + one, 2, "", "accepts 2 arg"},
		{"replay " + one, 0, "    1    0.000s  ADDED     ns/p  Pending\n    2    0.250s  MODIFIED  ns/p  Running", ""},
		{"replay " + one + " --at 2", 0, "2 of 2  2026-01-02 03:04:05.250Z", ""},
		{"replay " + two + " --at -1", 0, "ns/p   Failed    0/0     0", ""},
		{"replay " + one + " --at 1 -o json", 0, `{"at":1,"of":2,"event":{"time":`, ""},
		{"replay " + cut + " --list", 0, "    1    0.000s", "line 2"},
		{"replay " + one + " --at 3", 1, "", "has 2 events"},
		{"replay " + way + " --at 2 --explain", 0, "ns/p", ""},
		{"replay " + way + " --at -1 --explain -o json", 0, `"kind":"Pod","namespace":"ns","name":"p"`, ""},
		{"replay " + way + " --explain", 2, "", "--at"},
		{"replay " + one + " --at 0", 2, "", "--at 0"},
		{"replay " + one + " --at 1 --list", 1, "", "list"},
		{"replay " + one + " -o yaml", 2, "", `"yaml"`},
		{"replay --verify " + good, 0, "1 decisions about 1 pods: all the same\n", ""},
		{"replay --verify " + bad, 3, "line 2  03:04:05.000Z  ns/p\n  Done: false → true\n", ""},
		{"replay --verify " + bad + " -o json", 3, `"fields":[{"path":"Done","was":"false","is":"true"}]`, ""},
		{"replay --verify " + one, 1, "", "--record-decisions"},
		{"replay /nowhere", 1, "", "/nowhere"},
		{"ui /nowhere", 1, "", "/nowhere"},
		{"ui " + text, 1, "", "not a recording"},
	} {
		code, out, errOut := podling(t, strings.Fields(test.args)...)
		if code != test.code || !strings.Contains(out, test.out) || !strings.Contains(errOut, test.errOut) || strings.Contains(out+errOut, "\x1b") {
			t.Errorf("%s: %d, want %d\n%s%s\nwant %s%s", test.args, code, test.code, out, errOut, test.out, test.errOut)
		}
	}
}

// What is known of the time before comes first, in order and as far as --since reaches; --once ends then.
func TestTraceSince(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	ago := func(d time.Duration) string { return now.Add(-d).UTC().Format(time.RFC3339) }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.URL.Path == "/version":
			fmt.Fprint(w, `{}`)
		case strings.HasSuffix(r.URL.Path, "/events"):
			fmt.Fprintf(w, `{"apiVersion":"v1","kind":"EventList","metadata":{"resourceVersion":"1"},"items":[
				{"metadata":{"name":"e","uid":"e","resourceVersion":"1"},"type":"Normal","reason":"Pulled","message":"there","involvedObject":{"kind":"Pod","namespace":"default","name":"p","uid":"1"},"lastTimestamp":%q},
				{"metadata":{"name":"f","uid":"f","resourceVersion":"1"},"type":"Normal","reason":"Ancient","involvedObject":{"kind":"Pod","namespace":"default","name":"p","uid":"1"},"lastTimestamp":%q}]}`, ago(90*time.Second), ago(time.Hour))
		default:
			fmt.Fprintf(w, `{"apiVersion":"v1","kind":"PodList","metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":"p","namespace":"default","uid":"1","resourceVersion":"1","creationTimestamp":%q},
				"status":{"phase":"Running","conditions":[{"type":"PodScheduled","status":"True","lastTransitionTime":%q},{"type":"Ready","status":"True","lastTransitionTime":%q}]}}]}`, ago(time.Hour), ago(100*time.Second), ago(80*time.Second))
		}
	}))
	defer server.Close()
	code, out, errOut := podling(t, "trace", "--kubeconfig", kubeconfig(t, server.URL), "--since", "10m", "--once", "-o", "json")
	var seen []string
	for line := range strings.Lines(out) {
		var l struct {
			Event   string
			Said    struct{ Reason string }
			Changes []struct{ Field string }
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		text := l.Event + l.Said.Reason
		for _, c := range l.Changes {
			text += c.Field
		}
		seen = append(seen, text)
	}
	if want := "PASTcondition/PodScheduled/status EVENTPulled PASTcondition/Ready/status ADDED"; code != 0 || strings.Join(seen, " ") != want {
		t.Errorf("%d, %q, want %q\n%s", code, seen, want, errOut)
	}
}

// Keys go from state to state.
func TestReplayKeys(t *testing.T) {
	rec, err := trace.ReadRecording(strings.NewReader(added + another + running + failed))
	if err != nil {
		t.Fatal(err)
	}
	s := newReplayScreen(replay.New(rec.Events), os.Stdin, os.Stdout)
	// A terminal sends a key at once: each reader has one key.
	for _, step := range []struct {
		key  string
		want int
	}{
		{"\x1b[C", 2}, {"\x1b[D", 1}, {"\x1b[B", 3}, {"n", 4}, {"n", 4}, {"\x1b[A", 3}, {"\x1b[H", 1}, {"\x1bOF", 4}, {"2", 4}, {"\r", 2}, {"9", 2}, {"9", 2}, {"\r", 4},
		{"\x1b[5~", 1}, {"\x1b[6~", 4}, {"g", 1}, {"é", 1}, {"\x1b[99;5u", 1}, {"s", 1}, {" ", 2},
	} {
		key, err := readKey(bufio.NewReader(strings.NewReader(step.key)))
		if err != nil || !s.press(key) || s.player.At() != step.want {
			t.Errorf("%q (%q) went to %d, want %d; %v", step.key, key, s.player.At(), step.want, err)
		}
	}
	for _, end := range []string{"q", "\x03", "\x1b"} {
		key, err := readKey(bufio.NewReader(strings.NewReader(end)))
		if err != nil || s.press(key) {
			t.Errorf("%q does not end it: %v", end, err)
		}
	}
}
