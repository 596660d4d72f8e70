package gather

import (
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/podling/podling/explain"
	"github.com/podling/podling/trace"
)

// notRecorded is what the events of a trace do not hold.
var notRecorded = []explain.Part{explain.PartEvents, explain.PartLogs, explain.PartNodes, explain.PartPods, explain.PartConfigMaps,
	explain.PartSecrets, explain.PartServiceAccounts, explain.PartClaims, explain.PartVolumes, explain.PartClasses, explain.PartBudgets}

// Worlds are made of what was traced: one for each pod, as things were after the last event, in the
// order in which the pods appeared. listened says that Events were looked for, even if none came. The
// pods are shared.
func Worlds(events []trace.Event, listened bool) []explain.World {
	var worlds []*explain.World
	byPod := map[string]*explain.World{}
	said := map[string][]v1.Event{}
	var last time.Time
	for _, e := range events {
		last = e.Time
		namespace, name := e.About()
		key := namespace + "/" + name
		switch {
		case e.Said != nil:
			listened = true
			said[key] = append(said[key], *e.Said)
		case e.Pod != nil && e.Type != trace.Past:
			w := byPod[key]
			if w == nil {
				w = &explain.World{}
				worlds = append(worlds, w)
				byPod[key] = w
			}
			if w.Pod == nil || w.Gone { // a pod of the same name again: the later one counts
				*w = explain.World{Unseen: map[explain.Part]string{}}
				for _, p := range notRecorded {
					w.Unseen[p] = ""
				}
			}
			into(w, e)
		}
	}
	out := make([]explain.World, len(worlds))
	for i, w := range worlds {
		w.Now = last
		if listened {
			delete(w.Unseen, explain.PartEvents)
			for _, e := range said[w.Pod.Namespace+"/"+w.Pod.Name] {
				if e.InvolvedObject.UID == w.Pod.UID || w.Pod.UID == "" || e.InvolvedObject.UID == "" {
					w.Events = append(w.Events, e)
				}
			}
		}
		out[i] = *w
	}
	return out
}

// into takes the event into the world.
func into(w *explain.World, e trace.Event) {
	if len(e.Pod.Spec.Containers) == 0 { // which every spec has
		w.Unseen[explain.PartSpec] = "events that were printed, and not recorded (--record), have none"
	}
	if w.Pod != nil {
		w.Timeline = append(w.Timeline, explain.Moment{Time: e.Time, Pod: w.Pod})
	}
	w.Pod, w.Gone = e.Pod, e.Type == watch.Deleted
}
