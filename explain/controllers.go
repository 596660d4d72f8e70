package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// Of explains an object that makes pods, by itself, by what stands below it, and by its pods.
func Of(c Controller) Explanation {
	kind, meta := c.object()
	e := Explanation{Kind: kind, Namespace: meta.Namespace, Name: meta.Name, Time: c.Now.UTC(), Unseen: sortedUnseen(c.Unseen)}
	f := c.find(meta)
	for _, p := range c.Pods {
		if p.Health != Healthy {
			e.Pods = append(e.Pods, p)
		}
	}
	return e.with(f)
}

func (c *Controller) object() (string, *metav1.ObjectMeta) {
	switch {
	case c.Deployment != nil:
		return "Deployment", &c.Deployment.ObjectMeta
	case c.ReplicaSet != nil:
		return "ReplicaSet", &c.ReplicaSet.ObjectMeta
	case c.StatefulSet != nil:
		return "StatefulSet", &c.StatefulSet.ObjectMeta
	case c.DaemonSet != nil:
		return "DaemonSet", &c.DaemonSet.ObjectMeta
	case c.Job != nil:
		return "Job", &c.Job.ObjectMeta
	case c.CronJob != nil:
		return "CronJob", &c.CronJob.ObjectMeta
	}
	panic("explain: a Controller without an object")
}

func (c *Controller) find(meta *metav1.ObjectMeta) *finding {
	var f *finding
	switch {
	case c.Job != nil:
		f = c.job()
	case c.CronJob != nil:
		f = c.cronJob()
	default:
		f = c.replicas()
	}
	if meta.DeletionTimestamp != nil {
		deleting := &finding{health: Ending, cause: CauseGracePeriod, state: "is being deleted"}
		if len(meta.Finalizers) > 0 {
			deleting.cause, deleting.root = CauseFinalizer, "its finalizers "+list(meta.Finalizers)+" hold it"
		}
		return deleting.link("Terminating").show("spec", "metadata.finalizers", list(meta.Finalizers), meta.DeletionTimestamp.Time)
	}
	return f
}

// numbers are how many pods are wanted and how many are ready.
func (c *Controller) numbers() (wanted, ready int32) {
	switch {
	case c.Deployment != nil:
		return ptr.Deref(c.Deployment.Spec.Replicas, 1), c.Deployment.Status.ReadyReplicas
	case c.ReplicaSet != nil:
		return ptr.Deref(c.ReplicaSet.Spec.Replicas, 1), c.ReplicaSet.Status.ReadyReplicas
	case c.StatefulSet != nil:
		return ptr.Deref(c.StatefulSet.Spec.Replicas, 1), c.StatefulSet.Status.ReadyReplicas
	}
	return c.DaemonSet.Status.DesiredNumberScheduled, c.DaemonSet.Status.NumberReady
}

func (c *Controller) behind() bool {
	switch {
	case c.Deployment != nil:
		return c.Deployment.Status.ObservedGeneration < c.Deployment.Generation
	case c.ReplicaSet != nil:
		return c.ReplicaSet.Status.ObservedGeneration < c.ReplicaSet.Generation
	case c.StatefulSet != nil:
		return c.StatefulSet.Status.ObservedGeneration < c.StatefulSet.Generation
	}
	return c.DaemonSet.Status.ObservedGeneration < c.DaemonSet.Generation
}

// replicas explains what keeps a number of pods running.
func (c *Controller) replicas() *finding {
	wanted, ready := c.numbers()
	_, meta := c.object()
	count := fmt.Sprintf("%d of %d pods ready", ready, wanted)
	updated := c.updated()
	switch {
	case c.behind():
		f := &finding{health: Starting, cause: CauseUnclear, state: "has not been looked at since it was changed", root: "its controller is busy, or does not run"}
		return f.link(count).link(f.root).do("does kube-controller-manager run?", "kubectl -n kube-system get leases")
	case c.DaemonSet != nil && wanted == 0:
		f := &finding{health: Unhealthy, cause: CauseNoMatchingNode, state: "has no pods", root: "no node matches its nodeSelector, affinity and tolerations"}
		for k, v := range c.DaemonSet.Spec.Template.Spec.NodeSelector {
			f.show("spec", "spec.template.spec.nodeSelector", k+"="+v, time.Time{})
		}
		return f.link("0 nodes are to have a pod").link(f.root).do("compare with the nodes' labels and taints", "kubectl get nodes --show-labels")
	case wanted == 0 && ready == 0:
		f := &finding{health: Healthy, cause: CauseScaledToZero, state: "has no pods, and is to have none: spec.replicas is 0"}
		return f.link(count).show("spec", "spec.replicas", "0", time.Time{}).do("to have some", kubectl(meta.Namespace, fmt.Sprintf("scale %s/%s --replicas=1", c.resource(), meta.Name)))
	case ready >= wanted && updated:
		f := &finding{health: Healthy, cause: CauseNone, state: "is healthy: " + count}
		return f.link(count)
	}
	if e := c.failedCreate(); e != nil {
		f := refused(meta.Namespace, e.Message)
		return f.before(Link{Text: count}).showEvent(e).then("Tried again with back-off, up to every 16 minutes.")
	}
	if d := c.Deployment; d != nil && d.Spec.Paused {
		f := &finding{health: Unhealthy, cause: CausePaused, state: "does not roll out its change", root: "its rollout is paused (spec.paused)"}
		return f.link(count).link(f.root).show("spec", "spec.paused", "true", time.Time{}).do("go on with it", kubectl(meta.Namespace, "rollout resume deployment/"+meta.Name))
	}
	f := c.worstPod(count)
	if f.root == "" && f.health != Healthy && len(c.Pods) == 0 {
		f.root = "it has no pods yet, and no Event says why: look at the controller manager"
		if !c.sees(PartEvents) {
			f.root = "it has no pods yet; Events, which would say why, could not be seen"
		}
	}
	c.showConditions(f)
	return f
}

func (c *Controller) resource() string {
	switch {
	case c.Deployment != nil:
		return "deployment"
	case c.ReplicaSet != nil:
		return "replicaset"
	}
	return "statefulset"
}

func (c *Controller) sees(p Part) bool {
	_, not := c.Unseen[p]
	return !not
}

// updated says whether all pods are of the present template.
func (c *Controller) updated() bool {
	switch {
	case c.Deployment != nil:
		return c.Deployment.Status.UpdatedReplicas >= ptr.Deref(c.Deployment.Spec.Replicas, 1) && c.Deployment.Status.Replicas == c.Deployment.Status.UpdatedReplicas
	case c.StatefulSet != nil:
		return c.StatefulSet.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType || c.StatefulSet.Status.UpdatedReplicas >= ptr.Deref(c.StatefulSet.Spec.Replicas, 1) || ptr.Deref(partition(c.StatefulSet), 0) > 0
	case c.DaemonSet != nil:
		return c.DaemonSet.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType || c.DaemonSet.Status.UpdatedNumberScheduled >= c.DaemonSet.Status.DesiredNumberScheduled
	}
	return true
}

func partition(s *appsv1.StatefulSet) *int32 {
	if s.Spec.UpdateStrategy.RollingUpdate == nil {
		return nil
	}
	return s.Spec.UpdateStrategy.RollingUpdate.Partition
}

// failedCreate is the latest Event about a pod that was not created, if none was created after it.
func (c *Controller) failedCreate() *v1.Event {
	var failed, made *v1.Event
	for i := range c.Events {
		e := &c.Events[i]
		switch e.Reason {
		case "FailedCreate":
			if failed == nil || eventTime(e).After(eventTime(failed)) {
				failed = e
			}
		case "SuccessfulCreate":
			if made == nil || eventTime(e).After(eventTime(made)) {
				made = e
			}
		}
	}
	if failed == nil || made != nil && eventTime(made).After(eventTime(failed)) {
		return nil
	}
	return failed
}

// severity orders the healths of pods by how much they say.
var severity = map[Health]int{Unhealthy: 4, Unclear: 3, Starting: 2, Ending: 1, Healthy: 0}

// worstPod takes over what is wrong with the pod that has most to say.
func (c *Controller) worstPod(count string) *finding {
	var worst *Explanation
	for i := range c.Pods {
		if p := &c.Pods[i]; p.Health != Healthy && (worst == nil || severity[p.Health] > severity[worst.Health]) {
			worst = p
		}
	}
	f := &finding{health: Starting, cause: CauseContainerNotReady, state: "has " + count}
	f.link(count)
	if worst == nil {
		return f.then("The others are on their way.")
	}
	same := 0
	for i := range c.Pods {
		if c.Pods[i].Cause == worst.Cause && c.Pods[i].Health == worst.Health {
			same++
		}
	}
	f.health, f.cause = worst.Health, worst.Cause
	if f.health == Ending {
		f.health = Starting
	}
	f.root = lowerPod(worst)
	if same > 1 {
		f.root += fmt.Sprintf(" (and %d more of its pods)", same-1)
	}
	f.link("pod " + worst.Name)
	f.chain = append(f.chain, worst.Chain...)
	f.evidence, f.next, f.fix = worst.Evidence, worst.Next, worst.Fix
	for _, entry := range worst.Atlas {
		f.words = append(f.words, word{entry.Kind, entry.Name})
	}
	return f
}

func lowerPod(p *Explanation) string {
	verdict := p.Verdict
	if len(verdict) > 0 {
		verdict = "p" + verdict[1:]
	}
	return strings.TrimSuffix(verdict, ".")
}

func (c *Controller) showConditions(f *finding) {
	if c.Deployment == nil {
		return
	}
	for _, cond := range c.Deployment.Status.Conditions {
		if cond.Status == v1.ConditionFalse && cond.Reason != "" {
			f.show("status", fmt.Sprintf("status.conditions[?(@.type==%q)]", cond.Type), fmt.Sprintf("%s=%s %s: %s", cond.Type, cond.Status, cond.Reason, cond.Message), cond.LastTransitionTime.Time)
		}
		if cond.Type == appsv1.DeploymentProgressing && cond.Reason == "ProgressDeadlineExceeded" {
			f.also = append(f.also, "Its rollout has made no progress for longer than progressDeadlineSeconds; it goes on trying.")
			if f.cause == CauseContainerNotReady {
				f.health, f.cause = Unhealthy, CauseProgressDeadline
			}
		}
	}
}

// job explains a Job.
func (c *Controller) job() *finding {
	j := c.Job
	count := fmt.Sprintf("%d of %d completions, %d failed", j.Status.Succeeded, ptr.Deref(j.Spec.Completions, 1), j.Status.Failed)
	worst := c.worstPod(count)
	for _, cond := range j.Status.Conditions {
		if cond.Status != v1.ConditionTrue {
			continue
		}
		f := &finding{health: Unhealthy, state: "has failed"}
		switch {
		case cond.Type == batchv1.JobComplete:
			f = &finding{health: Healthy, cause: CauseNone, state: "is complete"}
			return f.link(count)
		case cond.Type == batchv1.JobSuspended:
			f.cause, f.state, f.root = CauseSuspended, "does not run", "it is suspended (spec.suspend)"
			return f.link(count).link(f.root).show("spec", "spec.suspend", "true", cond.LastTransitionTime.Time).do("let it run", kubectl(j.Namespace, "patch job "+j.Name+" --type=merge -p '{\"spec\":{\"suspend\":false}}'"))
		case cond.Type != batchv1.JobFailed && cond.Type != batchv1.JobFailureTarget:
			continue
		}
		f.cause, f.root = CauseBackoffLimit, fmt.Sprintf("%s: %s", cond.Reason, short(cond.Message, 200))
		switch cond.Reason {
		case batchv1.JobReasonDeadlineExceeded:
			f.cause, f.root = CauseDeadline, fmt.Sprintf("it was active for longer than its activeDeadlineSeconds (%d)", ptr.Deref(j.Spec.ActiveDeadlineSeconds, 0))
		case batchv1.JobReasonBackoffLimitExceeded:
			f.root = fmt.Sprintf("its pods failed more often than its backoffLimit (%d) allows", ptr.Deref(j.Spec.BackoffLimit, 6))
		}
		if worst.root != "" {
			f.root += "; " + worst.root
			if f.cause == CauseBackoffLimit {
				f.cause = worst.cause // the pods' trouble is the root
			}
		}
		f.show("status", fmt.Sprintf("status.conditions[?(@.type==%q)]", cond.Type), cond.Reason+": "+cond.Message, cond.LastTransitionTime.Time)
		f.chain = slices.Concat([]Link{{Text: "Job failed: " + cond.Reason}}, worst.chain)
		f.evidence = append(f.evidence, worst.evidence...)
		f.fix, f.words = worst.fix, worst.words
		return f.then("Final: the Job makes no more pods.")
	}
	if e := c.failedCreate(); e != nil {
		return refused(j.Namespace, e.Message).before(Link{Text: count}).showEvent(e)
	}
	if worst.root == "" && j.Status.Active > 0 {
		worst.health, worst.cause, worst.state = Healthy, CauseNone, "is at work: "+count
		return worst
	}
	if limit := ptr.Deref(j.Spec.BackoffLimit, 6); j.Status.Failed > 0 {
		worst.then(fmt.Sprintf("It has %d of %d retries left; each comes after 10 s, 20 s, 40 s and so on to 6 minutes.", max(limit-j.Status.Failed+1, 0), limit))
	}
	return worst
}

// cronJob explains a CronJob.
func (c *Controller) cronJob() *finding {
	j := c.CronJob
	f := &finding{health: Healthy, cause: CauseNone, state: "is healthy: it makes a Job by the schedule " + j.Spec.Schedule}
	if ptr.Deref(j.Spec.Suspend, false) {
		f = &finding{health: Unhealthy, cause: CauseSuspended, state: "makes no Jobs", root: "it is suspended (spec.suspend)"}
		return f.link(f.root).show("spec", "spec.suspend", "true", time.Time{}).do("let it run", kubectl(j.Namespace, "patch cronjob "+j.Name+" --type=merge -p '{\"spec\":{\"suspend\":false}}'"))
	}
	for i := range c.Events {
		if e := &c.Events[i]; e.Reason == "UnparseableSchedule" || e.Reason == "InvalidSchedule" || e.Reason == "UnknownTimeZone" || e.Reason == "TooManyMissedTimes" {
			f = &finding{health: Unhealthy, cause: CauseSchedule, state: "makes no Jobs", root: "its schedule \"" + j.Spec.Schedule + "\" cannot be kept: " + short(e.Message, 200)}
			return f.link(f.root).showEvent(e).do("correct spec.schedule or spec.timeZone", "")
		}
	}
	var latest *Controller
	for i := range c.Below {
		if b := &c.Below[i]; b.Job != nil && (latest == nil || b.Job.CreationTimestamp.After(latest.Job.CreationTimestamp.Time)) {
			latest = b
		}
	}
	if latest == nil {
		if at := j.Status.LastScheduleTime; at == nil {
			f.then("It has made no Job yet.")
		}
		return f.link("no Job is there")
	}
	below := Of(*latest)
	if below.Health == Healthy {
		return f.link("its last Job " + below.Name + " is well")
	}
	f = &finding{health: below.Health, cause: below.Cause, state: "has a Job that is not well", root: "j" + below.Verdict[1:]}
	f.link("its last Job is " + below.Name)
	f.chain = append(f.chain, below.Chain...)
	f.evidence, f.next, f.fix = below.Evidence, below.Next, below.Fix
	return f
}
