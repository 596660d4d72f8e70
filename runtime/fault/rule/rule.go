package rule

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

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
	if r.Code != "" && !slices.Contains(codes, r.Code) {
		bad("code %q is none of gRPC's, such as Unknown, Unavailable, NotFound or DeadlineExceeded", r.Code)
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
	if !r.Call.ForPod() && r.Pod+r.Selector+r.Container != "" {
		bad("call %s is not made for a pod: pod, selector and container cannot be given", r.Call)
	} else if scopes[r.Call] == state && r.Image != "" {
		bad("call %s is a state of the runtime: image cannot be given", r.Call)
	}
	if r.Call == NetworkNotReady && (r.Hang || r.Code != "" || r.Delay.Duration > 0) {
		bad("call %s is a state that the runtime reports: only error can be given, which is its message", r.Call)
	}
	if r.Call.Cuts() && (r.Hang || r.Error+r.Code != "" || r.Delay.Duration > 0 || r.Probability != nil || r.Count > 0) {
		bad("call %s is a state of the network: only node can be given, and name", r.Call)
	}
	return errors.Join(errs...)
}

// codes are gRPC's, without OK.
var codes = []string{"Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists",
	"PermissionDenied", "ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented",
	"Internal", "Unavailable", "DataLoss", "Unauthenticated"}

// Failure is what a call that the rule strikes fails with: the error's text and
// its gRPC code, "" for none. It does not fail if fails is false.
func (r Rule) Failure() (text, code string, fails bool) {
	if r.Error+r.Code == "" && (r.Hang || r.Delay.Duration > 0) {
		return "", "", false
	}
	text, code = r.Error, r.Code
	if text == "" {
		text = "fault " + r.Name
	}
	if code == "" && r.Call == RuntimeDown {
		code = "Unavailable" // as of a socket that nobody serves
	}
	return text, code, true
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
	} else if text, code, fails := r.Failure(); fails && code != "" {
		words = append(words, fmt.Sprintf("fails: rpc error: code = %s desc = %s", code, text))
	} else if fails {
		words = append(words, "fails: "+text)
	}
	return strings.Join(words, ", ")
}

// Fault is a rule in force.
type Fault struct {
	Rule `json:",inline"`
	// Owner is the pod whose annotation the rule stands in, NAMESPACE/NAME; "" if
	// it was added by hand.
	Owner string `json:"owner,omitempty"`
	// Hits is how many calls it has struck.
	Hits int `json:"hits"`
}
