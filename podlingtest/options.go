package podlingtest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/podling/podling/runtime/sim/remote"
	"github.com/podling/podling/runtime/sim/script"
)

// Option says what kind of cluster is started.
type Option func(*options)

type options struct {
	binary   string
	runtime  string
	nodes    int
	clock    string
	files    []string
	profiles []profile
	args     []string
	log      func(format string, args ...any)
}

type profile struct {
	name string
	spec script.ProfileSpec
}

// The runtimes that a cluster's containers can run in.
const (
	Sim        = "sim"        // simulated: no program runs, and no image is pulled
	Containerd = "containerd" // real ones; takes root and Linux
	None       = "none"       // no node at all: the control plane alone, as envtest has it
)

// Runtime says what runs the containers. It is Sim if nothing is said.
func Runtime(name string) Option { return func(o *options) { o.runtime = name } }

// Nodes says how many nodes there are. It is one if nothing is said; above one they
// are simulated.
func Nodes(n int) Option { return func(o *options) { o.nodes = n } }

// VirtualTime lets the nodes go by a clock that jumps to the next moment at which
// something is to happen whenever nothing is under way: back-offs, probes and grace
// periods take no time.
func VirtualTime() Option { return func(o *options) { o.clock = "virtual" } }

// ManualTime lets the nodes go by a clock that stands still until Clock.Advance, so
// that what is seen between two moments is seen in peace.
func ManualTime() Option { return func(o *options) { o.clock = "manual" } }

// Profile says what simulated containers do, from the start. Cluster.Sim adds and
// removes others later.
func Profile(name string, spec script.ProfileSpec) Option {
	return func(o *options) { o.profiles = append(o.profiles, profile{name, spec}) }
}

// ProfileFile is Profile for a file of profiles, in YAML.
func ProfileFile(path string) Option {
	return func(o *options) { o.files = append(o.files, path) }
}

// Args are passed on to `podling up` as they are.
func Args(args ...string) Option {
	return func(o *options) { o.args = append(o.args, args...) }
}

// Binary names the podling program, in place of what Start would find.
func Binary(path string) Option { return func(o *options) { o.binary = path } }

// logTo says where progress is told.
func logTo(log func(string, ...any)) Option { return func(o *options) { o.log = log } }

// arguments are those of the program; dir keeps what it is given as files.
func (o *options) arguments(kubeconfig, dir string) ([]string, error) {
	args := []string{"up", "--ephemeral", "--end-with-stdin", "--kubeconfig", kubeconfig, "--runtime", o.runtime}
	if o.nodes != 0 {
		args = append(args, "--nodes", strconv.Itoa(o.nodes))
	}
	if o.clock != "" {
		args = append(args, "--clock", o.clock)
	}
	files := o.files
	for i, p := range o.profiles {
		checked, err := script.NewProfile(p.name, p.spec)
		if err != nil {
			return nil, err
		}
		text, err := json.MarshalIndent(remote.DocumentOf(checked), "", "  ") // which is YAML
		if err != nil {
			return nil, fmt.Errorf("profile %s: %w", p.name, err)
		}
		file := filepath.Join(dir, fmt.Sprintf("profile-%d.yaml", i+1))
		if err := os.WriteFile(file, text, 0o600); err != nil {
			return nil, fmt.Errorf("profile %s: %w", p.name, err)
		}
		files = append(files, file)
	}
	for _, file := range files {
		args = append(args, "--sim-profile", file)
	}
	return append(args, o.args...), nil
}
