package node

import (
	"net"
	"runtime"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Labels that upstream keeps from before the stable ones.
const (
	labelBetaOS   = "beta.kubernetes.io/os"
	labelBetaArch = "beta.kubernetes.io/arch"
	// annotationAttach says that volumes are attached by a controller, not by the node.
	annotationAttach = "volumes.kubernetes.io/controller-managed-attach-detach"
)

// declared is what the API server and the scheduler may ask of this node (KEP-5328). The node's own
// port speaks WebSockets, so that the API server hands exec, attach and port-forward on as they come.
var declared = []string{"ExtendWebSocketsToKubelet", "InPlacePodLevelResourcesVerticalScaling", "InPlacePodVerticalScalingInitContainers",
	"RestartAllContainersOnContainerExits"}

// describe gives the node the labels and the status that it ought to have; what others put there
// stays.
func (n *Node) describe(node *v1.Node, now time.Time) {
	n.mu.Lock()
	s := n.seen
	n.mu.Unlock()

	labels := map[string]string{
		v1.LabelHostname:   n.cfg.Name,
		v1.LabelOSStable:   runtime.GOOS,
		v1.LabelArchStable: runtime.GOARCH,
		labelBetaOS:        runtime.GOOS,
		labelBetaArch:      runtime.GOARCH,
	}
	for _, more := range []map[string]string{labels, n.cfg.Labels} {
		for name, value := range more {
			metav1.SetMetaDataLabel(&node.ObjectMeta, name, value)
		}
	}
	metav1.SetMetaDataAnnotation(&node.ObjectMeta, annotationAttach, "true")
	for name, value := range n.cfg.Annotations {
		metav1.SetMetaDataAnnotation(&node.ObjectMeta, name, value)
	}

	status := &node.Status
	status.Addresses = addresses(n.cfg.IPs, n.cfg.Name)
	capacity := n.machine.capacity(n.cfg.MaxPods)
	var reserved v1.ResourceList
	if n.cfg.Reserved != nil {
		reserved = n.cfg.Reserved(capacity)
	}
	allocatable := n.machine.allocatable(n.cfg.MaxPods, reserved)
	for name, quantity := range n.cfg.Capacity {
		capacity[name], allocatable[name] = quantity, quantity
	}
	status.Capacity = merge(status.Capacity, capacity)
	status.Allocatable = merge(status.Allocatable, allocatable)
	status.NodeInfo = n.machine.info(n.cfg.Version, s.runtime.name)
	status.DaemonEndpoints.KubeletEndpoint.Port = n.cfg.Port()
	status.Images = s.images
	status.RuntimeHandlers = s.runtime.handlers
	status.Features = s.runtime.features
	status.DeclaredFeatures = declared
	status.Conditions = conditions(status.Conditions, s, now)
}

// info is what the node says of its machine and programs.
func (m machine) info(version, runtimeName string) v1.NodeSystemInfo {
	info := v1.NodeSystemInfo{
		MachineID: m.machineID, SystemUUID: m.systemUUID, BootID: m.bootID,
		KernelVersion: m.kernel, OSImage: m.os,
		ContainerRuntimeVersion: runtimeName, KubeletVersion: version,
		OperatingSystem: runtime.GOOS, Architecture: runtime.GOARCH,
	}
	if m.swap != 0 {
		info.Swap = &v1.NodeSwapStatus{Capacity: &m.swap}
	}
	return info
}

func addresses(ips []net.IP, name string) []v1.NodeAddress {
	var list []v1.NodeAddress
	for _, ip := range ips {
		list = append(list, v1.NodeAddress{Type: v1.NodeInternalIP, Address: ip.String()})
	}
	return append(list, v1.NodeAddress{Type: v1.NodeHostName, Address: name})
}

// merge overwrites in old what the node itself counts. Others may have put resources of their own
// there; huge pages of a size that the machine has no more go.
func merge(old, own v1.ResourceList) v1.ResourceList {
	merged := v1.ResourceList{}
	for name, quantity := range old {
		if !isHugePages(name) {
			merged[name] = quantity
		}
	}
	for name, quantity := range own {
		merged[name] = quantity
	}
	return merged
}

// differs is whether a status says something new: that it is younger is nothing new.
func differs(old, new *v1.NodeStatus) bool {
	return !equality.Semantic.DeepEqual(ageless(old), ageless(new))
}

func ageless(status *v1.NodeStatus) *v1.NodeStatus {
	status = status.DeepCopy()
	for i := range status.Conditions {
		status.Conditions[i].LastHeartbeatTime = metav1.Time{}
	}
	return status
}
