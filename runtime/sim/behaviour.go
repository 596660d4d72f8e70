package sim

import (
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/podling/podling/runtime/sim/script"
)

// scriptOf is what a container of a pod does, as far as it has been said: by its
// pod's annotation, and below it by the first profile that matches.
func (r *Runtime) scriptOf(profiles []script.Profile, own *script.PodScript, container string, config *runtimeapi.PodSandboxConfig, imageNames []string) script.Script {
	out := own.Of(container)
	for i := range profiles {
		if p := &profiles[i]; p.Matches(config.GetMetadata().GetNamespace(), config.GetLabels(), imageNames...) {
			return out.Over(p.Script.Of(container))
		}
	}
	return out
}

// command is what a container runs: its own command, or its image's. own: a
// program of the image's, of which nothing is known.
func command(c *runtimeapi.ContainerConfig, i *image) (args []string, own bool) {
	switch {
	case len(c.GetCommand()) > 0:
		return append(c.Command[:len(c.Command):len(c.Command)], c.Args...), false
	case i.noCommand:
		return c.GetArgs(), false
	case i.foreign():
		return append([]string{i.name()}, c.GetArgs()...), true
	case len(c.GetArgs()) > 0:
		return c.Args, false
	}
	return []string{"sh"}, false
}
