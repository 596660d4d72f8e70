package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestCheck holds short recordings against short golden files, both made from the
// words in testdata/check: see the head of that file.
func TestCheck(t *testing.T) {
	datadriven.RunTest(t, "testdata/check", func(t *testing.T, d *datadriven.TestData) string {
		var g golden
		r := Recording{Steps: done, Pods: map[string][]Step{}, Columns: map[string][]Row{}, Events: map[string][]Event{}}
		if d.HasArg("steps") {
			d.ScanArgs(t, "steps", &r.Steps)
		}
		g.Pods = map[string]map[string]want{}
		for line := range strings.Lines(d.Input) {
			f := strings.Fields(line)
			kind, pod, view, items := f[0], f[1], f[2], f[3:]
			if kind == "shown" {
				showItems(&r, pod, view, items)
				continue
			}
			if g.Pods[pod] == nil {
				g.Pods[pod] = map[string]want{}
			}
			w := g.Pods[pod][view]
			for _, word := range items {
				if kind == "must" {
					w.Must = append(w.Must, wordItem(view, word))
				}
				w.May = append(w.May, wordItem(view, word))
			}
			g.Pods[pod][view] = w
		}
		text, err := encode(&r)
		if err != nil {
			t.Fatal(err)
		}
		read, err := Parse(text) // as a file would hand it over
		if err != nil {
			t.Fatal(err)
		}
		v := g.check(read)
		return fmt.Sprintf("holds=%t exact=%t\n%s", v.Holds(), v.Exact(), strings.Join(append(v.Differences, v.Details...), "\n"))
	})
}

// showItems adds what a word stands for to a recording.
func showItems(r *Recording, pod, view string, items []string) {
	for _, word := range items {
		switch view {
		case viewStates:
			item := wordItem(view, word).(map[string]any)
			event := item["event"].(string)
			delete(item, "event")
			r.Pods[pod] = append(r.Pods[pod], Step{Event: event, State: item})
		case viewColumns:
			r.Columns[pod] = append(r.Columns[pod], Row{"0/1", word, "0"})
		case viewEvents:
			r.Events[pod] = append(r.Events[pod], Event{"Normal", word, "kubelet"})
		case viewExtras:
			r.Pods[pod] = append(r.Pods[pod], Step{Event: "MODIFIED", State: State{"phase": "Running"}, Extras: map[string]string{"main": word}})
		}
	}
}

// wordItem is what a word stands for in a golden file.
func wordItem(view, word string) any {
	switch view {
	case viewColumns:
		return []any{"0/1", word, "0"}
	case viewEvents:
		return []any{"Normal", word, "kubelet"}
	case viewExtras:
		return map[string]any{"main": word}
	}
	phase, ready, _ := strings.Cut(word, "/")
	state := map[string]any{"event": "MODIFIED", "phase": phase}
	if ready != "" {
		state["conditions"] = map[string]any{"Ready": ready}
	}
	return state
}

// TestParse refuses what is not a recording, and takes namespaces out of one.
func TestParse(t *testing.T) {
	for _, text := range []string{"", "[]", "{}", `{"steps":"done"}`, `{"pods":{}}`, `{"pods":{},"steps":"done","columns":{"p":3}}`} {
		if r, err := Parse([]byte(text)); err == nil {
			t.Errorf("Parse(%q) = %+v; want an error", text, r)
		}
	}
	r, err := Parse([]byte(`{"steps":"done","pods":{"p":[{"event":"ADDED","state":{"message":"in c-two-words-0a1b2c/c-x-ffffff: no"}}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := r.Pods["p"][0].State["message"], "in NS/NS: no"; got != want {
		t.Errorf("message is %q; want %q", got, want)
	}
}

// TestNamespaces takes out a namespace's name and nothing that only looks like it.
func TestNamespaces(t *testing.T) {
	for text, want := range map[string]string{
		"c-busybox-0a1b2c":                     "NS",
		"c-two-words-0a1b2c":                   "NS",
		`"c-a-000000","c-b-111111"`:            `"NS","NS"`,
		"c-a-000000 c-b-111111 c-c-222222":     "NS NS NS",
		"pods c-x-abcdef.svc":                  "pods NS.svc",
		"c-busybox-0a1b2c3":                    "c-busybox-0a1b2c3",
		"c-busybox-0a1b2":                      "c-busybox-0a1b2",
		"abc-busybox-0a1b2c":                   "abc-busybox-0a1b2c",
		"c--0a1b2c":                            "c--0a1b2c",
		"c-a-0a1b2c-xyz":                       "NS-xyz",
		"c-a-0a1b2c-d-0a1b2c":                  "NS",
		"system:serviceaccount:c-a-0a1b2c:me!": "system:serviceaccount:NS:me!",
	} {
		if got := string(withoutNamespaces([]byte(text))); got != want {
			t.Errorf("withoutNamespaces(%q) = %q; want %q", text, got, want)
		}
	}
}

// TestGoldens reads every scenario's golden file, and holds what it asks for against
// itself: each "must", shown in order, has to hold, and with its last state missing
// must not.
func TestGoldens(t *testing.T) {
	scenarios, err := Scenarios("scenarios")
	if err != nil {
		t.Fatal(err)
	}
	if len(scenarios) == 0 {
		t.Fatal("no scenarios")
	}
	for _, s := range scenarios {
		t.Run(s.Name, func(t *testing.T) {
			g, err := loadGolden(s.Dir)
			if err != nil {
				t.Fatal(err)
			}
			if g.Scenario != s.Name {
				t.Errorf("golden file is of %q", g.Scenario)
			}
			r := replayed(t, g)
			if v := g.check(r); !v.Exact() {
				t.Errorf("the reference's own states do not hold:\n%s", strings.Join(append(v.Differences, v.Details...), "\n"))
			}
			for pod, steps := range r.Pods {
				r.Pods[pod] = steps[:len(steps)-1]
			}
			if g.check(r).Holds() {
				t.Error("holds with the last state missing")
			}
		})
	}
}

// replayed is a recording that shows what a golden file asks for and nothing else.
func replayed(t *testing.T, g *golden) *Recording {
	t.Helper()
	r := &Recording{Scenario: g.Scenario, Steps: done, Pods: map[string][]Step{}, Columns: map[string][]Row{}, Events: map[string][]Event{}}
	for pod, views := range g.Pods {
		for _, item := range views[viewStates].Must {
			state := State{}
			for key, value := range item.(map[string]any) {
				state[key] = value
			}
			step := Step{Event: state["event"].(string), State: state}
			delete(state, "event")
			r.Pods[pod] = append(r.Pods[pod], step)
		}
		for _, item := range views[viewColumns].Must {
			r.Columns[pod] = append(r.Columns[pod], Row(words(item)))
		}
		for _, item := range views[viewEvents].Must {
			r.Events[pod] = append(r.Events[pod], Event(words(item)))
		}
	}
	return r
}

// words is a list as encoding/json decodes it, of three words.
func words(item any) []string {
	var w []string
	for _, word := range item.([]any) {
		w = append(w, word.(string))
	}
	return w
}

// TestScenarioFiles finds scenarios by name and by path, and says which are missing.
func TestScenarioFiles(t *testing.T) {
	found, err := Scenarios("scenarios", "busybox", filepath.Join("scenarios", "failed"))
	if err != nil || len(found) != 2 || found[0].Name != "busybox" || found[1].Name != "failed" {
		t.Errorf("Scenarios = %+v, %v; want busybox and failed", found, err)
	}
	if _, err := Scenarios("scenarios", "no-such"); err == nil || !strings.Contains(err.Error(), "no-such") {
		t.Errorf("error for a scenario that is not there: %v; want its name in it", err)
	}
	if _, err := Scenarios(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no error for a folder that is not there")
	}
	list := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(list, []byte("# held\nbusybox\n\nfailed # since today\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if names, err := Names(list); err != nil || strings.Join(names, " ") != "busybox failed" {
		t.Errorf("Names = %q, %v; want busybox and failed", names, err)
	}
	if err := os.WriteFile(list, []byte("busybox\nbusybox\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if names, err := Names(list); err == nil {
		t.Errorf("Names = %q for a name that stands there twice; want an error", names)
	}
	if err := os.WriteFile(list, []byte("# needs more\nbusybox  a kernel, at least # or two\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if why, err := Reasons(list); err != nil || len(why) != 1 || why["busybox"] != "a kernel, at least" {
		t.Errorf("Reasons = %q, %v; want that of busybox", why, err)
	}
	for _, text := range []string{"busybox\n", "busybox one\nbusybox two\n"} {
		if err := os.WriteFile(list, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if why, err := Reasons(list); err == nil {
			t.Errorf("Reasons = %q of %q; want an error", why, text)
		}
	}
}
