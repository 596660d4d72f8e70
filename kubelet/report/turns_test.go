package report

import (
	"testing"
	"testing/synctest"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podling/podling/clock"
)

// TestTurns: where many wait, a pod is written as it is when its turn comes; otherwise
// state by state.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{T: t, api: newAPI(t, func(*v1.Pod, bool) {})}
		s.Reporter = New(t.Context(), s.api, clock.Real{}, nil).Taking(NewTurns(1, 1))
		pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "default", UID: "u", Labels: map[string]string{"is": "p"}}}
		s.api.set(func() { s.api.pods["p"] = pod.DeepCopy() })
		s.Status(pod, saying("a", v1.ConditionFalse))
		s.Status(pod, saying("b", v1.ConditionFalse))
		s.then("status p a", "status p b")

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
