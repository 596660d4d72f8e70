package fault

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestMatches(t *testing.T) {
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-1", Labels: map[string]string{"app": "web"}}}
	web := target{pod, "main", "registry.example/team/web:1", "n1"}
	for _, test := range []struct {
		rule Rule
		call Call
		t    target
		want bool
	}{
		{Rule{Call: PullImage}, PullImage, web, true},
		{Rule{Call: PullImage}, ImageStatus, web, false},
		{Rule{Call: PullImage, Pod: "web-*"}, PullImage, web, true},
		{Rule{Call: PullImage, Pod: "web"}, PullImage, web, false},
		{Rule{Call: PullImage, Pod: "shop/*"}, PullImage, web, true},
		{Rule{Call: PullImage, Pod: "*/web-1"}, PullImage, web, true},
		{Rule{Call: PullImage, Pod: "sh.p/*"}, PullImage, web, false},
		{Rule{Call: PullImage, Pod: "*"}, PullImage, target{}, false},
		{Rule{Call: PullImage, Selector: "app in (web, db)"}, PullImage, web, true},
		{Rule{Call: PullImage, Selector: "app!=web"}, PullImage, web, false},
		{Rule{Call: PullImage, Selector: "app!=web"}, PullImage, target{}, false},
		{Rule{Call: PullImage, Image: "*/web:?"}, PullImage, web, true},
		{Rule{Call: PullImage, Image: "web:1"}, PullImage, web, false},
		{Rule{Call: PullImage, Container: "main"}, PullImage, web, true},
		{Rule{Call: PullImage, Container: "side"}, PullImage, web, false},
		{Rule{Call: PullImage, Node: "n?"}, PullImage, web, true},
		{Rule{Call: RuntimeDown, Node: "n2"}, PullImage, web, false},
		{Rule{Call: RuntimeDown}, StartContainer, web, true},
		{Rule{Call: RuntimeDown}, Status, target{}, true},
		{Rule{Call: RuntimeDown}, PreStartContainer, web, false},
	} {
		a, err := arm(test.rule)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.matches(test.call, test.t); got != test.want {
			t.Errorf("%s of %s matches %s: %v", test.rule.Call, test.rule.Scope(), test.call, got)
		}
	}
}

// What Effect says of a failure is what the call fails with.
func TestEffect(t *testing.T) {
	for _, r := range []Rule{
		{Call: PullImage, Name: "n"}, {Call: PullImage, Error: "denied"}, {Call: PullImage, Code: "NotFound"},
		{Call: PullImage, Error: "denied", Code: "PermissionDenied"}, {Call: RuntimeDown}, {Call: RuntimeDown, Error: "gone"},
	} {
		a, err := arm(r)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := a.Effect(), "fails: "+a.err().Error(); got != want {
			t.Errorf("%+v: %s, want %s", r, got, want)
		}
	}
}

// Every code that a rule may carry is one of gRPC's, and each of these may be carried.
func TestCodes(t *testing.T) {
	for c := codes.Canceled; c <= codes.Unauthenticated; c++ {
		a, err := arm(Rule{Call: PullImage, Code: c.String()})
		if err != nil {
			t.Error(err)
			continue
		}
		if got := status.Code(a.err()); got != c {
			t.Errorf("code %s: fails with %s", c, got)
		}
	}
}
