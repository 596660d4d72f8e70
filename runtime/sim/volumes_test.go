package sim

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	api "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/podling/podling/clock"
	"github.com/podling/podling/runtime/sim/script"
)

// TestVolumes: containers see what the node has put into a volume, and leave links in
// it that lead out; their last words are found on the disk.
func TestVolumes(t *testing.T) {
	words := filepath.Join(t.TempDir(), "not", "made", "yet")
	r := New(Config{Clock: clock.Real{}, Node: "node", Contents: func(path string) map[string][]byte {
		if path != "/given" {
			return nil
		}
		return map[string][]byte{"token": []byte("secret"), "deep/file": []byte("x")}
	}})
	n := &node{T: t, Runtime: r, dir: t.TempDir()}
	sandbox := n.sandbox(n.pod("u", ""))
	c := containerConfig(0, "busybox", "sh", "-c", "set -e; [ $(cat /g/token) = secret ]; [ \"$(ls /g/deep)\" = file ]; "+
		"mkdir /v/in; ln -s /etc /v/abs; ln -s in /v/rel; ln -s ../.. /v/in/up; ln -s loop /v/loop; echo bye >/dev/termination-log; exit 6")
	c.Mounts = []*api.Mount{{HostPath: "/given", ContainerPath: "/g"}, {HostPath: "/shared", ContainerPath: "/v"}, {HostPath: words, ContainerPath: "/dev/termination-log"}}
	id := n.create(sandbox, c)
	if err := r.StartContainer(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); n.of(id).State != api.ContainerState_CONTAINER_EXITED; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not end")
		}
	}
	if s := n.of(id); s.ExitCode != 6 {
		t.Errorf("it ends with %d", s.ExitCode)
	}
	if text, err := os.ReadFile(words); err != nil || string(text) != "bye\n" {
		t.Errorf("last words: %q, %v", text, err)
	}
	for path, out := range map[string]bool{"abs": true, "abs/x": true, "rel": false, "rel/x": false, "in/up": true, "loop": true, "in/../in": false, "none": false} {
		if got := r.LeadsOut("u", "/shared", path); got != out {
			t.Errorf("%s leads out: %t", path, got)
		}
	}
	if r.LeadsOut("another", "/shared", "abs") {
		t.Error("a path leads out of another pod's volume")
	}
}

// TestOnNode: an image that is on every node need not be pulled.
func TestOnNode(t *testing.T) {
	p, err := script.NewProfile("registry", script.ProfileSpec{Images: []script.Image{{Image: "here:*", OnNode: true, NoCommand: true}, {Image: "*", NotFound: true}}})
	if err != nil {
		t.Fatal(err)
	}
	r := New(Config{Clock: clock.Real{}, Node: "node", Profiles: []script.Profile{p}})
	for name, there := range map[string]bool{"here:1": true, "docker.io/library/here:2": true, "nothere:1": false} {
		s, err := r.ImageStatus(t.Context(), &api.ImageSpec{Image: name}, false)
		if err != nil || (s.GetImage() != nil) != there {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
	if _, err := script.NewProfile("odd", script.ProfileSpec{Images: []script.Image{{Image: "x", OnNode: true, NotFound: true}}}); err == nil {
		t.Error("an image is on the node and not found")
	}
}
