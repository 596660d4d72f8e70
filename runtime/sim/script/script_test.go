package script

import (
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Everything a script can say.
const whole = `
pull: {took: 2s, size: 30Mi}
create: {took: 100ms}
start: {error: no more room}
exit: {after: 5s, code: 3, message: bye}
stop: {after: 1s, code: 143}
probes:
  readiness: [{after: 3s, ok: true, output: fine}, {after: 1m, output: tired, took: 2s}]
hooks: {postStart: {took: 1s}, preStop: {error: no}}
logs: [{line: hello}, {after: 1s, every: 10s, line: again, stream: stderr}]
usage: {cpu: 100m, memory: 64Mi}
runs:
- exit: {oom: true}
- exit: {signal: SIGSEGV}
- stop: {ignore: true}
containers:
  car: {exit: {after: 1h}}
`

func TestParse(t *testing.T) {
	s, err := Parse(whole)
	if err != nil {
		t.Fatal(err)
	}
	if s.Exit.After != Duration(5*time.Second) || s.Usage.Memory.Value() != 64<<20 || s.Logs[1].Every != Duration(10*time.Second) || len(s.Runs) != 3 ||
		s.Containers["car"].Exit.After != Duration(time.Hour) || !s.Probes.Readiness[0].OK {
		t.Errorf("%+v", s)
	}
	again, err := Parse(s.String()) // what Go programs write
	if err != nil || again.String() != s.String() {
		t.Errorf("%v: %s\nbecomes %s", err, s, again)
	}
	if err := s.Check(); err != nil {
		t.Error(err)
	}
	if empty, err := Parse(""); err != nil || empty.Replaces() {
		t.Errorf("%+v, %v", empty, err)
	}
}

// Each kind of mistake is named with its field and value.
func TestBadScripts(t *testing.T) {
	for text, want := range map[string][]string{
		"exit: {cod: 3}":                                  {"line 1: exit.cod: there is no such field; there are after, code, message, oom, signal"},
		"exits: {code: 3}":                                {"exits: there is no such field; there are containers, create"},
		"exit: {after: 5}":                                {`exit.after: want a duration such as 5s or 300ms, not "5"`},
		"exit: {after: -5s}":                              {"exit.after: -5s is negative"},
		"exit: {code: 256}":                               {"exit.code: 256 is no exit code: they go from 0 to 255"},
		"exit: {code: -1}":                                {"exit.code: -1 is no exit code"},
		"exit: {code: x}":                                 {`exit.code: want a whole number, not "x"`},
		"exit: {code: 99999999999}":                       {"exit.code: want a whole number"},
		"exit: {code: 1, oom: true}":                      {"exit: code, signal and oom are different ends"},
		"exit: {signal: SIGNOTHING}":                      {`exit.signal: "SIGNOTHING" is no signal`},
		"exit: {oom: perhaps}":                            {`exit.oom: want true or false, not "perhaps"`},
		"exit: soon":                                      {`exit: want fields (after, code, message, oom, signal), not "soon"`},
		"stop: {ignore: true, after: 1s}":                 {"stop: a signal that is ignored"},
		"logs: {line: x}":                                 {"logs: want a list, not a map"},
		"logs: [{line: x, stream: out}]":                  {`logs[0].stream: "out" is neither stdout nor stderr`},
		"probes: {readiness: [{after: 2s}, {after: 1s}]}": {"probes.readiness[1].after: comes before"},
		"usage: {memory: much}":                           {`usage.memory: want a quantity such as 100m or 64Mi, not "much"`},
		"usage: {cpu: -1}":                                {"usage.cpu: -1 is negative"},
		"pull: {took: 1s}\npull: {took: 2s}":              {"line 2: pull: is given twice"},
		"runs: [{exit: {code: 300}}]":                     {"runs[0].exit.code: 300"},
		"containers: {a: {exit: {code: 300}, x: 1}}":      {"containers.a.exit.code: 300", "containers.a.x: there is no such field"},
		"- a":                     {"want fields"},
		"a: [":                    {"script: yaml: "},
		"exit: {}\n---\nexit: {}": {"a second document"},
		// All at once.
		"exit: {after: -1s, cod: 1}\nstart: {took: x}\nlogs: [{line: a, stream: b}]": {"exit.after", "exit.cod", "start.took", "logs[0].stream"},
	} {
		_, err := Parse(text)
		if err == nil {
			t.Errorf("%q: no error", text)
			continue
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q:\n%v\nwant %q", text, err, w)
			}
		}
	}
	if err := (PodScript{Script: Script{Run: Run{Exit: &Exit{Code: 999}}}}).Check(); err == nil || err.Error() != "script: exit.code: 999 is no exit code: they go from 0 to 255" {
		t.Errorf("%v", err)
	}
	if _, err := OfPod(map[string]string{Annotation: "exit: 1"}); err == nil || !strings.HasPrefix(err.Error(), "annotation podling.dev/sim, line 1: exit: ") {
		t.Errorf("%v", err)
	}
}

func TestLayers(t *testing.T) {
	s, err := Parse(whole)
	if err != nil {
		t.Fatal(err)
	}
	main := s.Of("main")
	for n, want := range []struct {
		oom, ignore bool
		signal      string
	}{{oom: true}, {signal: "SIGSEGV"}, {ignore: true}, {ignore: true}} {
		r := main.At(n)
		if got := r.Exit != nil && r.Exit.OOM; got != want.oom {
			t.Errorf("run %d: %+v", n, r.Exit)
		}
		if want.signal != "" && r.Exit.Signal != want.signal || want.ignore && (r.Exit != nil || !r.Stop.Ignore) {
			t.Errorf("run %d: %+v %+v", n, r.Exit, r.Stop)
		}
		if r.Usage == nil || r.Start == nil { // said for all
			t.Errorf("run %d: %+v", n, r)
		}
	}
	if car := s.Of("car").At(0); car.Exit.After != Duration(time.Hour) || car.Exit.OOM {
		t.Errorf("%+v", car.Exit)
	}
	if r := (*PodScript)(nil).Of("x").At(3); r.Replaces() {
		t.Errorf("%+v", r)
	}
}

const profiles = `
apiVersion: podling.dev/v1alpha1
kind: SimProfile
metadata: {name: workers}
spec:
  podSelector:
    matchLabels: {app: worker}
    matchExpressions: [{key: tier, operator: NotIn, values: [gold]}]
  namespaces: [a, b]
  image: "example.com/*:v?"
  script: {exit: {after: 1s}}
---
---
apiVersion: podling.dev/v1alpha1
kind: SimProfile
metadata: {name: registries}
spec:
  images:
  - {image: "busybox:no-such*", notFound: true}
  - {image: "*/big:*", pull: 30s, size: 2Gi}
`

func TestProfiles(t *testing.T) {
	got, err := ParseProfiles("p.yaml", []byte(profiles))
	if err != nil || len(got) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	worker := map[string]string{"app": "worker"}
	for _, test := range []struct {
		namespace string
		labels    map[string]string
		image     string
		want      bool
	}{
		{"a", worker, "example.com/x/y:v1", true}, {"c", worker, "example.com/x:v1", false}, {"a", nil, "example.com/x:v1", false},
		{"a", worker, "example.com/x:v10", false}, {"b", map[string]string{"app": "worker", "tier": "gold"}, "example.com/x:v1", false},
	} {
		if got[0].Matches(test.namespace, test.labels, test.image) != test.want {
			t.Errorf("%+v", test)
		}
	}
	if got[1].Matches("a", worker, "x") {
		t.Error("a profile without a script matches no pod")
	}
	if i := got[1].Images; !i[0].Matches("busybox:no-such-tag") || i[0].Matches("busybox:1") || !i[1].Matches("r.io/big:1") {
		t.Errorf("%+v", i)
	}
}

func TestBadProfiles(t *testing.T) {
	const head = "apiVersion: podling.dev/v1alpha1\nkind: SimProfile\nmetadata: {name: p}\n"
	for text, want := range map[string]string{
		head + "spec: {podSelector: {matchExpressions: [{key: a, operator: Near}]}}": `f.yaml, line 1: spec.podSelector: "Near" is not a valid label selector operator`,
		head + "spec: {podSelector: {labels: {}}}":                                   "f.yaml, line 4: spec.podSelector.labels: there is no such field",
		head + "spec: {script: {exit: {code: 999}}}":                                 "spec.script.exit.code: 999 is no exit code",
		head + "spec: {images: [{notFound: true}]}":                                  "spec.images[0].image: is missing",
		head + "spec: {images: [{image: x, notFound: true, unreachable: true}]}":     "spec.images[0]: error, notFound and unreachable are different failures",
		"kind: Pod\nmetadata: {name: x}":                                             `want apiVersion podling.dev/v1alpha1 and kind SimProfile, not "" and "Pod"`,
		"apiVersion: podling.dev/v1alpha1\nkind: SimProfile":                         "metadata.name: is missing",
		head + "---\n" + head:                                                        `metadata.name: there are two profiles "p"`,
	} {
		_, err := ParseProfiles("f.yaml", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q:\n%v\nwant %q", text, err, want)
		}
	}
	if _, err := NewProfile("x", ProfileSpec{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"a": "not valid!"}}}); err == nil {
		t.Error("a selector that is none")
	}
	if p, err := NewProfile("x", ProfileSpec{Script: &PodScript{}}); err != nil || !p.Matches("any", nil, "image") || !slices.Contains([]string{"x"}, p.Name) {
		t.Errorf("%+v, %v", p, err)
	}
}
