// Package script says what a simulated container does: how long its image takes
// to arrive, when it ends and how, how it takes SIGTERM, what its probes and
// hooks answer, what it logs and uses.
//
// A script is data. It comes with a pod, as the annotation [Annotation], or from a
// file of profiles that pods are matched with ([ParseProfiles]); Go programs write
// it as a value. runtime/sim carries it out. What a script does not say, the
// container's own command decides.
package script

import (
	"encoding/json"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

// Annotation of a pod holds its script, in YAML ([PodScript]):
//
//	podling.dev/sim: |
//	  exit: {after: 5s, code: 3}
//	  containers:
//	    sidecar: {stop: {ignore: true}}
const Annotation = "podling.dev/sim"

// PodScript is what a pod's containers do: all of them, and each by its name
// where it does something else.
type PodScript struct {
	Script `json:",inline"`
	// Containers by their names. What one says goes before what is said for all.
	Containers map[string]Script `json:"containers,omitempty"`
}

// Script is what one container does.
type Script struct {
	Run `json:",inline"`
	// Pull is how its image gets to the node.
	Pull *Pull `json:"pull,omitempty"`
	// Runs are its runs, the first one first: what each says goes before what is
	// said for all. The last holds for every run after it.
	Runs []Run `json:"runs,omitempty"`
}

// Run is what a container does from its creation to its end. A run that says how
// it ends (exit, stop) or what it logs takes the place of the container's command.
// Such a run goes on until it is stopped, unless exit says when it ends.
type Run struct {
	// Create and Start are the runtime's two calls that bring the container up.
	Create *Step `json:"create,omitempty"`
	Start  *Step `json:"start,omitempty"`
	// Exit is when the container ends by itself, and how.
	Exit *Exit `json:"exit,omitempty"`
	// Stop is how it takes the signal that asks it to end.
	Stop *Stop `json:"stop,omitempty"`
	// Probes are what its probes find.
	Probes *Probes `json:"probes,omitempty"`
	// Hooks are how its lifecycle hooks go.
	Hooks *Hooks `json:"hooks,omitempty"`
	// Logs are the lines it writes.
	Logs []Log `json:"logs,omitempty"`
	// Usage is what it uses.
	Usage *Usage `json:"usage,omitempty"`
}

// Pull is the way of an image to the node.
type Pull struct {
	// Took is how long it takes; 0 is no time.
	Took Duration `json:"took,omitempty"`
	// Size of the image.
	Size *resource.Quantity `json:"size,omitempty"`
	// Error fails the pull, with these words, after it took as long.
	Error string `json:"error,omitempty"`
}

// Step is one of the runtime's calls.
type Step struct {
	// Took is how long it takes.
	Took Duration `json:"took,omitempty"`
	// Error fails it, with these words.
	Error string `json:"error,omitempty"`
}

// Exit is a container's end. At most one of Code, Signal and OOM is given; none
// is exit code 0.
type Exit struct {
	// After the container's start.
	After Duration `json:"after,omitempty"`
	// Code, 0 to 255.
	Code int32 `json:"code,omitempty"`
	// Signal that ends it, such as SIGSEGV: the exit code is 128 and its number.
	Signal string `json:"signal,omitempty"`
	// OOM: it is killed for want of memory.
	OOM bool `json:"oom,omitempty"`
	// Message that it leaves in its termination message file.
	Message string `json:"message,omitempty"`
}

// Stop is how a container takes the signal that asks it to end.
type Stop struct {
	// After the signal it ends, unless its grace is over before.
	After Duration `json:"after,omitempty"`
	// Ignore the signal: the container is killed when its grace is over.
	Ignore bool `json:"ignore,omitempty"`
	// Code that it then ends with, 0 to 255.
	Code int32 `json:"code,omitempty"`
}

// Probes are what a container's probes find: each a list of answers, of which the
// last one that is due holds. Before the first is due, a probe fails.
type Probes struct {
	Startup   []Probe `json:"startup,omitempty"`
	Readiness []Probe `json:"readiness,omitempty"`
	Liveness  []Probe `json:"liveness,omitempty"`
}

// Probe is one answer.
type Probe struct {
	// After the container's start it holds, until the next one does.
	After Duration `json:"after,omitempty"`
	// OK: the probe succeeds.
	OK bool `json:"ok,omitempty"`
	// Output of the probe; of one that fails, what its Event says.
	Output string `json:"output,omitempty"`
	// Took is how long it takes to answer. Longer than its timeout, the probe fails.
	Took Duration `json:"took,omitempty"`
}

// Hooks are how a container's lifecycle hooks go.
type Hooks struct {
	PostStart *Hook `json:"postStart,omitempty"`
	PreStop   *Hook `json:"preStop,omitempty"`
}

// Hook is how one goes.
type Hook struct {
	// Took is how long it takes.
	Took Duration `json:"took,omitempty"`
	// Error fails it, with these words.
	Error string `json:"error,omitempty"`
}

// Log is a line that a container writes, once or again and again.
type Log struct {
	// After the container's start.
	After Duration `json:"after,omitempty"`
	// Every so often it is written again; 0 is never.
	Every Duration `json:"every,omitempty"`
	// Line to write, without its end.
	Line string `json:"line"`
	// Stream is stdout, the default, or stderr.
	Stream string `json:"stream,omitempty"`
}

// Usage is what a container uses while it runs.
type Usage struct {
	// CPU, in cores.
	CPU *resource.Quantity `json:"cpu,omitempty"`
	// Memory, in bytes.
	Memory *resource.Quantity `json:"memory,omitempty"`
}

// Duration is a time span, written as in Go: 300ms, 5s, 1h30m.
type Duration time.Duration

// MarshalJSON writes it as Go does.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// UnmarshalJSON reads what MarshalJSON writes.
func (d *Duration) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("%s is no duration such as 5s or 300ms", text)
	}
	got, err := time.ParseDuration(s)
	*d = Duration(got)
	return err
}

// String gives the script as the annotation's value.
func (p PodScript) String() string {
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // there is nothing in it that JSON cannot write
	}
	return string(text)
}
