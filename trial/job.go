package trial

import (
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// jobs looks how the jobs among the documents stand: a job is over when its controller says so, which
// no pod of it tells. The error says that the goal is out of reach.
func (t *trial) jobs(ctx context.Context) error {
	for _, r := range t.roots {
		gvk := r.object.GroupVersionKind()
		if gvk.GroupKind() != (schema.GroupKind{Group: batchv1.GroupName, Kind: "Job"}) || r.object.GetName() == "" || r.satisfied() {
			continue
		}
		object, err := t.Client.Get(ctx, gvk, r.namespace, r.object.GetName())
		if err != nil || object == nil {
			continue // not made yet, or the connection is lost, which the trace notes
		}
		var job batchv1.Job
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &job); err != nil {
			return fmt.Errorf("%s: %w", r, err)
		}
		for _, c := range job.Status.Conditions {
			phase, over := map[batchv1.JobConditionType]v1.PodPhase{
				batchv1.JobFailed:   v1.PodFailed,
				batchv1.JobComplete: v1.PodSucceeded,
			}[c.Type]
			if !over || c.Status != v1.ConditionTrue {
				continue
			}
			switch t.Goal.judge(&v1.Pod{Status: v1.PodStatus{Phase: phase}}) {
			case reached:
				r.wanted = 0 // however many pods it took
			case lost:
				return fmt.Errorf("%s: %s (%s is out of reach)", r, because(c.Reason, c.Message), t.Goal)
			}
		}
	}
	return nil
}
