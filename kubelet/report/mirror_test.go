package report

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	kubetypes "k8s.io/kubernetes/pkg/kubelet/types"

	"github.com/podling/podling/clock"
)

// staticPod is one that another content of the same manifest replaces.
func staticPod(is string) *v1.Pod {
	return &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p-n", Namespace: "default", UID: types.UID("uid-" + is), Labels: map[string]string{"is": is},
		Annotations: map[string]string{kubetypes.ConfigSourceAnnotationKey: kubetypes.FileSource, kubetypes.ConfigHashAnnotationKey: "uid-" + is}}}
}

func saying(message string, ready v1.ConditionStatus) v1.PodStatus {
	return v1.PodStatus{Phase: v1.PodRunning, Message: message, Conditions: []v1.PodCondition{{Type: v1.PodReady, Status: ready}}}
}

// stage is a reporter, and an API server that it reports to.
type stage struct {
	*testing.T
	*Reporter
	api *api
	now int // how much of the log is known
}

func newStage(t *testing.T) *stage {
	s := &stage{T: t}
	s.api = newAPI(t, func(pod *v1.Pod, gone bool) { s.Mirror(pod, gone) })
	node := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n", UID: "node"}}
	s.Reporter = New(t.Context(), s.api, clock.Real{}, func() *v1.Node { return node })
	return s
}

// then says what the API is told next, until nothing more happens.
func (s *stage) then(want ...string) {
	s.Helper()
	time.Sleep(time.Minute) // of the bubble's clock: longer than any pause between attempts
	synctest.Wait()
	var got []string
	s.api.set(func() { got = slices.Clone(s.api.log[s.now:]) })
	if !slices.Equal(got, want) {
		s.Fatalf("the API was told %q, not %q", got, want)
	}
	s.now += len(got)
}

// somebody deletes the mirror; force: at once.
func (s *stage) somebodyDeletes(force bool) {
	s.Helper()
	o := metav1.DeleteOptions{}
	if force {
		o.GracePeriodSeconds = new(int64)
	}
	if err := s.api.CoreV1().Pods("default").Delete(s.Context(), "p-n", o); err != nil {
		s.Fatal(err)
	}
}

// TestMirrorFollows is the life of a mirror, from the first status to the end of
// the second pod of its name.
func TestMirrorFollows(t *testing.T) { synctest.Test(t, mirrorFollows) }

func mirrorFollows(t *testing.T) {
	s := newStage(t)
	one, two := staticPod("one"), staticPod("two")
	s.Status(one, saying("a", v1.ConditionFalse))
	s.then("create one", "status one a")
	s.Status(one, saying("b", v1.ConditionTrue))
	s.then("status one b")

	s.somebodyDeletes(false)
	s.then("ask to delete one", "delete one", "create one", "status one b")
	s.somebodyDeletes(true)
	s.then("delete one", "create one", "status one b")

	// The manifest changes: the one pod ends, the other begins.
	ending := one.DeepCopy()
	ending.DeletionTimestamp = &metav1.Time{Time: time.Now()}
	s.Status(ending, saying("ended", v1.ConditionFalse))
	s.Delete(ending)
	s.Forget(ending)
	s.Status(two, saying("c", v1.ConditionFalse))
	s.then("status one ended", "delete one", "create two", "status two c")

	// Somebody else turns its readiness over.
	s.Status(two, saying("d", v1.ConditionTrue))
	s.then("status two d")
	var seen *v1.Pod
	s.api.set(func() { seen = s.api.note("turned over", s.api.pods["p-n"]) })
	seen.Status.Conditions[0].Status = v1.ConditionFalse
	s.Mirror(seen, false)
	s.then("turned over", "status two d")

	// While a pod is ending, it gets no new mirror.
	ending = two.DeepCopy()
	ending.DeletionTimestamp = &metav1.Time{Time: time.Now()}
	s.Status(ending, saying("e", v1.ConditionTrue))
	s.then("status two e")
	s.somebodyDeletes(true)
	s.then("delete two")
	s.Status(ending, saying("f", v1.ConditionTrue))
	s.Delete(ending)
	s.then()
	s.Wait()
	if len(s.pods) != 0 {
		t.Errorf("of pods that are gone %d are remembered", len(s.pods))
	}
}

// TestMirrorOfAnEarlierLife: after a restart the mirror is there. That of the
// same pod stays, that of another goes, and one that nobody is behind is deleted.
func TestMirrorOfAnEarlierLife(t *testing.T) { synctest.Test(t, mirrorOfAnEarlierLife) }

func mirrorOfAnEarlierLife(t *testing.T) {
	s := newStage(t)
	one, two := staticPod("one"), staticPod("two")
	s.Status(one, saying("a", v1.ConditionTrue))
	s.then("create one", "status one a")

	again := newStage(t)
	again.api.pods = s.api.pods
	again.Mirror(again.api.pods["p-n"], false)
	again.Status(one, saying("a", v1.ConditionTrue))
	again.then()
	again.Status(two, saying("b", v1.ConditionTrue))
	again.then("delete one", "create two", "status two b")

	third := newStage(t)
	third.api.pods = again.api.pods
	third.Status(two, saying("c", v1.ConditionTrue)) // the watch has not told yet
	third.then("status two c")

	last := newStage(t)
	last.api.pods = third.api.pods
	mirror := last.api.pods["p-n"]
	last.Mirror(mirror, false)
	last.then()
	last.Delete(mirror)
	last.then("delete two")
}

// TestMirrorRefused: what the API does not take now it takes later, and only
// what is still true then.
func TestMirrorRefused(t *testing.T) { synctest.Test(t, mirrorRefused) }

func mirrorRefused(t *testing.T) {
	s := newStage(t)
	s.api.set(func() { s.api.down = true })
	one := staticPod("one")
	for _, message := range []string{"a", "b", "c", "d"} {
		s.Status(one, saying(message, v1.ConditionTrue))
		synctest.Wait()
	}
	s.then()
	s.api.set(func() { s.api.down = false })
	s.then("create one", "status one a", "status one d")

	homeless := staticPod("homeless")
	homeless.Namespace = "missing"
	s.Status(homeless, saying("a", v1.ConditionTrue))
	s.Status(one, saying("e", v1.ConditionTrue))
	s.then("status one e")
	s.Delete(homeless)
	s.Delete(one)
	s.then("delete one")
	s.Wait()
}

// TestNameTaken: a pod of the API that has a static pod's name is left alone.
func TestNameTaken(t *testing.T) { synctest.Test(t, nameTaken) }

func nameTaken(t *testing.T) {
	s := newStage(t)
	other := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p-n", Namespace: "default", UID: "other", Labels: map[string]string{"is": "other"}}}
	s.api.pods["p-n"] = other
	s.Status(staticPod("one"), saying("a", v1.ConditionTrue))
	s.then()
	s.api.set(func() { delete(s.api.pods, "p-n") })
	s.then("create one", "status one a")
}

// TestMirrorAtRandom does to mirrors what nodes and people do, in any order, with
// an API server that is away now and then: once it is quiet, the API has the mirror
// of the last pod with its last status, or none if that is over.
func TestMirrorAtRandom(t *testing.T) {
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) {
			s, r := newStage(t), rand.New(rand.NewPCG(seed, 5))
			content := 0
			var pod *v1.Pod // nil: over
			var said string
			for step := range 30 {
				switch r.IntN(8) {
				case 0, 1, 2:
					if pod == nil {
						content++
						pod = staticPod(fmt.Sprint("content", content))
					}
					said = fmt.Sprint("step ", step)
					s.Status(pod, saying(said, v1.ConditionTrue))
				case 3:
					if pod != nil {
						ending := pod.DeepCopy()
						ending.DeletionTimestamp = &metav1.Time{Time: time.Now()}
						s.Status(ending, saying("ending", v1.ConditionFalse))
						s.Delete(ending)
						s.Forget(ending)
						pod = nil
					}
				case 4:
					// The server may be away, or have none: that is as good.
					o := metav1.DeleteOptions{}
					if r.IntN(2) == 0 {
						o.GracePeriodSeconds = new(int64)
					}
					_ = s.api.CoreV1().Pods("default").Delete(t.Context(), "p-n", o)
				case 5:
					s.api.set(func() { s.api.down = !s.api.down })
				case 6:
					time.Sleep(time.Duration(r.IntN(300)) * time.Millisecond)
				case 7:
					synctest.Wait()
				}
			}
			s.api.set(func() { s.api.down = false })
			time.Sleep(time.Minute)
			synctest.Wait()
			var has *v1.Pod
			s.api.set(func() { has = s.api.pods["p-n"] })
			switch {
			case pod == nil && has != nil:
				t.Errorf("seed %d: the pod is over, and the API has %v of it\n%q", seed, has.Labels, s.api.log)
			case pod != nil && has == nil:
				t.Errorf("seed %d: the API has nothing of it\n%q", seed, s.api.log)
			case pod != nil && (has.Labels["is"] != pod.Labels["is"] || has.Status.Message != said || has.DeletionTimestamp != nil):
				t.Errorf("seed %d: the API has %v saying %q, not %v saying %q\n%q", seed, has.Labels, has.Status.Message, pod.Labels, said, s.api.log)
			}
			s.Wait()
			if len(s.pods) > 0 && pod == nil {
				t.Errorf("seed %d: of pods that are gone %d are remembered", seed, len(s.pods))
			}
		})
	}
}
