package sim

import (
	"testing"

	"github.com/podling/podling/clock"
	"github.com/podling/podling/runtime/sim/script"
	"github.com/podling/podling/runtime/suite"
)

// What the node relies on in a runtime.
func TestSuite(t *testing.T) {
	p, err := script.NewProfile("registry", script.ProfileSpec{Images: []script.Image{{Image: "no-such-image*", NotFound: true}}})
	if err != nil {
		t.Fatal(err)
	}
	r := New(Config{Clock: clock.Real{}, Node: "node", Profiles: []script.Profile{p}})
	suite.Run(t, suite.Runtime{RuntimeService: r, ImageManagerService: r, Image: "busybox:1.36", NoImage: "no-such-image:1"})
}
