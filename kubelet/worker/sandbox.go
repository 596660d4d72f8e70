package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	v1 "k8s.io/api/core/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/podling/podling/kubelet/cgroup"
	"github.com/podling/podling/kubelet/dns"
	"github.com/podling/podling/lifecycle"
	"github.com/podling/podling/runtime/fault"
)

// createSandbox makes the pod's sandbox with its network (upstream:
// createPodSandbox in pkg/kubelet/kuberuntime/kuberuntime_sandbox.go).
func (p *pass) createSandbox(ctx, patience context.Context, a lifecycle.Action) bool {
	failed := func(reason, what string, err error) bool {
		p.criError(err)
		f := p.fail(p.seen.Sandbox, reason, err.Error())
		p.event(v1.EventTypeWarning, reason, "", what+err.Error())
		p.tell(func(o *lifecycle.Observed) { o.Sandbox = f })
		return false
	}
	parent, err := p.cgroup(ctx)
	if err != nil {
		return failed("FailedCreatePodContainer", "unable to ensure pod container exists: ", err)
	}
	if err := p.node.Claims.Prepare(ctx, p.pod); err != nil {
		return failed("FailedPrepareDynamicResources", "Failed to prepare dynamic resources: ", err)
	}
	config, err := p.sandboxConfig(ctx, a.Attempt, parent)
	if err == nil && !p.node.Simulated {
		err = os.MkdirAll(config.LogDirectory, 0o755)
	}
	var id string
	if err == nil {
		if id, err = p.node.Runtime.RunPodSandbox(ctx, config, p.handler); err != nil {
			p.lookAgain(ctx)
		}
	}
	if err != nil {
		return failed("FailedCreatePodSandBox", "Failed to create pod sandbox: ", err)
	}
	r, err := p.node.Runtime.PodSandboxStatus(ctx, id, false)
	if err != nil {
		return failed("FailedPodSandBoxStatus", "Unable to get pod sandbox status: ", err) // it is there: the runtime's own news tell how it is
	}
	p.sandbox = config
	rro := p.node.Handlers.RecursiveReadOnly(p.handler)
	p.tell(func(o *lifecycle.Observed) {
		o.Sandboxes, o.Sandbox = upsertSandbox(o.Sandboxes, sandboxFact(r.GetStatus())), nil
		o.RecursiveReadOnly = rro
	})
	if p.node.Simulated {
		p.untilDecided(patience)
	}
	return true
}

// sandboxStands makes sure that the sandbox is still there, if it is older than
// this pass: when it dies its containers' ends are heard of first.
func (p *pass) sandboxStands(ctx context.Context) bool {
	if p.sandbox != nil {
		return true
	}
	r, err := p.node.Runtime.PodSandboxStatus(ctx, p.sandboxID(), false)
	if err != nil && !notFound(err) {
		p.criError(err)
		return true // the next call says what is wrong
	}
	s := p.seen.Sandboxes[0]
	s.Ready = err == nil && r.GetStatus().GetState() == runtimeapi.PodSandboxState_SANDBOX_READY
	if !s.Ready {
		s.LostAt = p.node.Clock.Now()
	}
	p.tell(func(o *lifecycle.Observed) { o.Sandboxes = upsertSandbox(o.Sandboxes, s) })
	return s.Ready
}

// cgroup gives the cgroup that all of the pod's containers are in.
func (p *pass) cgroup(ctx context.Context) (string, error) {
	err := p.node.Faults.Strike(ctx, fault.EnsurePodCgroup)
	if err != nil {
		return "", err
	}
	parent, err := p.node.Cgroups.Ensure(p.pod)
	if errors.Is(err, cgroup.ErrLimit) {
		p.log().Error(err, "The pod as a whole is not limited") // as upstream has it: its containers' own limits say what is wrong
	} else if err != nil {
		return "", fmt.Errorf("cgroup of the pod: %w", err)
	}
	p.tell(func(o *lifecycle.Observed) { o.Given = p.pod.Spec.Resources })
	return parent, nil
}

// sandboxConfig is what the runtime is told about the pod, and finds out which of
// the runtime's handlers it is for (upstream: generatePodSandboxConfig).
func (p *pass) sandboxConfig(ctx context.Context, attempt uint32, parent string) (*runtimeapi.PodSandboxConfig, error) {
	pod := p.pod
	var err error
	if p.handler, err = p.node.Handlers.Of(ctx, pod); err != nil {
		return nil, err
	}
	users, err := p.node.Users.Of(pod, p.handler)
	if err != nil {
		return nil, err
	}
	resolver, err := dns.Config(pod, p.node.ClusterDNS, p.node.ClusterDomain, p.node.ResolvConf, func(message string) {
		p.event(v1.EventTypeWarning, "DNSConfigForming", "", message)
	})
	if err != nil {
		return nil, err
	}
	config := &runtimeapi.PodSandboxConfig{
		Metadata:     &runtimeapi.PodSandboxMetadata{Name: pod.Name, Namespace: pod.Namespace, Uid: string(pod.UID), Attempt: attempt},
		Labels:       podLabels(pod),
		Annotations:  pod.Annotations,
		DnsConfig:    resolver,
		LogDirectory: p.node.PodLogs(pod),
		PortMappings: portMappings(pod),
		Linux: &runtimeapi.LinuxPodSandboxConfig{
			CgroupParent: parent, SecurityContext: sandboxSecurity(pod, users), Sysctls: sysctls(pod),
			Resources: cgroup.SandboxResources(pod), Overhead: cgroup.Overhead(pod),
		},
	}
	config.Linux.SecurityContext.SupplementalGroups = append(config.Linux.SecurityContext.SupplementalGroups, p.volumeGroups()...)
	if !pod.Spec.HostNetwork {
		host, domain, err := dns.Hostname(pod, p.node.ClusterDomain)
		if err != nil {
			return nil, err
		}
		if config.Hostname, err = dns.NodeName(pod, host, domain); err != nil {
			return nil, err
		}
	}
	return config, nil
}

func podLabels(pod *v1.Pod) map[string]string {
	out := map[string]string{}
	for k, v := range pod.Labels {
		out[k] = v
	}
	out[LabelPodName], out[LabelPodNamespace], out[LabelPodUID] = pod.Name, pod.Namespace, string(pod.UID)
	return out
}

// portMappings are the ports of the pod's containers. The runtime maps those with
// a host port (upstream: MakePortMappings in pkg/kubelet/container/helpers.go,
// which takes the first of ports of one name).
func portMappings(pod *v1.Pod) []*runtimeapi.PortMapping {
	protocols := map[v1.Protocol]runtimeapi.Protocol{v1.ProtocolUDP: runtimeapi.Protocol_UDP, v1.ProtocolSCTP: runtimeapi.Protocol_SCTP}
	var out []*runtimeapi.PortMapping
	for _, c := range pod.Spec.Containers {
		named := map[string]bool{}
		for _, port := range c.Ports {
			if port.Name != "" && named[port.Name] {
				continue
			}
			named[port.Name] = true
			out = append(out, &runtimeapi.PortMapping{HostIp: port.HostIP, HostPort: port.HostPort, ContainerPort: port.ContainerPort, Protocol: protocols[port.Protocol]})
		}
	}
	return out
}

// PodLogs is where the pod's logs lie; upstream's layout, which log collectors know.
func (n *Node) PodLogs(pod *v1.Pod) string {
	return filepath.Join(n.LogDir, fmt.Sprintf("%s_%s_%s", pod.Namespace, pod.Name, pod.UID))
}

// PodDir is the pod's own folder.
func (n *Node) PodDir(pod *v1.Pod) string { return filepath.Join(n.RootDir, "pods", string(pod.UID)) }

// remove takes away what the runtime and the disk still have of a pod that is
// over: its dead sandboxes with their containers, its logs, its folder.
func (n *Node) remove(ctx context.Context, pod *v1.Pod, seen *lifecycle.Observed) {
	ctx = fault.For(ctx, pod, "", "")
	for _, s := range seen.Sandboxes {
		if err := n.Runtime.RemovePodSandbox(ctx, s.ID); err != nil && !notFound(err) {
			return // the next relist finds it and tries again
		}
	}
	_ = os.RemoveAll(n.PodLogs(pod)) // what is left is found as an orphan
	_ = os.RemoveAll(n.PodDir(pod))
}
