package reason

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const examples = "../../examples/reasons"

// Every entry tells all that one needs to know, in sentences.
func TestEntriesAreWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range All() {
		place := r.Name + " in " + r.Where
		if r.Kind == Event {
			place = r.Name + " event"
		}
		if seen[place] {
			t.Errorf("%s: stands there twice", place)
		}
		seen[place] = true
		for what, text := range map[string]string{"name": r.Name, "kind": string(r.Kind), "where": r.Where, "by": r.By, "how of its example": r.Example.How} {
			if text == "" {
				t.Errorf("%s: no %s", place, what)
			}
		}
		for what, text := range map[string]string{"meaning": r.Meaning, "next": r.Next} {
			if !strings.HasSuffix(text, ".") || text != strings.TrimSpace(text) {
				t.Errorf("%s: its %s is no sentence: %q", place, what, text)
			}
		}
		for what, list := range map[string][]string{"causes": r.Causes, "fix": r.Fix, "source": r.Source} {
			if len(list) == 0 || slices.Contains(list, "") {
				t.Errorf("%s: %s: %q", place, what, list)
			}
		}
		if !slices.Contains([]Kind{Phase, Condition, Waiting, Terminated, Pod, Event, Node}, r.Kind) {
			t.Errorf("%s: kind %q", place, r.Kind)
		}
	}
}

// Every example that is named is there, every one that is there is named, and
// begins with a comment that says what it shows.
func TestExamplesAreThere(t *testing.T) {
	named := map[string]bool{}
	for _, r := range All() {
		if r.Example.File != "" {
			named[r.Example.File] = true
		}
	}
	files, err := filepath.Glob(filepath.Join(examples, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !named[filepath.Base(file)] {
			t.Errorf("%s is nobody's example", file)
		}
		delete(named, filepath.Base(file))
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(text), "# ") {
			t.Errorf("%s: no comment on top says what it shows", file)
		}
	}
	for name := range named {
		t.Errorf("%s is named as an example, but not there", name)
	}
}

func TestFind(t *testing.T) {
	for _, test := range []struct {
		name string
		want []string // kind and name
	}{
		{"CrashLoopBackOff", []string{"waiting CrashLoopBackOff"}},
		{" init:crashloopbackoff ", []string{"waiting CrashLoopBackOff"}},
		{"DeadlineExceeded", []string{"pod DeadlineExceeded", "event DeadlineExceeded"}},
		{"DockerDaemonNotReady", []string{"node KubeletNotReady"}},
		{"ContainerCannotRun", []string{"terminated StartError"}},
		{"Failed", []string{"phase Failed", "event Failed"}},
		{"Init:", nil},
		{"", nil},
		{"NoSuchReason", nil},
	} {
		var got []string
		for _, r := range Find(test.name) {
			got = append(got, string(r.Kind)+" "+r.Name)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("Find(%q) = %q, want %q", test.name, got, test.want)
		}
	}
}

// The words that a pod's life is usually told with, old names included.
func TestTheUsualWordsAreFound(t *testing.T) {
	for name := range strings.FieldsSeq(`
		Pending Running Succeeded Failed Unknown
		PodScheduled PodReadyToStartContainers Initialized ContainersReady Ready DisruptionTarget PodResizePending PodResizeInProgress
		CrashLoopBackOff InvalidImageName ImageInspectError ErrImageNeverPull ImagePullBackOff RegistryUnavailable ErrImagePull
		CreateContainerConfigError CreateContainerError PreStartHookError RunContainerError PostStartHookError
		ContainersNotInitialized ContainersNotReady ContainerCreating PodInitializing DockerDaemonNotReady NetworkPluginNotReady
		SchedulingGated Unschedulable OutOfcpu OutOfmemory OutOfpods OutOfephemeral-storage NodeAffinity SysctlForbidden Evicted
		DeadlineExceeded OOMKilled Error Completed StartError ContainerCannotRun ContainerStatusUnknown NodeLost
		SignatureValidationFailed TerminationByKubelet`) {
		if len(Find(name)) == 0 {
			t.Errorf("%s has no entry", name)
		}
	}
}

// What All hands out is the caller's: removing from it harms nobody.
func TestAllIsTheCallers(t *testing.T) {
	n := len(All())
	all := All()
	clear(all)
	if got := All(); len(got) != n || got[0].Name == "" {
		t.Errorf("All gives %d entries, the first %q, after a caller cleared its own; want %d", len(got), got[0].Name, n)
	}
}

// kep is a reference to an enhancement proposal.
var kep = regexp.MustCompile(`^KEP-[1-9][0-9]*$`)
