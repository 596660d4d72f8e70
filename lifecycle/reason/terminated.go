package reason

const containerdWords = "github.com/containerd/containerd/v2/internal/cri/server/helpers.go"

// terminated is how a container ended. Once it waits to run again or runs, the
// same words stand in lastState.terminated.
var terminated = []Reason{
	{
		Name: "Completed", Kind: Terminated, Where: inTerminated,
		Meaning: "The container ended by itself, with exit code 0.",
		Causes:  []string{"it has done its work", "a server whose program returned instead of staying: it went to the background, or reads an empty input"},
		By:      byRuntime,
		Next:    "restartPolicy Always starts it again, with back-off; else it stays so.",
		Fix:     []string{"kubectl logs POD", "a server: run it in the foreground"},
		Source:  []string{containerdWords},
		Example: Example{"Completed.yaml", "a container that ends well and is not to be restarted"},
	},
	{
		Name: "Error", Kind: Terminated, Where: inTerminated,
		Meaning: "The container ended with another exit code than 0, or was killed by a signal.",
		Causes: []string{
			"the program failed: 1 and 2 are its own words",
			"137 is SIGKILL (128+9): killed after its grace period, or by somebody on the node",
			"143 is SIGTERM (128+15): asked to end, and it did not catch that",
			"126: not executable; 127: a shell did not find the command; 139: a segmentation fault",
		},
		By:      byRuntime,
		Next:    "restartPolicy Always and OnFailure start it again, with back-off; else the pod fails when its other containers have ended.",
		Fix:     []string{"kubectl logs POD -c CONTAINER --previous", "kubectl get pod POD -o jsonpath='{.status.containerStatuses[*].lastState.terminated.exitCode}'"},
		Source:  []string{containerdWords},
		Example: Example{"Error.yaml", "a container that ends with exit code 3 and is not to be restarted"},
	},
	{
		Name: "OOMKilled", Kind: Terminated, Where: inTerminated,
		Meaning: "The kernel killed the container because it, or a process in it, went beyond its memory limit. The exit code is 137.",
		Causes:  []string{"limits.memory is too small for the work", "a leak", "a runtime that sizes its heap by the machine instead of the limit", "files in an emptyDir of medium Memory, which count too"},
		By:      byRuntime,
		Next:    "Restarted by restartPolicy, with back-off.",
		Fix:     []string{"kubectl top pod POD --containers before it happens", "raise resources.limits.memory, or lower what the program takes: -XX:MaxRAMPercentage, GOMEMLIMIT, --max-old-space-size"},
		Source:  []string{containerdWords},
		Example: Example{"OOMKilled.yaml", "takes more than its limit of 16 MiB"},
	},
	{
		Name: "StartError", Kind: Terminated, Where: inTerminated,
		Meaning: "The container was made but never ran: starting it failed. The exit code is 128, and startedAt is 1970.",
		Causes:  []string{"the command is not in the image", "workingDir or a mount cannot be used", "the container's cgroup cannot be made as asked"},
		By:      byRuntime,
		Next:    "RunContainerError is shown with it; restarted by restartPolicy, with back-off.",
		Fix:     []string{"the message has the runtime's words", "kubectl get pod POD -o jsonpath='{.spec.containers[*].command}'"},
		Source:  []string{containerdWords},
		Example: Example{"StartError.yaml", "a command that the image does not have, not to be restarted"},
		Aliases: []string{"ContainerCannotRun"},
	},
	{
		Name: "Unknown", Kind: Terminated, Where: inTerminated,
		Meaning: "The container ended while the runtime did not look, and how is not known. The exit code is 255.",
		Causes:  []string{"the machine was restarted or lost power", "the runtime and the container's shim died together"},
		By:      byRuntime,
		Next:    "Restarted by restartPolicy.",
		Fix:     []string{"uptime and journalctl -b -1 on the node", "kubectl logs POD --previous"},
		Source:  []string{containerdWords},
		Example: Example{"Unknown.yaml", "needs the runtime and what minds the container to be killed together"},
	},
	{
		Name: "ContainerStatusUnknown", Kind: Terminated, Where: inTerminated,
		Meaning: "The runtime no longer has the container, so nobody knows how it ended. The exit code 137 is made up.",
		Causes:  []string{"the pod was evicted, or rejected after it had run, and its containers were removed before their end was noted", "containers were removed behind the node's back: crictl rm, a wiped disk", "a container that never came to run before the pod ended"},
		By:      byKubelet,
		Next:    "If the pod goes on, the container is made anew and restartCount rises by one.",
		Fix:     []string{"kubectl describe pod POD: was it evicted, or its node restarted?", "nobody but the node should remove its containers"},
		Source:  []string{"pkg/kubelet/container/runtime.go"},
		Example: Example{"ContainerStatusUnknown.yaml", "reaches its deadline while the container waits for an image that does not exist"},
	},
	{
		Name: "RestartingAllContainers", Kind: Terminated, Where: `status.containerStatuses[*].lastState.terminated.reason`,
		Meaning: "The container was ended because all containers of the pod start again.",
		Causes:  []string{"another container ended with an exit code for which restartPolicyRules say RestartAllContainers"},
		By:      byKubelet,
		Next:    "All containers run again, from the init containers on.",
		Fix:     []string{"look at the container whose rule asked for it"},
		Source:  []string{phaseRule, "KEP-5532"},
		Example: Example{"RestartingAllContainers.yaml", "main ends with 42 once, for which its rule restarts the whole pod"},
	},
}
