package upstream

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What ginkgo v2.28 writes of parallel specs, cut short.
const played = `Running Suite: Kubernetes e2e suite - /
Will run 3 of 7000 specs
Running in parallel across 2 processes
SSSSSSSSSSSSSSSSSSSSS
------------------------------
• [4.061 seconds]
[sig-node] Secrets should patch a secret [Conformance] [sig-node, Conformance]
k8s.io/kubernetes@v1.36.3/test/e2e/common/node/secrets.go:153

  Timeline >>
  • is in a message
------------------------------
• [FAILED] [30.5 seconds]
[sig-node] PreStop [It] should call prestop when killing a pod [Conformance]
k8s.io/kubernetes@v1.36.3/test/e2e/node/pre_stop.go:168
`

func TestFollow(t *testing.T) {
	type ended struct {
		Name string
		Held bool
		Took time.Duration
	}
	var got []ended
	s := Suite{Progress: func(name string, held bool, took time.Duration) { got = append(got, ended{name, held, took}) }}
	if err := s.follow(strings.NewReader(played)); err != nil {
		t.Fatal(err)
	}
	want := []ended{
		{"[sig-node] Secrets should patch a secret [Conformance]", true, 4061 * time.Millisecond},
		{"[sig-node] PreStop [It] should call prestop when killing a pod [Conformance]", false, 30500 * time.Millisecond},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

const reported = `[{"SpecReports": [
 {"LeafNodeType": "SynchronizedBeforeSuite", "State": "passed"},
 {"ContainerHierarchyTexts": ["[sig-node] Secrets"], "LeafNodeType": "It", "LeafNodeText": "should patch a secret [Conformance]", "State": "passed", "RunTime": 4000000000},
 {"ContainerHierarchyTexts": ["[sig-node] PreStop"], "LeafNodeType": "It", "LeafNodeText": "should call prestop [Conformance]", "State": "timedout", "IsSerial": true,
  "Failure": {"Message": "\nno prestop\n", "Location": {"FileName": "k8s.io/kubernetes@v1.36.3/test/e2e/node/pre_stop.go", "LineNumber": 168}}},
 {"ContainerHierarchyTexts": ["[sig-node] Sysctls"], "LeafNodeType": "It", "LeafNodeText": "should reject [Conformance]", "State": "skipped",
  "Failure": {"Message": "only on Windows", "Location": {"FileName": "x.go", "LineNumber": 1}}},
 {"ContainerHierarchyTexts": ["[sig-node] Sysctls"], "LeafNodeType": "It", "LeafNodeText": "panics [Conformance]", "State": "panicked"},
 {"ContainerHierarchyTexts": ["[sig-node] Sysctls"], "LeafNodeType": "It", "LeafNodeText": "should allow [Conformance]", "State": "skipped"},
 {"ContainerHierarchyTexts": ["[sig-apps] Job"], "LeafNodeType": "It", "LeafNodeText": "should run [Conformance]", "State": "skipped"}
]}]`

func TestRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "report.json")
	write(t, file, reported)
	got, err := read(file, Suite{Focus: regexp.MustCompile(Focus), Skip: regexp.MustCompile(`Sysctls should allow`)}.asked)
	if err != nil {
		t.Fatal(err)
	}
	want := []Result{
		{Name: "[sig-node] PreStop should call prestop [Conformance]", Outcome: Fails, Serial: true, Why: "no prestop", At: "test/e2e/node/pre_stop.go:168"},
		{Name: "[sig-node] Secrets should patch a secret [Conformance]", Outcome: Holds, Seconds: 4},
		{Name: "[sig-node] Sysctls panics [Conformance]", Outcome: Fails, Why: "panicked"},
		{Name: "[sig-node] Sysctls should reject [Conformance]", Outcome: NotRun, Why: "only on Windows", At: "x.go:1"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	score := Judge(got, map[string]string{want[0].Name: "it is slow", want[1].Name: "it was slow"})
	if score.Holds != 1 || score.Fails != 2 || score.NotRun != 1 || score.AsExpected() || score.Specs[0].Known != "it is slow" {
		t.Errorf("%+v", score)
	}
	if diff := cmp.Diff([][]string{{want[2].Name, want[3].Name}, {want[1].Name}}, [][]string{score.Lost, score.Won}); diff != "" {
		t.Error(diff)
	}
	if !Judge(got[1:2], nil).AsExpected() {
		t.Error("all hold, and that is not as expected")
	}
}

// A run that gives no results must not look like one in which all hold.
func TestReadNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "report.json")
	for text, want := range map[string]string{
		`[]`: "no spec has such a name",
		`[{`: "unexpected end",
		`[{"SpecReports": [{"LeafNodeType": "SynchronizedBeforeSuite", "State": "failed", "Failure": {"Message": "no node is ready"}}]}]`: "SynchronizedBeforeSuite of the suite: no node is ready",
	} {
		write(t, file, text)
		if got, err := read(file, Suite{Focus: regexp.MustCompile(Focus)}.asked); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v; want %q", text, got, err, want)
		}
	}
}

func TestKnown(t *testing.T) {
	file := filepath.Join(t.TempDir(), "known.txt")
	write(t, file, "# a remark\n[sig-node] Pods: a tcp:8080\n    no\n    network\n\n[sig-node] PreStop\n\tslow\n")
	got, err := Known(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"[sig-node] Pods: a tcp:8080": "no network", "[sig-node] PreStop": "slow"}, got); diff != "" {
		t.Error(diff)
	}
	for text, want := range map[string]string{
		"  why\n":                  "known.txt:1: the reason",
		"[sig-node] A\n":           `nothing says why "[sig-node] A"`,
		"one\n two\nthree\nfour\n": `known.txt:4: nothing says why "three"`,
	} {
		write(t, file, text)
		if got, err := Known(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want %q", text, got, err, want)
		}
	}
}

// The list that make e2e goes by can be read.
func TestKnownOnes(t *testing.T) {
	if _, err := Known(filepath.Join("..", "e2e", "known.txt")); err != nil {
		t.Error(err)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
