package fault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podling/podling/clock"
	"github.com/podling/podling/clock/clocktest"
)

func with(t *testing.T, rules ...Rule) *Faults {
	t.Helper()
	f := New(clock.Real{})
	for _, r := range rules {
		if _, err := f.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func podNamed(name string) *v1.Pod {
	return &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, UID: types.UID("uid of " + name)}}
}

func TestNames(t *testing.T) {
	f := with(t, Rule{Call: PullImage}, Rule{Call: PullImage, Name: "mine"}, Rule{Call: ExecSync})
	var names []string
	for _, fault := range f.List() {
		names = append(names, fault.Name)
	}
	if want := []string{"PullImage-1", "mine", "ExecSync-2"}; !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
	if _, err := f.Add(Rule{Call: ExecSync, Name: "mine"}); !errors.Is(err, ErrExists) {
		t.Errorf("a second of that name: %v", err)
	}
	if err := errors.Join(f.Remove("mine"), f.Remove("PullImage-1"), f.Remove("ExecSync-2")); err != nil {
		t.Error(err)
	}
	if err := f.Remove("mine"); !errors.Is(err, ErrNotFound) {
		t.Errorf("removed twice: %v", err)
	}
	if f.any.Load() {
		t.Error("no rule is left, but calls are still looked at")
	}
}

// A pod's own faults come first, strike no other pod, and end with it.
func TestPodsOwn(t *testing.T) {
	f := with(t, Rule{Call: PullImage, Error: "everybody's"})
	one, other := podNamed("one"), podNamed("other")
	if err := f.SetPod(one, []Rule{{Call: PullImage, Error: "mine", Count: 1}}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, pod := range []*v1.Pod{other, one, one} {
		got = append(got, f.Strike(For(t.Context(), pod, "main", "image"), PullImage).Error())
	}
	if want := []string{"everybody's", "mine", "everybody's"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if list := f.List(); len(list) != 2 || list[1].Owner != "ns/one" || list[0].Hits != 2 || list[1].Hits != 1 {
		t.Errorf("%+v", list)
	}
	f.Forget(one)
	if list := f.List(); len(list) != 1 {
		t.Errorf("the pod is forgotten, its rules are not: %+v", list)
	}
}

// Chance goes by the seed, not by the order in which pods call.
func TestSeed(t *testing.T) {
	half := 0.5
	const pods, calls = 20, 20
	outcome := func(seed uint64, order func(i int) (pod, call int)) (struck [pods][calls]bool) {
		f := with(t, Rule{Call: StartContainer, Probability: &half, Seed: seed})
		for i := range pods * calls {
			pod, call := order(i)
			ctx := For(t.Context(), podNamed(fmt.Sprint("pod", pod)), "main", "image")
			struck[pod][call] = f.Strike(ctx, StartContainer) != nil
		}
		return struck
	}
	podByPod := outcome(1, func(i int) (int, int) { return i / calls, i % calls })
	sideBySide := outcome(1, func(i int) (int, int) { return i % pods, i / pods })
	if podByPod != sideBySide {
		t.Error("another order among pods gives another outcome")
	}
	if podByPod == outcome(2, func(i int) (int, int) { return i / calls, i % calls }) {
		t.Error("another seed gives the same outcome")
	}
	n := 0
	for _, pod := range podByPod {
		for _, struck := range pod {
			if struck {
				n++
			}
		}
	}
	if n < pods*calls/3 || n > pods*calls*2/3 {
		t.Errorf("%d of %d calls were struck, at a probability of a half", n, pods*calls)
	}
}

// What hangs or is delayed ends with its time, its limit, its rule, or its caller's patience.
func TestWaiting(t *testing.T) {
	type ending func(f *Faults, clk clocktest.Clock, cancel func())
	after := func(d time.Duration) ending {
		return func(_ *Faults, clk clocktest.Clock, _ func()) { clk.Step(d) }
	}
	remove := func(f *Faults, _ clocktest.Clock, _ func()) { f.Clear() }
	giveUp := func(_ *Faults, _ clocktest.Clock, cancel func()) { cancel() }
	second := metav1.Duration{Duration: time.Second}
	for name, test := range map[string]struct {
		rule  Rule
		limit time.Duration
		end   ending
		code  codes.Code
		text  string
	}{
		"slow":                   {Rule{Delay: second}, time.Minute, after(time.Second), codes.OK, ""},
		"slow, then fails":       {Rule{Delay: second, Error: "no"}, 0, after(time.Second), codes.Unknown, "no"},
		"slower than the limit":  {Rule{Delay: second}, time.Millisecond, after(time.Millisecond), codes.DeadlineExceeded, ""},
		"hangs until the limit":  {Rule{Hang: true}, time.Minute, after(time.Minute), codes.DeadlineExceeded, ""},
		"hangs until it is gone": {Rule{Hang: true}, 0, remove, codes.OK, ""},
		"hangs until given up":   {Rule{Hang: true}, 0, giveUp, codes.Canceled, ""},
	} {
		t.Run(name, func(t *testing.T) {
			clk := clocktest.At(time.Unix(0, 0))
			f := New(clk)
			test.rule.Call = StopContainer
			if _, err := f.Add(test.rule); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan error, 1)
			go func() { ended <- f.strike(ctx, StopContainer, "", "", test.limit) }()
			for f.List()[0].Hits == 0 || (test.limit > 0 || test.rule.Delay.Duration > 0) && !clk.HasWaiters() {
				select {
				case err := <-ended:
					t.Fatalf("it did not wait: %v", err)
				case <-time.After(time.Millisecond):
				}
			}
			test.end(f, clk, cancel)
			err := <-ended
			if code := status.Code(err); code != test.code || test.text != "" && err.Error() != test.text {
				t.Errorf("%v, want %v %q", err, test.code, test.text)
			}
		})
	}
}

// Where there is no rule there is next to no cost.
func TestNoRuleNoCost(t *testing.T) {
	f, ctx := New(clock.Real{}), For(t.Context(), podNamed("one"), "main", "image")
	if n := testing.AllocsPerRun(100, func() {
		if err := f.strike(ctx, StartContainer, "", "", patience); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a call", n)
	}
}

func BenchmarkNoRule(b *testing.B) {
	f, ctx := New(clock.Real{}), For(b.Context(), podNamed("one"), "main", "image")
	for b.Loop() {
		if err := f.strike(ctx, StartContainer, "", "", patience); err != nil {
			b.Fatal(err)
		}
	}
}
