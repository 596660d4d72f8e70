package conformance

import (
	"strings"
	"testing"

	"github.com/podling/podling/conformance/launch"
)

// TestReasonsOfAShortNode shows what only a node shows that has too little of something. It is told
// that it needs more than the machine has.
func TestReasonsOfAShortNode(t *testing.T) {
	binary, mirror := given(t)
	words := byExample()
	for _, node := range short {
		t.Run(strings.TrimLeft(node.flags, "-"), func(t *testing.T) {
			p, err := launch.Up(t.Context(), binary, "--ephemeral", "--registry-mirror", mirror, node.flags)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := p.Stop(); err != nil {
					t.Error(err)
				}
			}()
			on := stageOn(t, p.Kubeconfig, p.Node)
			for _, file := range node.examples {
				if err := on.show(t.Context(), file, words[file], nil); err != nil {
					t.Errorf("%s: %v", file, err)
				}
			}
		})
	}
}
