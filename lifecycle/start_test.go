package lifecycle

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"sigs.k8s.io/yaml"
)

// next asks NextStep, given what came of the steps so far: "ok", or what went wrong.
func (s *story) next(t *testing.T, d *datadriven.TestData, container string) string {
	said := map[string]string{}
	if err := yaml.UnmarshalStrict([]byte(d.Input), &said); err != nil {
		d.Fatalf(t, "%v", err)
	}
	var at Start
	for verb, result := range map[StepVerb]**Result{Configure: &at.Config, PreCreate: &at.PreCreate, CreateContainer: &at.Create,
		PreStart: &at.PreStart, RunContainer: &at.Run, RunPostStart: &at.PostStart} {
		if came := said[string(verb)]; came == "ok" {
			*result = &Result{ID: "c1"}
		} else if came != "" {
			*result = &Result{Err: came}
		}
		delete(said, string(verb))
	}
	for verb := range said {
		d.Fatalf(t, "no such step: %s", verb)
	}
	step := NextStep(find3(s.pod, container), at)
	var out strings.Builder
	for _, e := range step.Events {
		fmt.Fprintf(&out, "event: %s %s %s\n", e.Type, e.Reason, e.Message)
	}
	fmt.Fprintf(&out, "next: %s\n", step.Verb)
	if step.Verb == StartFailed {
		fmt.Fprintf(&out, "status: waiting %s %s\n", step.Reason, step.Message)
	}
	if step.Kill {
		out.WriteString("the container is stopped\n")
	}
	return out.String()
}
