package trace

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Writer is who made some of an event's changes.
type Writer struct {
	// Manager is the name in the pod's managed fields: by convention that of a program.
	Manager string `json:"manager"`
	// Operation is Update or Apply, as managed fields have it, or what else is known to have been done:
	// Create, Bind, Delete.
	Operation   string `json:"operation"`
	Subresource string `json:"subresource,omitempty"` // status, resize, …
	// Changed are the changes, by Change.Path.
	Changed []string `json:"changed"`
	// Inferred says that managed fields do not tell, and that it can have been nobody else.
	Inferred bool `json:"inferred,omitempty"`
}

// String is the writer in words.
func (w Writer) String() string {
	text := w.Manager
	if text == "" {
		text = "whoever asked for it"
	}
	switch {
	case w.Subresource != "":
		text += " (" + w.Subresource + ")"
	case w.Operation != string(metav1.ManagedFieldsOperationUpdate):
		text += " (" + strings.ToLower(w.Operation) + ")"
	}
	return text
}

// Path says which field a change is of: phase, condition/Ready/status, container/web/state.
func (c Change) Path() string {
	if c.Part == Whole {
		return c.Field
	}
	return string(c.Part) + "/" + c.Name + "/" + c.Field
}

// writers finds who made the changes, from the managed fields of the state that they led to. Fields
// that these leave out have one writer that is possible, or none that can be told:
//
//   - a binding writes nodeName and PodScheduled without managed fields (upstream: assignPod in
//     pkg/registry/core/pod/storage), for the scheduler that the pod names;
//   - generation and qosClass are the API server's own (pkg/registry/core/pod/strategy.go);
//   - a deletion is not recorded with a name.
func writers(was, is *v1.Pod, changes []Change) []Writer {
	var before []metav1.ManagedFieldsEntry
	if was != nil {
		before = was.ManagedFields
	}
	owned := newOwned(before, is.ManagedFields)
	var out []Writer
	add := func(w Writer, path string) {
		i := slices.IndexFunc(out, func(o Writer) bool {
			return o.Manager == w.Manager && o.Operation == w.Operation && o.Subresource == w.Subresource && o.Inferred == w.Inferred
		})
		if i < 0 {
			out = append(out, w)
			i = len(out) - 1
		}
		out[i].Changed = append(out[i].Changed, path)
	}
	if was == nil {
		if w, ok := owned.owner([]string{"f:spec"}, false); ok {
			w.Operation = "Create"
			add(w, "pod")
		}
	}
	bound := is.Spec.NodeName != "" && was != nil && was.Spec.NodeName == ""
	for _, c := range changes {
		if w, ok := owned.owner(managed(c), c.Is == ""); ok {
			add(w, c.Path())
			continue
		}
		switch path := c.Path(); {
		case c.Is == "": // whoever took it away is not known
		case path == "nodeName", bound && path == "condition/PodScheduled/status":
			if bound && is.Spec.SchedulerName != "" {
				add(Writer{Manager: is.Spec.SchedulerName, Operation: "Bind", Inferred: true}, path)
			}
		case path == "deletionTimestamp", path == "deletionGracePeriodSeconds":
			add(Writer{Operation: "Delete", Inferred: true}, path)
		case path == "generation", path == "qosClass":
			add(Writer{Manager: "API server", Operation: "Update", Inferred: true}, path)
		}
	}
	return out
}

// managed is the path of a change's field in the form of managed fields (upstream: FieldsV1 in
// apimachinery's meta/v1).
func managed(c Change) []string {
	status := func(field string) []string { return []string{"f:status", "f:" + field} }
	switch c.Part {
	case Condition:
		return append(status("conditions"), fmt.Sprintf(`k:{"type":%q}`, c.Name))
	case InitContainer:
		return status("initContainerStatuses")
	case Container:
		return status("containerStatuses")
	case EphemeralContainer:
		return status("ephemeralContainerStatuses")
	}
	first, rest, _ := strings.Cut(c.Field, ".")
	switch first {
	case "nodeName":
		return []string{"f:spec", "f:nodeName"}
	case "spec":
		name, _, _ := strings.Cut(rest, ".")
		name, _, _ = strings.Cut(name, "[")
		return []string{"f:spec", "f:" + name}
	}
	first, _, _ = strings.Cut(first, "[")
	if slices.Contains([]string{"labels", "annotations", "finalizers", "ownerReferences"}, first) {
		return []string{"f:metadata", "f:" + first}
	}
	return status(first)
}

// owned are the managed fields of two states of a pod.
type owned struct {
	now   []metav1.ManagedFieldsEntry
	trees []map[string]any
	fresh []bool // it is not as it was before
}

func newOwned(before, now []metav1.ManagedFieldsEntry) owned {
	f := owned{now: now}
	for i := range now {
		var tree map[string]any
		if raw := now[i].FieldsV1; raw != nil {
			if json.Unmarshal(raw.GetRawBytes(), &tree) != nil {
				tree = nil // it owns nothing that could be named
			}
		}
		f.trees = append(f.trees, tree)
		f.fresh = append(f.fresh, !slices.ContainsFunc(before, func(b metav1.ManagedFieldsEntry) bool {
			return same(&b, &now[i]) && at(&b).Equal(at(&now[i])) && sameFields(b.FieldsV1, now[i].FieldsV1)
		}))
	}
	return f
}

func same(a, b *metav1.ManagedFieldsEntry) bool {
	return a.Manager == b.Manager && a.Operation == b.Operation && a.Subresource == b.Subresource
}

func at(e *metav1.ManagedFieldsEntry) time.Time {
	if e.Time == nil {
		return time.Time{}
	}
	return e.Time.Time
}

// owner is the manager that wrote last of those who own a field. What is gone is owned by nobody: it
// was taken away by the only one whose entry is another now.
func (f owned) owner(path []string, gone bool) (Writer, bool) {
	best := -1
	for i := range f.now {
		switch {
		case gone && !f.fresh[i] || !gone && !owns(f.trees[i], path):
			continue
		case gone && best >= 0:
			return Writer{}, false
		case best >= 0 && (f.fresh[best] && !f.fresh[i] || at(&f.now[i]).Before(at(&f.now[best]))):
			continue
		}
		best = i
	}
	if best < 0 {
		return Writer{}, false
	}
	e := f.now[best]
	return Writer{Manager: e.Manager, Operation: string(e.Operation), Subresource: e.Subresource}, true
}

// owns says whether a tree of fields reaches to the path's end, or to where it is owned as a whole.
func owns(tree map[string]any, path []string) bool {
	for i, step := range path {
		below, ok := tree[step].(map[string]any)
		if !ok {
			return i > 0 && len(tree) == 0
		}
		tree = below
	}
	return true
}

func sameFields(a, b *metav1.FieldsV1) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(*b)
}
