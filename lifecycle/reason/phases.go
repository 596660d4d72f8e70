package reason

const (
	apiTypes  = "k8s.io/api/core/v1/types.go"
	phaseRule = "pkg/kubelet/kubelet_pods.go"
)

// phases are the five words that sum a pod up.
var phases = []Reason{
	{
		Name: "Pending", Kind: Phase, Where: inPhase,
		Meaning: "The cluster has the pod, but not all of its containers have run yet.",
		Causes: []string{
			"no node was found for it yet",
			"its images are being pulled",
			"its volumes or its network are not there yet",
			"an init container has not done its part",
		},
		By:      byKubelet,
		Next:    "Running as soon as every container was started once. Nothing limits how long it may take.",
		Fix:     []string{"kubectl describe pod POD: its conditions and Events say what it waits for"},
		Source:  []string{apiTypes, phaseRule},
		Example: Example{"Unschedulable.yaml", "no node is large enough, so the pod stays as it is"},
	},
	{
		Name: "Running", Kind: Phase, Where: inPhase,
		Meaning: "The pod is on a node, all its containers were started, and at least one runs or is about to run again.",
		Causes: []string{
			"everything is as it should be",
			"a container crashes again and again: the phase stays Running through every back-off",
		},
		By:      byKubelet,
		Next:    "Stays so until no container is to run any more: then Succeeded or Failed.",
		Fix:     []string{"look at Ready and RESTARTS, not at the phase, to learn whether the pod is well"},
		Source:  []string{apiTypes, phaseRule},
		Example: Example{"Running.yaml", "a container that sleeps"},
	},
	{
		Name: "Succeeded", Kind: Phase, Where: inPhase,
		Meaning: "Every container has ended with exit code 0 and none will run again.",
		Causes:  []string{"a task has done its work, and restartPolicy is Never or OnFailure"},
		By:      byKubelet,
		Next:    "Final. The pod stays in the API until it is deleted, its Job's ttlSecondsAfterFinished is over, or there are 12,500 finished pods.",
		Fix:     []string{"nothing; kubectl logs POD shows what it wrote"},
		Source:  []string{apiTypes, phaseRule},
		Example: Example{"Completed.yaml", "a container that ends well and is not to be restarted"},
		Aliases: []string{"Complete"},
	},
	{
		Name: "Failed", Kind: Phase, Where: inPhase,
		Meaning: "Every container has ended, none will run again, and at least one ended badly; or the system ended the pod, or never took it.",
		Causes: []string{
			"a container ended with another exit code than 0, and restartPolicy is Never",
			"an init container failed for good",
			"the node refused or evicted the pod, or its deadline is over: status.reason says which",
		},
		By:      byKubelet,
		Next:    "Final. What made the pod (Job, ReplicaSet) decides whether there is another.",
		Fix:     []string{"kubectl get pod POD -o jsonpath='{.status.reason}: {.status.message}'", "kubectl logs POD --all-containers"},
		Source:  []string{apiTypes, phaseRule},
		Example: Example{"Error.yaml", "a container that ends with exit code 3 and is not to be restarted"},
	},
	{
		Name: "Unknown", Kind: Phase, Where: inPhase,
		Meaning: "What became of the pod cannot be found out, because its node does not answer.",
		Causes:  []string{"none today: nothing has set this phase since 2015"},
		By:      byNodes,
		Next:    "Today the phase stays what it was; Ready turns False, and after 300 s the pod is evicted. kubectl still prints Unknown for a pod with status.reason NodeLost that is being deleted.",
		Fix:     []string{"kubectl get node NODE; kubectl describe node NODE"},
		Source:  []string{apiTypes},
		Example: Example{"", "the API keeps the word, but no component of v1.36 writes it"},
	},
}
