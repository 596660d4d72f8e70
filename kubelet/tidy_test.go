package kubelet

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/podling/podling/kubelet/worker"
)

func TestSuperseded(t *testing.T) {
	box := func(id, uid string, created int64, state runtimeapi.PodSandboxState) *runtimeapi.PodSandbox {
		return &runtimeapi.PodSandbox{Id: id, CreatedAt: created, State: state, Labels: map[string]string{worker.LabelPodUID: uid}}
	}
	const ready, dead = runtimeapi.PodSandboxState_SANDBOX_READY, runtimeapi.PodSandboxState_SANDBOX_NOTREADY
	var got []string
	for _, s := range superseded([]*runtimeapi.PodSandbox{
		box("a3", "a", 3, ready), box("a2", "a", 2, dead), box("a1", "a", 1, dead), box("a0", "a", 0, ready),
		box("b1", "b", 1, dead), box("b2", "b", 2, dead), // its pod is between two
		box("c1", "c", 1, dead),
	}, []*runtimeapi.Container{{Id: "last words", PodSandboxId: "a2"}}) {
		got = append(got, s.Id)
	}
	if want := []string{"a1", "b1"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Logs go once it is known that nobody wants them; what is no pod's log stays, and so does what links lead to.
func TestRemoveLogs(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	for _, name := range []string{"default_web_1/c", "default_web_2/c", "default_web_3/c", "notes", "a_b"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(elsewhere, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, link := range []string{"default_web_4", "default_web_1/c/0.log"} {
		if err := os.Symlink(elsewhere, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	d := newDesk(&worker.Node{LogDir: dir}, nil)
	d.over["3"] = true
	d.workers = map[types.UID]*worker.Worker{"2": {}}
	for _, step := range []struct {
		know func()
		want string
	}{
		{func() {}, "a_b default_web_1 default_web_2 default_web_3 default_web_4 notes"},
		{func() { d.listed = true }, "a_b default_web_1 default_web_2 default_web_3 default_web_4 notes"},
		{func() { d.compared = true }, "a_b default_web_2 default_web_3 default_web_4 notes"},
	} {
		step.know()
		if err := d.removeLogs(); err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		if got := strings.Join(names, " "); got != step.want {
			t.Errorf("%s, want %s", got, step.want)
		}
	}
	if _, err := os.Stat(filepath.Join(elsewhere, "file")); err != nil {
		t.Errorf("what a link leads to: %v", err)
	}
}
