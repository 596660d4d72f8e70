package worker

import (
	"testing"

	v1 "k8s.io/api/core/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/podling/podling/lifecycle"
)

func TestSeccompOfNode(t *testing.T) {
	name := "profiles/audit.json"
	pod := &v1.Pod{Spec: v1.PodSpec{SecurityContext: &v1.PodSecurityContext{
		SeccompProfile: &v1.SeccompProfile{Type: v1.SeccompProfileTypeLocalhost, LocalhostProfile: &name},
	}}}
	p, err := seccomp(pod, &v1.Container{}, "/node/seccomp")
	if err != nil || p.LocalhostRef != "/node/seccomp/profiles/audit.json" {
		t.Errorf("%v, %v", p, err)
	}
	for _, none := range []*string{nil, new("")} { // CVE-2023-2431
		pod.Spec.SecurityContext.SeccompProfile.LocalhostProfile = none
		if _, err := seccomp(pod, &v1.Container{}, "/node/seccomp"); err == nil {
			t.Errorf("a profile without a name is no error: %v", none)
		}
	}
}

func TestAppArmor(t *testing.T) {
	name := "mine"
	for _, c := range []struct {
		profile *v1.AppArmorProfile
		want    runtimeapi.SecurityProfile_ProfileType
		old     string
	}{
		{&v1.AppArmorProfile{Type: v1.AppArmorProfileTypeUnconfined}, runtimeapi.SecurityProfile_Unconfined, "unconfined"},
		{&v1.AppArmorProfile{Type: v1.AppArmorProfileTypeRuntimeDefault}, runtimeapi.SecurityProfile_RuntimeDefault, "runtime/default"},
		{&v1.AppArmorProfile{Type: v1.AppArmorProfileTypeLocalhost, LocalhostProfile: &name}, runtimeapi.SecurityProfile_Localhost, "localhost/mine"},
	} {
		p, err := appArmor(&v1.Pod{}, &v1.Container{SecurityContext: &v1.SecurityContext{AppArmorProfile: c.profile}})
		if err != nil || p.ProfileType != c.want || oldAppArmor(p) != c.old {
			t.Errorf("%s: %v %q, %v", c.profile.Type, p, oldAppArmor(p), err)
		}
	}
	if p, err := appArmor(&v1.Pod{}, &v1.Container{}); p != nil || err != nil || oldAppArmor(p) != "" {
		t.Errorf("none: %v, %v", p, err)
	}
}

// An ephemeral container sees the processes of the container that it names, if
// the pod's containers do not see one another's anyway.
func TestTarget(t *testing.T) {
	pod := &v1.Pod{Spec: v1.PodSpec{EphemeralContainers: []v1.EphemeralContainer{
		{EphemeralContainerCommon: v1.EphemeralContainerCommon{Name: "debug"}, TargetContainerName: "main"},
		{EphemeralContainerCommon: v1.EphemeralContainerCommon{Name: "alone"}},
	}}}
	seen := lifecycle.Observed{Containers: []lifecycle.Container{{ID: "containerd://new", Name: "main"}, {ID: "containerd://old", Name: "main"}}}
	of := func(name string) (target, error) {
		return (&starting{pass: &pass{pod: pod, seen: seen}, c: &v1.Container{Name: name}}).target()
	}
	debug, err := of("debug")
	if debug != "new" || err != nil {
		t.Errorf("target %q, %v", debug, err)
	}
	if alone, err := of("alone"); alone != "" || err != nil {
		t.Errorf("target %q, %v", alone, err)
	}
	seen.Containers = nil
	if _, err := of("debug"); err == nil || err.Error() != "unable to find target container main" {
		t.Errorf("without its target: %v", err)
	}
	in := debug.in(&runtimeapi.NamespaceOption{Pid: runtimeapi.NamespaceMode_CONTAINER, Ipc: runtimeapi.NamespaceMode_NODE})
	if in.Pid != runtimeapi.NamespaceMode_TARGET || in.TargetId != "new" || in.Ipc != runtimeapi.NamespaceMode_NODE {
		t.Errorf("namespaces %v", in)
	}
	if in := debug.in(&runtimeapi.NamespaceOption{Pid: runtimeapi.NamespaceMode_POD}); in.Pid != runtimeapi.NamespaceMode_POD {
		t.Errorf("namespaces of a pod that shares them: %v", in)
	}
}

func TestPortMappings(t *testing.T) {
	got := portMappings(&v1.Pod{Spec: v1.PodSpec{Containers: []v1.Container{{Ports: []v1.ContainerPort{
		{Name: "web", ContainerPort: 80},
		{Name: "web", ContainerPort: 81},
		{ContainerPort: 53, HostPort: 5353, HostIP: "127.0.0.1", Protocol: v1.ProtocolUDP},
	}}}}})
	if len(got) != 2 || got[0].ContainerPort != 80 || got[1].HostPort != 5353 || got[1].Protocol != runtimeapi.Protocol_UDP {
		t.Errorf("%v", got)
	}
}
