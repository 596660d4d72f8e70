package report

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podling/podling/clock"
	"github.com/podling/podling/lifecycle"
)

// TestTurns: where many wait, a pod is written as it is when its turn comes; otherwise
// state by state.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{T: t, api: newAPI(t, func(*v1.Pod, bool) {})}
		s.Reporter = New(t.Context(), s.api, clock.Real{}, nil).Taking(NewTurns(1, 1, 50, 100))
		pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "default", UID: "u", Labels: map[string]string{"is": "p"}}}
		s.api.set(func() { s.api.pods["p"] = pod.DeepCopy() })
		s.Status(pod, saying("a", v1.ConditionFalse))
		s.Status(pod, saying("b", v1.ConditionFalse))
		s.then("whole status p a", "status p b")

		s.turns.slots <- struct{}{} // another's
		s.turns.waiting.Add(1)      // and a third's
		for _, message := range []string{"c", "d", "e"} {
			s.Status(pod, saying(message, v1.ConditionFalse))
		}
		s.Delete(pod)
		s.then()
		<-s.turns.slots
		s.then("status p e", "delete p")

		s.turns.waiting.Add(-1)
		s.api.set(func() { s.api.pods["p"] = pod.DeepCopy() })
		s.turns.slots <- struct{}{}
		s.Status(pod, saying("f", v1.ConditionFalse))
		s.Status(pod, saying("g", v1.ConditionFalse))
		s.then()
		<-s.turns.slots
		s.then("status p f", "status p g")
	})
}

// TestNewPods: of more new pods than are written state by state, each gets as far as it does at once before
// it is written; after a while, all states of a new pod are written again.
func TestNewPods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{T: t, api: newAPI(t, func(*v1.Pod, bool) {})}
		s.Reporter = New(t.Context(), s.api, clock.Real{}, nil).Taking(NewTurns(9, 9, 1, 2))
		begin := func(name string) {
			pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", UID: types.UID(name), Labels: map[string]string{"is": name}}}
			s.api.set(func() { s.api.pods[name] = pod.DeepCopy() })
			s.Status(pod, saying("a", v1.ConditionFalse))
			time.Sleep(gathering / 50)
			s.Status(pod, saying("b", v1.ConditionFalse))
			synctest.Wait()
		}
		begin("one")
		begin("two")
		if s.turns.Crowded() {
			t.Error("two are a crowd")
		}
		for range 9 { // of which two are owed
			begin("more")
			s.Forget(&v1.Pod{ObjectMeta: metav1.ObjectMeta{UID: "more"}})
		}
		begin("last")
		time.Sleep(gathering)
		synctest.Wait()
		if !s.turns.Crowded() {
			t.Error("ten more are no crowd")
		}
		time.Sleep(5 * time.Second)
		begin("later")
		var log []string
		s.api.set(func() { log = slices.DeleteFunc(s.api.log, func(l string) bool { return strings.Contains(l, "more") }) })
		want := []string{"whole status one a", "status one b", "whole status two a", "status two b", "whole status last b", "whole status later a", "status later b"}
		if !slices.Equal(log, want) {
			t.Errorf("%q, not %q", log, want)
		}
	})
}

// TestEndingPods: of a pod that is deleted, in a crowd, only how it ended is written; of one that takes its
// time, what it is like meanwhile too.
func TestEndingPods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{T: t, api: newAPI(t, func(*v1.Pod, bool) {})}
		s.Reporter = New(t.Context(), s.api, clock.Real{}, nil).Taking(NewTurns(9, 9, 0, 1))
		ended := saying("ended", v1.ConditionFalse)
		ended.Phase = v1.PodSucceeded
		for _, name := range []string{"calm", "quick", "slow"} {
			pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", UID: types.UID(name), Labels: map[string]string{"is": name}}}
			s.api.set(func() { s.api.pods[name] = pod.DeepCopy() })
			s.Status(pod, saying("runs", v1.ConditionTrue))
			s.then("whole status " + name + " runs")
			if name != "calm" {
				s.turns.moved() // the first of two is owed
			}
			deleted := pod.DeepCopy()
			deleted.DeletionTimestamp = new(metav1.Now())
			s.Status(deleted, saying("ends", v1.ConditionFalse))
			switch name {
			case "calm":
				s.then("status calm ends")
				s.Status(deleted, ended)
				s.then("status calm ended")
			case "quick":
				time.Sleep(gathering / 50)
				s.Status(deleted, ended)
				s.then("status quick ended")
			case "slow":
				s.then("status slow ends")
				s.Status(deleted, ended)
				s.then("status slow ended")
			}
			s.Forget(pod)
		}
	})
}

// TestGatheringHoldsTheClock: a virtual clock that is advanced waits for the pods of a crowd to be written.
func TestGatheringHoldsTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		virtual := clock.NewVirtual(time.Now())
		s := &stage{T: t, api: newAPI(t, func(*v1.Pod, bool) {})}
		s.Reporter = New(t.Context(), s.api, virtual, nil).Taking(NewTurns(9, 9, 1, 1))
		s.turns.moved()
		s.turns.moved() // one too many
		pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "default", UID: "u", Labels: map[string]string{"is": "p"}}}
		s.api.set(func() { s.api.pods["p"] = pod.DeepCopy() })
		s.Status(pod, saying("a", v1.ConditionFalse))
		if err := virtual.Advance(t.Context(), time.Hour); err != nil {
			t.Fatal(err)
		}
		var told []string
		s.api.set(func() { told = slices.Clone(s.api.log) })
		s.then("whole status p a")
		if len(told) == 0 {
			t.Error("an hour was over before the pod was written")
		}
	})
}

// TestWhole: what is said first of one of many pods is written onto the pod that it was decided
// on, unless somebody else wrote meanwhile: theirs stays.
func TestWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{T: t, api: newAPI(t, func(*v1.Pod, bool) {})}
		s.Reporter = New(t.Context(), s.api, clock.Real{}, nil).Taking(NewTurns(1, 1, 50, 100))
		pod := func(name string) *v1.Pod {
			return &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", UID: types.UID(name), ResourceVersion: "7", Labels: map[string]string{"is": name}}}
		}
		gate := v1.PodCondition{Type: "example.com/gate", Status: v1.ConditionTrue}
		s.api.set(func() {
			s.api.pods["same"], s.api.pods["other"] = pod("same"), pod("other")
			s.api.pods["other"].ResourceVersion = "8"
			s.api.pods["other"].Status.Conditions = []v1.PodCondition{gate}
		})
		s.Status(pod("same"), saying("a", v1.ConditionFalse))
		s.then("whole status same a")
		s.Status(pod("other"), saying("b", v1.ConditionFalse))
		s.then("status other b")
		if c := lifecycle.Condition(&s.api.pods["other"].Status, gate.Type); c == nil || c.Status != v1.ConditionTrue {
			t.Errorf("the other writer's condition is %v; want it as it was", c)
		}
		s.Status(pod("gone"), saying("c", v1.ConditionFalse))
		s.then()
	})
}

// TestDeleteIsNotLost: an API server that does not find a pod which it has is asked again; one that has
// another pod of the name is not.
func TestDeleteIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{T: t, api: newAPI(t, func(*v1.Pod, bool) {})}
		s.Reporter = New(t.Context(), s.api, clock.Real{}, nil)
		pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "default", UID: "u", Labels: map[string]string{"is": "p"}}, Spec: v1.PodSpec{NodeName: "n"}}
		s.api.set(func() { s.api.pods["p"], s.api.cold = pod.DeepCopy(), true })
		s.Delete(pod)
		s.Forget(pod)
		time.Sleep(time.Minute)
		s.then()
		s.api.set(func() { s.api.cold = false })
		time.Sleep(time.Minute)
		s.then("delete p")

		other := pod.DeepCopy()
		other.UID = "v"
		s.api.set(func() { s.api.pods["p"], s.api.cold = other, true })
		s.Delete(pod)
		time.Sleep(time.Minute)
		s.api.set(func() { s.api.cold = false })
		time.Sleep(time.Minute)
		s.then()
		if !s.Flush(t.Context()) {
			t.Error("it still tries to delete a pod that is gone")
		}
	})
}
