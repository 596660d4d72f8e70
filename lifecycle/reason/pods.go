package reason

var evictedFix = []string{
	"kubectl describe node NODE: MemoryPressure, DiskPressure, PIDPressure, and what uses it",
	"set resources.requests to what the pod really takes: those far above their requests go first",
	"free or add memory and disk on the node: crictl rmi --prune, logs, emptyDirs",
}

// pods are why a pod as a whole ended, or was ended.
var pods = []Reason{
	{
		Name: "DeadlineExceeded", Kind: Pod, Where: inReason,
		Meaning: "The pod was active for longer than its activeDeadlineSeconds and was ended.",
		Causes:  []string{"the work took longer than planned", "the time includes image pulls and waiting for volumes"},
		By:      byKubelet,
		Next:    "Final: the containers get their grace period, then the pod is Failed, whatever its restartPolicy.",
		Fix:     []string{"raise spec.activeDeadlineSeconds, or take it away", "a Job's own activeDeadlineSeconds counts over all its pods"},
		Source:  []string{"pkg/kubelet/active_deadline.go"},
		Example: Example{"DeadlineExceeded.yaml", "a deadline of three seconds for a container that sleeps"},
	},
	{
		Name: "Evicted", Kind: Pod, Where: inReason,
		Meaning: "The node ended the pod, or refused it, because it is short of memory, disk or process IDs, or because the pod used more storage than its limit.",
		Causes:  []string{"memory.available below 100 MiB, nodefs.available below 10 % or imagefs.available below 15 % (upstream's defaults)", "an emptyDir beyond its sizeLimit", "a container beyond limits.ephemeral-storage"},
		By:      byKubelet,
		Next:    "Final: the pod is Failed, and what made it makes another. podling looks every second, upstream every 10 s and at volumes every minute.",
		Fix:     evictedFix,
		Source:  []string{"pkg/kubelet/eviction/helpers.go"},
		Example: Example{"Evicted.yaml", "writes 20 MiB into an emptyDir that may have 10 MiB"},
	},
	{
		Name: "Preempting", Kind: Pod, Where: inReason,
		Meaning: "The node ended the pod to make room for a critical one.",
		Causes:  []string{"a static or system-node-critical pod was bound to a node that is full"},
		By:      byKubelet,
		Next:    "Final: the pod is Failed, and what made it makes another.",
		Fix:     []string{"leave room on nodes for static and DaemonSet pods", "kubectl get pods -A --field-selector spec.nodeName=NODE"},
		Source:  []string{eventNames, "pkg/kubelet/preemption/preemption.go"},
		Example: Example{"Preempting.yaml", "needs a node that takes one pod, podling up --max-pods 1; " + boundByHand},
	},
	{
		Name: "Terminated", Kind: Pod, Where: inReason,
		Meaning: "The node shut down in an orderly way and ended the pod.",
		Causes:  []string{"shutdown or reboot of the machine, with shutdownGracePeriod configured", "somebody ended the node's pods with podling down --pods"},
		By:      byKubelet,
		Next:    "Final: the pod is Failed, and what made it makes another elsewhere.",
		Fix:     []string{"nothing; drain the node before planned restarts"},
		Source:  []string{"pkg/kubelet/nodeshutdown/nodeshutdown_manager.go", "KEP-2000"},
		Example: Example{"", "podling down --pods brings it about, or a shutdown of the machine under podling up --shutdown-grace-period 30s"},
	},
	{
		Name: "NodeLost", Kind: Pod, Where: inReason,
		Meaning: "The node does not answer, so nobody knows how the pod is.",
		Causes:  []string{"the machine is down, cut off, or so loaded that its kubelet cannot renew its lease for 50 s"},
		By:      byNodes,
		Next:    "Today: the node's Ready turns Unknown (NodeStatusUnknown), its pods' Ready turns False with the Event NodeNotReady, and after another 300 s they are evicted.",
		Fix:     []string{"kubectl describe node NODE", "a machine that will not come back: kubectl delete node NODE, or taint it node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"},
		Source:  []string{"pkg/util/node/node.go"},
		Example: Example{"", "v1.36 still has the word, and kubectl prints Unknown for it, but no controller writes it any more: see NodeStatusUnknown.yaml for what happens instead"},
	},
}
