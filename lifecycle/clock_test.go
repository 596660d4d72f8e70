package lifecycle

import (
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestClockPutBack: a container that by the clock is yet to end is restarted at once, not when its
// back-off ends by that time; one that ended a moment ago still waits.
func TestClockPutBack(t *testing.T) {
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "default", UID: "u"}, Spec: v1.PodSpec{RestartPolicy: v1.RestartPolicyAlways,
		Containers: []v1.Container{{Name: "main", Image: "i"}, {Name: "other", Image: "i"}}}}
	sleeping := func(now time.Time) Plan {
		seen := Observed{
			Sandboxes: []Sandbox{{ID: "box", Ready: true, IPs: []string{"10.0.0.2"}, CreatedAt: noon.Add(-time.Minute)}},
			Volumes:   Volumes{Mounted: true},
			Backoffs:  map[string]Backoff{"main": {Key: "i", Delay: 40 * time.Second, Updated: noon.Add(-20 * time.Second)}},
			Containers: []Container{
				{ID: "c://1", Name: "main", SandboxID: "box", Image: "i", State: Exited, ExitCode: 5, RestartCount: 2, CreatedAt: noon.Add(-20 * time.Second), StartedAt: noon.Add(-20 * time.Second), FinishedAt: noon},
				{ID: "c://2", Name: "other", SandboxID: "box", Image: "i", State: Running, CreatedAt: noon.Add(-20 * time.Second), StartedAt: noon.Add(-20 * time.Second)},
			},
		}
		var p Plan
		for range 10 { // what was found is reported first
			p = Decide(pod, seen, now)
			if len(p.Actions) > 0 || p.Wake.After(now.Add(time.Second)) {
				return p
			}
			seen.Reported = &p.Status
			if p.Wake.After(now) {
				now = p.Wake
			}
		}
		return p
	}
	if p := sleeping(noon.Add(time.Second)); len(p.Actions) > 0 || !p.Wake.Equal(noon.Add(40*time.Second)) {
		t.Errorf("a second after the end: %v, and next at %v: %s", p.Actions, p.Wake, p.Cause)
	}
	back := noon.Add(-time.Hour)
	p := sleeping(back)
	if len(p.Actions) != 1 || p.Actions[0].Verb != StartContainer || p.Actions[0].Restarts != 3 {
		t.Errorf("an hour before the end, by the clock: %v, and next at %v: %s", p.Actions, p.Wake, p.Cause)
	}
}
