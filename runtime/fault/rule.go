package fault

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// Rule says which calls suffer, and what. A call is struck by the first rule
// that matches it; the pod's own come first. What is left out matches all.
type Rule struct {
	// Name is what the rule is removed by; one is made up if it is empty.
	Name string `json:"name,omitempty"`
	Call Call   `json:"call"`

	// Pod is a pattern of NAMESPACE/NAME, or of NAME in any namespace. In patterns
	// * stands for any text and ? for one character.
	Pod string `json:"pod,omitempty"`
	// Selector is a label selector of pods, as kubectl has it: app=web,tier!=db.
	Selector string `json:"selector,omitempty"`
	// Image is a pattern of the image as the pod's spec names it.
	Image string `json:"image,omitempty"`
	// Container is a pattern of the container's name.
	Container string `json:"container,omitempty"`
	// Node is a pattern of the name of the node that calls.
	Node string `json:"node,omitempty"`

	// Error is what the call fails with. A rule without error, delay and hang
	// fails too, with words of its own.
	Error string `json:"error,omitempty"`
	// Code is the gRPC code that the error carries (Unknown, Unavailable, NotFound
	// …); without one the error is the text alone.
	Code string `json:"code,omitempty"`
	// Delay is how long the call takes longer, before it goes on or fails.
	Delay metav1.Duration `json:"delay,omitzero"`
	// Hang: the call does not return until the caller loses patience (as with a
	// runtime that hangs: two minutes for most calls) or the rule is removed.
	Hang bool `json:"hang,omitempty"`

	// Probability that a call which matches is struck, above 0 and at most 1; nil
	// is 1. Chance goes by Seed and by what is called for the how-manieth time for
	// whom, not by the order in which pods happen to call.
	Probability *float64 `json:"probability,omitempty"`
	Seed        uint64   `json:"seed,omitempty"`
	// Count is how many calls are struck at most; 0 is no limit.
	Count int `json:"count,omitempty"`
}

// name is what a rule may be called: it stands in a path.
var name = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$`)

// Check says what is wrong with the rule: each field and its value.
func (r Rule) Check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if err := r.Call.check(); err != nil {
		errs = append(errs, err)
	}
	if r.Name != "" && !name.MatchString(r.Name) {
		bad("name %q: want letters, digits, '.', '_' and '-', at most 63", r.Name)
	}
	if strings.Count(r.Pod, "/") > 1 {
		bad("pod %q: want NAME or NAMESPACE/NAME", r.Pod)
	}
	if _, err := labels.Parse(r.Selector); err != nil {
		bad("selector %q: %w", r.Selector, err)
	}
	if _, err := code(r.Code); err != nil {
		errs = append(errs, err)
	}
	if r.Delay.Duration < 0 {
		bad("delay %s is negative", r.Delay.Duration)
	}
	if r.Hang && r.Error+r.Code != "" {
		bad("hang: a call that hangs does not fail with error %q, code %q: choose one", r.Error, r.Code)
	}
	if p := r.Probability; p != nil && !(*p > 0 && *p <= 1) {
		bad("probability %v: want a number above 0 and at most 1", *p)
	}
	if r.Count < 0 {
		bad("count %d is negative", r.Count)
	}
	if !r.Call.forPod() && r.Pod+r.Selector+r.Container != "" {
		bad("call %s is not made for a pod: pod, selector and container cannot be given", r.Call)
	} else if scopes[r.Call] == state && r.Image != "" {
		bad("call %s is a state of the runtime: image cannot be given", r.Call)
	}
	if r.Call == NetworkNotReady && (r.Hang || r.Code != "" || r.Delay.Duration > 0) {
		bad("call %s is a state that the runtime reports: only error can be given, which is its message", r.Call)
	}
	if r.Call.cuts() && (r.Hang || r.Error+r.Code != "" || r.Delay.Duration > 0 || r.Probability != nil || r.Count > 0) {
		bad("call %s is a state of the network: only node can be given, and name", r.Call)
	}
	return errors.Join(errs...)
}

// code is the gRPC code of that name, OK for none.
func code(name string) (codes.Code, error) {
	if name == "" {
		return codes.OK, nil
	}
	for c := codes.Canceled; c <= codes.Unauthenticated; c++ {
		if c.String() == name {
			return c, nil
		}
	}
	return 0, fmt.Errorf("code %q is none of gRPC's, such as Unknown, Unavailable, NotFound or DeadlineExceeded", name)
}

// err is what a call that the rule strikes fails with, nil if it does not fail.
func (r Rule) err() error {
	if r.Error+r.Code == "" && (r.Hang || r.Delay.Duration > 0) {
		return nil
	}
	text := r.Error
	if text == "" {
		text = fmt.Sprintf("fault %s", r.Name)
	}
	c, err := code(r.Code)
	if err != nil {
		return err
	}
	if c == codes.OK && r.Call == RuntimeDown {
		c = codes.Unavailable // as of a socket that nobody serves
	}
	if c == codes.OK {
		return errors.New(text)
	}
	return status.Error(c, text)
}

// Scope is which of its calls the rule is about, in words: "pod=web-* image=nginx*".
func (r Rule) Scope() string {
	var words []string
	for _, m := range []struct{ what, pattern string }{{"node", r.Node}, {"pod", r.Pod}, {"selector", r.Selector}, {"container", r.Container}, {"image", r.Image}} {
		if m.pattern != "" {
			words = append(words, m.what+"="+m.pattern)
		}
	}
	if p := r.Probability; p != nil {
		words = append(words, fmt.Sprintf("probability=%v", *p))
	}
	if len(words) == 0 {
		return "all"
	}
	return strings.Join(words, " ")
}

// Effect is what the rule does to a call, in words.
func (r Rule) Effect() string {
	var words []string
	if r.Delay.Duration > 0 {
		words = append(words, "delayed by "+r.Delay.Duration.String())
	}
	if r.Hang {
		words = append(words, "hangs")
	} else if err := r.err(); err != nil {
		words = append(words, "fails: "+err.Error())
	}
	return strings.Join(words, ", ")
}

// armed is a rule that is in force.
type armed struct {
	Rule
	selector                    labels.Selector
	pod, image, container, node *regexp.Regexp
	owner                       string // the pod whose annotation it stands in: NAMESPACE/NAME
	gone                        chan struct{}

	hits int
	seen map[turn]uint64 // how often chance was asked
}

func arm(r Rule) (*armed, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	selector, err := labels.Parse(r.Selector)
	if err != nil {
		return nil, err
	}
	return &armed{Rule: r, selector: selector, pod: pattern(r.Pod), image: pattern(r.Image), container: pattern(r.Container), node: pattern(r.Node),
		gone: make(chan struct{}), seen: map[turn]uint64{}}, nil
}

// pattern is nil for one that matches all.
func pattern(s string) *regexp.Regexp {
	if s == "" {
		return nil
	}
	s = regexp.QuoteMeta(s)
	return regexp.MustCompile("^(?s:" + strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(s) + ")$")
}

// matches says whether the rule is about this call.
func (a *armed) matches(call Call, t target) bool {
	switch {
	case a.Call != call && a.Call != RuntimeDown, a.Call == RuntimeDown && scopes[call] == step:
		return false
	case a.image != nil && !a.image.MatchString(t.image), a.container != nil && !a.container.MatchString(t.container),
		a.node != nil && !a.node.MatchString(t.node):
		return false
	case a.pod == nil && a.Selector == "":
		return true
	case t.pod == nil, !a.selector.Matches(labels.Set(t.pod.Labels)):
		return false
	case a.pod == nil:
		return true
	case strings.Contains(a.Pod, "/"):
		return a.pod.MatchString(t.pod.Namespace + "/" + t.pod.Name)
	}
	return a.pod.MatchString(t.pod.Name)
}

// wait is how long the call stands still, of the limit that the caller gives it
// (0: none), and whether it fails of that; forever: there is no end to it.
func (a *armed) wait(limit time.Duration) (wait time.Duration, late, forever bool) {
	switch {
	case limit > 0 && (a.Hang || a.Delay.Duration > limit):
		return limit, true, false
	case a.Hang:
		return 0, false, true
	}
	return a.Delay.Duration, false, false
}
