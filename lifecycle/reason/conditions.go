package reason

import v1 "k8s.io/api/core/v1"

// noResize is why nothing shows the change of a running pod's resources.
const noResize = "podling's node does not change the resources of running pods yet"

// conditionTypes are the questions that a pod's conditions answer, each with
// True, False or Unknown.
var conditionTypes = []Reason{
	{
		Name: "PodScheduled", Kind: Condition, Where: inCondition(v1.PodScheduled),
		Meaning: "Whether the pod has a node.",
		Causes: []string{
			"True: it was bound to the node in spec.nodeName",
			"False with Unschedulable: no node fits",
			"False with SchedulingGated: it is not to be scheduled yet",
		},
		By:      byScheduler,
		Next:    "While False, the scheduler tries again whenever something changes that may help, and after 5 minutes in any case.",
		Fix:     []string{"kubectl describe pod POD: the condition's message names what each node lacks"},
		Source:  []string{apiTypes, "pkg/scheduler/schedule_one.go"},
		Example: Example{"Running.yaml", "any pod that gets a node"},
	},
	{
		Name: "PodReadyToStartContainers", Kind: Condition, Where: inCondition(v1.PodReadyToStartContainers),
		Meaning: "Whether the pod's sandbox is there and has its network.",
		Causes: []string{
			"True: containers can be started",
			"False: the sandbox is still being made, could not be made, or was taken down with the pod",
		},
		By:      byKubelet,
		Next:    "Turns True when the sandbox is ready, before any image is pulled, and False when the pod has ended.",
		Fix:     []string{"if it stays False: the condition's reason on podling, and the Events FailedCreatePodSandBox, NetworkNotReady and FailedMount"},
		Source:  []string{apiTypes, "KEP-3085"},
		Example: Example{"Running.yaml", "any pod whose sandbox was made"},
		Aliases: []string{"PodHasNetwork"},
	},
	{
		Name: "Initialized", Kind: Condition, Where: inCondition(v1.PodInitialized),
		Meaning: "Whether all init containers have done their part: the ordinary ones ended well, the sidecars started.",
		Causes:  []string{"True at once if there are none", "False with ContainersNotInitialized while one is missing"},
		By:      byKubelet,
		Next:    "Once True it stays True, even if a new sandbox runs the init containers again.",
		Fix:     []string{"kubectl logs POD -c INIT-CONTAINER"},
		Source:  []string{apiTypes, conditionRules},
		Example: Example{"Running.yaml", "a pod without init containers"},
	},
	{
		Name: "ContainersReady", Kind: Condition, Where: inCondition(v1.ContainersReady),
		Meaning: "Whether every container, and every sidecar, runs and is ready.",
		Causes:  []string{"a container is not ready while it does not run or its readiness or startup probe has not succeeded"},
		By:      byKubelet,
		Next:    "Follows the containers at once.",
		Fix:     []string{"kubectl get pod POD -o jsonpath='{.status.conditions[?(@.type==\"ContainersReady\")].message}' names the containers"},
		Source:  []string{apiTypes, conditionRules},
		Example: Example{"Running.yaml", "a container without probes is ready as soon as it runs"},
	},
	{
		Name: "Ready", Kind: Condition, Where: inCondition(v1.PodReady),
		Meaning: "Whether the pod is to be sent traffic: ContainersReady, and every readiness gate is True.",
		Causes: []string{
			"False with ContainersNotReady: a container is not",
			"False with ReadinessGatesNotReady: a gate is not",
			"False without a change of the containers: the node has stopped answering",
		},
		By:      byKubelet,
		Next:    "Services add the pod when it turns True and leave it out when it turns False.",
		Fix:     []string{"kubectl describe pod POD: its Events show failing probes"},
		Source:  []string{apiTypes, conditionRules, "KEP-580"},
		Example: Example{"Running.yaml", "a container without probes is ready as soon as it runs"},
	},
	{
		Name: "DisruptionTarget", Kind: Condition, Where: inCondition(v1.DisruptionTarget),
		Meaning: "The pod is about to be ended by the system, and not because of what its containers did.",
		Causes: []string{
			"kubectl drain, or another use of the eviction API",
			"a taint that it does not tolerate, as on a node that does not answer",
			"a pod of higher priority needs its place",
			"the node is short of memory or disk, or shuts down",
			"its node is gone",
		},
		By:      "whoever ends the pod: API server, scheduler, kubelet or a controller",
		Next:    "The pod is deleted or becomes Failed. A Job's podFailurePolicy can ignore such failures.",
		Fix:     []string{"the condition's reason says who did it", "a PodDisruptionBudget limits how many pods are evicted at once"},
		Source:  []string{apiTypes, "KEP-3329"},
		Example: Example{"EvictionByEvictionAPI.yaml", "the pod is evicted through the API"},
	},
	{
		Name: "PodResizePending", Kind: Condition, Where: inCondition(v1.PodResizePending),
		Meaning: "A change of the resources of the running pod was asked for and not granted yet.",
		Causes:  []string{"Deferred: the node has no room for it now", "Infeasible: the node can never grant it"},
		By:      byKubelet,
		Next:    "A deferred change is tried again when other pods leave. The containers go on with what they have.",
		Fix:     []string{"kubectl get pod POD -o jsonpath='{.status.containerStatuses[*].allocatedResources}' shows what it has", "ask for less, or make room on the node"},
		Source:  []string{apiTypes, "KEP-1287"},
		Example: Example{"", noResize},
	},
	{
		Name: "PodResizeInProgress", Kind: Condition, Where: inCondition(v1.PodResizeInProgress),
		Meaning: "A change of the running pod's resources was granted and is being made.",
		Causes:  []string{"kubectl patch pod POD --subresource resize with other cpu or memory"},
		By:      byKubelet,
		Next:    "Goes away once the runtime enforces the new values. With reason Error the message says what failed; it is tried again.",
		Fix:     []string{"to shrink memory below what is in use: free it first, or let resizePolicy restart the container"},
		Source:  []string{apiTypes, "KEP-1287"},
		Example: Example{"", noResize},
	},
	{
		Name: "AllContainersRestarting", Kind: Condition, Where: inCondition(v1.AllContainersRestarting),
		Meaning: "All containers of the pod are being taken down to start again in the same pod.",
		Causes:  []string{"a container ended with an exit code for which restartPolicyRules say RestartAllContainers"},
		By:      byKubelet,
		Next:    "True until the old containers are removed; then the init containers run again.",
		Fix:     []string{"kubectl logs POD -c CONTAINER --previous shows why the container ended"},
		Source:  []string{apiTypes, conditionRules, "KEP-5532"},
		Example: Example{"RestartingAllContainers.yaml", "main ends with 42 once, for which its rule restarts the whole pod"},
	},
}
