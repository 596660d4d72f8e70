package conformance

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podling/podling/conformance/launch"
)

// TestDetach: a cluster in the background is there when the command returns, and gone after the other;
// a start that fails says why.
func TestDetach(t *testing.T) {
	binary, err := launch.Binary("..")
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(t.TempDir(), "data")
	podling := func(args ...string) (string, string, error) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), binary, args...)
		out, err := cmd.Output()
		exit, ok := err.(*exec.ExitError)
		if ok {
			return string(out), string(exit.Stderr), err
		}
		return string(out), "", err
	}
	up := []string{"up", "--detach", "--runtime", "sim", "--data-dir", data, "--node-name", "n"}
	out, said, err := podling(up...)
	if err != nil || !strings.HasPrefix(out, "ready kubeconfig="+data+"/kubeconfig node=n after ") {
		t.Fatalf("%q, %v: %s", out, err, said)
	}
	defer podling("down", "--data-dir", data)
	client := clientFor(t, filepath.Join(data, "kubeconfig"))
	if _, err := client.CoreV1().Nodes().Get(t.Context(), "n", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
	if _, said, err := podling(up...); err == nil || !strings.Contains(said, "is in use by process") {
		t.Errorf("a second one in that folder: %v: %s", err, said)
	}
	for _, want := range []string{"ended " + data + "\n", ""} { // and the second time there is nothing to end
		if out, said, err := podling("down", "--data-dir", data); err != nil || out != want {
			t.Errorf("down: %q, %v: %s; want %q", out, err, said, want)
		}
	}
	if _, err := client.CoreV1().Nodes().Get(t.Context(), "n", metav1.GetOptions{}); err == nil {
		t.Error("it answers after its end")
	}
	if out, said, err := podling(up...); err != nil {
		t.Errorf("up again: %q, %v: %s", out, err, said)
	}
}
