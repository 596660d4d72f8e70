package report

import (
	"encoding/json"
	"fmt"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podling/podling/lifecycle"
)

// Patch is the strategic merge patch that makes old into status, nil if they
// are alike. It names only what the node owns: other writers' conditions stay.
func Patch(uid types.UID, old, status *v1.PodStatus) ([]byte, error) {
	changes, err := fields(old, status)
	if err != nil || len(changes) == 0 {
		return nil, err
	}
	return json.Marshal(map[string]any{"metadata": map[string]any{"uid": uid}, "status": changes})
}

// fields are the status's fields that differ, as the patch has to say them.
func fields(old, status *v1.PodStatus) (map[string]any, error) {
	was, err := asMap(old)
	if err != nil {
		return nil, err
	}
	is, err := asMap(status)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	for k, v := range is {
		if !equality.Semantic.DeepEqual(was[k], v) {
			out[k] = v
		}
	}
	for k := range was {
		if _, ok := is[k]; !ok {
			out[k] = nil
		}
	}
	delete(out, "conditions")
	if changed, order := conditions(old, status); len(changed) > 0 {
		out["conditions"] = changed
		if len(order) > 0 {
			out["$setElementOrder/conditions"] = order
		}
	}
	for _, list := range []string{"podIPs", "hostIPs"} { // merged by address otherwise, and old ones would stay
		if v, ok := out[list].([]any); ok {
			out[list] = append([]any{map[string]any{"$patch": "replace"}}, v...)
		}
	}
	return out, nil
}

// conditions are those that differ, whole: a field that became empty is named,
// for a merge keeps what is not. The order is the status's own.
func conditions(old, status *v1.PodStatus) (changed, order []any) {
	for _, c := range status.Conditions {
		order = append(order, map[string]any{"type": c.Type})
		same := false
		for _, o := range old.Conditions {
			same = same || equality.Semantic.DeepEqual(o, c)
		}
		if same || !lifecycle.Owned(c.Type) && c.Type != v1.DisruptionTarget {
			continue
		}
		m := map[string]any{"type": c.Type, "status": c.Status, "lastProbeTime": nil, "lastTransitionTime": c.LastTransitionTime, "reason": nil, "message": nil}
		if c.Reason != "" {
			m["reason"] = c.Reason
		}
		if c.Message != "" {
			m["message"] = c.Message
		}
		if c.ObservedGeneration != 0 {
			m["observedGeneration"] = c.ObservedGeneration
		}
		changed = append(changed, m)
	}
	for _, o := range old.Conditions {
		if lifecycle.Owned(o.Type) && lifecycle.Condition(status, o.Type) == nil {
			changed = append(changed, map[string]any{"$patch": "delete", "type": o.Type})
		}
	}
	return changed, order
}

func asMap(s *v1.PodStatus) (map[string]any, error) {
	raw, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("status: %w", err)
	}
	out := map[string]any{}
	return out, json.Unmarshal(raw, &out)
}
