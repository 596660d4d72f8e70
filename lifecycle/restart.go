package lifecycle

import (
	"slices"
	"strconv"

	v1 "k8s.io/api/core/v1"
)

// shouldRestart says whether a container that ended with exitCode runs again,
// by the pod's restart policy and the container's own policy and rules
// (KEP-5307; upstream: ContainerShouldRestart in pkg/api/v1/pod/util.go).
func shouldRestart(pod *v1.Pod, c *v1.Container, exitCode int32) bool {
	policy := pod.Spec.RestartPolicy
	if c.RestartPolicy != nil {
		if rule := matchingRule(c, exitCode); rule != nil &&
			(rule.Action == v1.ContainerRestartRuleActionRestart || rule.Action == v1.ContainerRestartRuleActionRestartAllContainers) {
			return true
		}
		policy = v1.RestartPolicy(*c.RestartPolicy)
	}
	switch policy {
	case v1.RestartPolicyNever:
		return false
	case v1.RestartPolicyOnFailure:
		return exitCode != 0
	}
	return true
}

// replaceable says whether a container that the node ends, or has lost, is to run
// again. Rules about exit codes have no say in that: there is none.
func replaceable(pod *v1.Pod, c *v1.Container) bool {
	if c.RestartPolicy != nil {
		return *c.RestartPolicy != v1.ContainerRestartPolicyNever
	}
	return pod.Spec.RestartPolicy != v1.RestartPolicyNever
}

// matchingRule is the container's first restart rule that names exitCode.
func matchingRule(c *v1.Container, exitCode int32) *v1.ContainerRestartRule {
	for i := range c.RestartPolicyRules {
		codes := c.RestartPolicyRules[i].ExitCodes
		if codes == nil {
			continue
		}
		in := slices.Contains(codes.Values, exitCode)
		if in == (codes.Operator == v1.ContainerRestartRuleOnExitCodesOpIn) {
			return &c.RestartPolicyRules[i]
		}
	}
	return nil
}

// shouldStart says whether the container's next step is to be started, given
// the newest one that the runtime knows (upstream: ShouldContainerBeRestarted
// in pkg/kubelet/container/helpers.go).
func shouldStart(pod *v1.Pod, c *v1.Container, newest *Container) bool {
	switch {
	case pod.DeletionTimestamp != nil:
		return false
	case newest == nil:
		return true
	case newest.State == Running:
		return false
	case newest.State == Exited:
		return shouldRestart(pod, c, newest.ExitCode)
	}
	return true // created or unknown: it never ran, or nobody knows
}

// isSidecar: a restartable init container (KEP-753).
func isSidecar(c *v1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == v1.ContainerRestartPolicyAlways
}

// Hash identifies what cannot change in a running container: its name and its
// image. The node keeps it with the container; when the spec's differs, the
// container is replaced.
func Hash(c *v1.Container) string {
	const offset, prime = 2166136261, 16777619 // FNV-1a, 32 bits
	h := uint32(offset)
	for _, part := range []string{c.Name, c.Image} {
		for i := range len(part) {
			h = (h ^ uint32(part[i])) * prime
		}
		h *= prime // the end of a part counts too
	}
	return strconv.FormatUint(uint64(h), 16)
}

// changed: the running container was made from another spec.
func changed(c *v1.Container, running *Container) bool {
	return running.Hash != "" && running.Hash != Hash(c)
}
