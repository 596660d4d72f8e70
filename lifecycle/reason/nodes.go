package reason

import v1 "k8s.io/api/core/v1"

func onNode(t v1.NodeConditionType, field string) string {
	return `status.conditions[?(@.type=="` + string(t) + `")].` + field
}

const nodeSetters = "pkg/kubelet/nodestatus/setters.go"

// nodes are the words in a node's conditions that decide what becomes of its pods.
var nodes = []Reason{
	{
		Name: "KubeletReady", Kind: Node, Where: onNode(v1.NodeReady, "reason"),
		Meaning: "The node can run pods.",
		Causes:  []string{"its runtime and its network answer"},
		By:      byKubelet,
		Next:    "The node renews its lease every 10 s and its status when something changes, or every 5 minutes.",
		Fix:     []string{"nothing"},
		Source:  []string{nodeSetters},
		Example: Example{"Running.yaml", "the node that any pod runs on"},
	},
	{
		Name: "KubeletNotReady", Kind: Node, Where: onNode(v1.NodeReady, "reason"),
		Meaning: "The node answers, but says itself that it cannot run pods. The message says why: \"container runtime is down\", \"container runtime network not ready\", or \"node is shutting down\".",
		Causes:  []string{"the container runtime has stopped, hangs, or is not configured for CRI", "the CNI configuration is missing", "the kubelet has just started"},
		By:      byKubelet,
		Next:    "It is tainted node.kubernetes.io/not-ready: new pods go elsewhere, and those that are there are evicted after the 300 s that they tolerate by default. Their containers run on meanwhile, and their Ready stays as it was.",
		Fix:     []string{"kubectl describe node NODE", "systemctl status containerd; journalctl -u containerd on the node (podling starts its own again within a second)", "crictl info: is NetworkReady true?"},
		Source:  []string{nodeSetters, "pkg/kubelet/runtime.go"},
		Example: Example{"DockerDaemonNotReady.yaml", "needs containerd to be stopped with SIGSTOP: one that dies is started again too soon"},
		Aliases: []string{"DockerDaemonNotReady", "ContainerRuntimeNotReady"},
	},
	{
		Name: "NodeStatusUnknown", Kind: Node, Where: onNode(v1.NodeReady, "reason"),
		Meaning: "The node has said nothing for 50 s.",
		Causes:  []string{"the machine is down, or cut off from the API server", "its kubelet has stopped, or has no valid certificate"},
		By:      byNodes,
		Next:    "It is tainted node.kubernetes.io/unreachable; its pods' Ready turns False at once, and they are evicted after the 300 s that they tolerate by default. Their containers may go on running.",
		Fix:     []string{"ping, ssh; systemctl status kubelet on the node", "kubectl get lease -n kube-node-lease NODE -o jsonpath='{.spec.renewTime}'", "a machine that will not come back: kubectl delete node NODE"},
		Source:  []string{"pkg/controller/nodelifecycle/node_lifecycle_controller.go"},
		Example: Example{"NodeStatusUnknown.yaml", "a node that exists only as an object, said once to be ready; takes about 50 s"},
	},
	{
		Name: "NodeStatusNeverUpdated", Kind: Node, Where: onNode(v1.NodeReady, "reason"),
		Meaning: "The Node object is there, but no kubelet has ever reported a status.",
		Causes:  []string{"the Node was made by hand or by a cloud, and its kubelet does not come up or has another name"},
		By:      byNodes,
		Next:    "Tainted node.kubernetes.io/unreachable, as with NodeStatusUnknown.",
		Fix:     []string{"look at the kubelet on the machine: --hostname-override, kubeconfig", "kubectl delete node NODE if there is no such machine"},
		Source:  []string{"pkg/controller/nodelifecycle/node_lifecycle_controller.go"},
		Example: Example{"DeletionByTaintManager.yaml", "a node that exists only as an object; takes about 50 s"},
	},
	{
		Name: "KubeletHasSufficientMemory", Kind: Node, Where: onNode(v1.NodeMemoryPressure, "reason"),
		Meaning: "The node has memory enough: MemoryPressure is False.",
		Causes:  []string{"more is free than the node's eviction thresholds ask for, and was for 5 minutes"},
		By:      byKubelet,
		Next:    "Nothing.",
		Fix:     []string{"nothing"},
		Source:  []string{nodeSetters},
		Example: Example{"Running.yaml", "the node that any pod runs on"},
	},
	{
		Name: "KubeletHasNoDiskPressure", Kind: Node, Where: onNode(v1.NodeDiskPressure, "reason"),
		Meaning: "The node has disk space and inodes enough: DiskPressure is False.",
		Causes:  []string{"more is free than the node's eviction thresholds ask for, and was for 5 minutes"},
		By:      byKubelet,
		Next:    "Nothing.",
		Fix:     []string{"nothing"},
		Source:  []string{nodeSetters},
		Example: Example{"Running.yaml", "the node that any pod runs on"},
	},
	{
		Name: "KubeletHasSufficientPID", Kind: Node, Where: onNode(v1.NodePIDPressure, "reason"),
		Meaning: "The node has process IDs enough: PIDPressure is False.",
		Causes:  []string{"more is free than the node's eviction thresholds ask for, and was for 5 minutes"},
		By:      byKubelet,
		Next:    "Nothing.",
		Fix:     []string{"nothing"},
		Source:  []string{nodeSetters},
		Example: Example{"Running.yaml", "the node that any pod runs on"},
	},
	{
		Name: "KubeletHasInsufficientMemory", Kind: Node, Where: onNode(v1.NodeMemoryPressure, "reason"),
		Meaning: "The node is short of memory: MemoryPressure is True.",
		Causes:  []string{"pods take more than they request", "programs outside of pods"},
		By:      byKubelet,
		Next:    "Pods without requests are not taken any more, and pods are evicted, one after the other, until it is better. The condition stays for 5 minutes after that.",
		Fix:     evictedFix,
		Source:  []string{nodeSetters},
		Example: Example{"KubeletHasInsufficientMemory.yaml", "needs a node that wants more free than there is: podling up --eviction-hard 'memory.available<1000Ti'"},
		Aliases: []string{"MemoryPressure"},
	},
	{
		Name: "KubeletHasDiskPressure", Kind: Node, Where: onNode(v1.NodeDiskPressure, "reason"),
		Meaning: "The node is short of disk space or inodes: DiskPressure is True.",
		Causes:  []string{"images and dead containers", "logs and emptyDirs that grow"},
		By:      byKubelet,
		Next:    "Dead containers and unused images are removed, then pods are evicted. The condition stays for 5 minutes after that.",
		Fix:     []string{"df -h; df -i; crictl rmi --prune on the node", "limits.ephemeral-storage, and sizeLimit on emptyDirs"},
		Source:  []string{nodeSetters},
		Example: Example{"KubeletHasDiskPressure.yaml", "needs a node that wants more free than there is: podling up --eviction-hard 'nodefs.available<1000Ti'"},
		Aliases: []string{"DiskPressure"},
	},
	{
		Name: "KubeletHasInsufficientPID", Kind: Node, Where: onNode(v1.NodePIDPressure, "reason"),
		Meaning: "The node is short of process IDs: PIDPressure is True.",
		Causes:  []string{"a container that starts processes without end"},
		By:      byKubelet,
		Next:    "Pods are evicted until it is better.",
		Fix:     []string{"ps -eLf | wc -l; cat /proc/sys/kernel/pid_max on the node", "podPidsLimit of the kubelet"},
		Source:  []string{nodeSetters},
		Example: Example{"KubeletHasInsufficientPID.yaml", "needs a node that wants more free than there are: podling up --eviction-hard 'pid.available<1G'"},
		Aliases: []string{"PIDPressure"},
	},
}
