package fault

import (
	"errors"
	"regexp"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/apimachinery/pkg/labels"
)

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
	case a.Call != call && a.Call != RuntimeDown, a.Call == RuntimeDown && call.Step():
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

// err is what a call that the rule strikes fails with, nil if it does not fail.
func (a *armed) err() error {
	text, code, fails := a.Failure()
	switch {
	case !fails:
		return nil
	case code == "":
		return errors.New(text)
	}
	return status.Error(codeOf(code), text)
}

// codeOf is the gRPC code of that name, which a rule that was checked has.
func codeOf(name string) codes.Code {
	for c := codes.Canceled; c <= codes.Unauthenticated; c++ {
		if c.String() == name {
			return c
		}
	}
	return codes.Unknown
}
