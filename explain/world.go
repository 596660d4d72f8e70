package explain

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	v1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
)

// World is all that an explanation is made from. It is only read.
type World struct {
	// Now is the moment that is explained; what is due is counted from here.
	Now time.Time
	Pod *v1.Pod
	// Gone says that the pod has been deleted, and Pod is its last state.
	Gone bool
	// Timeline is what the pod went through before, oldest first; it may be empty.
	Timeline []Moment

	Events []v1.Event // about the pod, in any order
	Logs   []Log      // of its containers

	Nodes []v1.Node
	// Pods are the others of the cluster, as far as they take room on Nodes.
	Pods []v1.Pod

	ConfigMaps, Secrets, ServiceAccounts []Named // of the pod's namespace
	Claims                               []v1.PersistentVolumeClaim
	Volumes                              []v1.PersistentVolume
	Classes                              []storagev1.StorageClass
	Budgets                              []policyv1.PodDisruptionBudget
	Services                             []v1.Service

	// Images are names of images that are known to exist: those of other pods and on nodes.
	Images []string

	// Unseen is what nobody looked at, and what was not to be seen, with the reason.
	Unseen map[Part]string
}

// Moment is a state of the pod.
type Moment struct {
	Time time.Time
	Pod  *v1.Pod
}

// Named is an object of which only its name and its keys count: no secret leaves the cluster.
type Named struct {
	Name string
	// Keys are what is in its data; nil if only the name is known.
	Keys []string
}

// Log is the end of what a container wrote.
type Log struct {
	Container string
	// Previous says that it is of the run before the present one.
	Previous bool
	Lines    []string
	// Err is why there is nothing; "" if there is.
	Err string
}

// Part is a part of the world.
type Part string

// The parts that may have been out of sight.
const (
	PartEvents          Part = "events"
	PartLogs            Part = "logs"
	PartNodes           Part = "nodes"
	PartPods            Part = "other pods"
	PartConfigMaps      Part = "configmaps"
	PartSecrets         Part = "secrets"
	PartServiceAccounts Part = "serviceaccounts"
	PartClaims          Part = "persistentvolumeclaims"
	PartVolumes         Part = "persistentvolumes"
	PartClasses         Part = "storageclasses"
	PartBudgets         Part = "poddisruptionbudgets"
	PartSpec            Part = "the pod's spec"
)

// Controller is an object that makes pods, with what counts about it; exactly one of
// the pointers is set.
type Controller struct {
	Now         time.Time
	Deployment  *appsv1.Deployment
	ReplicaSet  *appsv1.ReplicaSet
	StatefulSet *appsv1.StatefulSet
	DaemonSet   *appsv1.DaemonSet
	Job         *batchv1.Job
	CronJob     *batchv1.CronJob

	// Events are about it and about those of Below.
	Events []v1.Event
	// Below are what stands between it and its pods: a Deployment's ReplicaSets, a CronJob's Jobs.
	Below []Controller
	// Pods are the explanations of its pods.
	Pods []Explanation
	// Unseen is as in World.
	Unseen map[Part]string
}
