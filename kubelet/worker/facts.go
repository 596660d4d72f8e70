package worker

import (
	"cmp"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/podling/podling/lifecycle"
)

// The labels and annotations by which the node finds its own again; upstream's
// names, so that crictl and log collectors read them (pkg/kubelet/kuberuntime/labels.go).
const (
	LabelPodName       = "io.kubernetes.pod.name"
	LabelPodNamespace  = "io.kubernetes.pod.namespace"
	LabelPodUID        = "io.kubernetes.pod.uid"
	LabelContainerName = "io.kubernetes.container.name"

	annotationHash          = "io.kubernetes.container.hash"
	annotationResources     = "podling.dev/resources" // that the container was given when it was made
	annotationRestartCount  = "io.kubernetes.container.restartCount"
	annotationMessagePath   = "io.kubernetes.container.terminationMessagePath"
	annotationMessagePolicy = "io.kubernetes.container.terminationMessagePolicy"
)

// sandboxFact is what the runtime says about a sandbox, in the core's words.
func sandboxFact(s *runtimeapi.PodSandboxStatus) lifecycle.Sandbox {
	out := lifecycle.Sandbox{
		ID: s.GetId(), Attempt: s.GetMetadata().GetAttempt(), CreatedAt: time.Unix(0, s.GetCreatedAt()),
		Ready:       s.GetState() == runtimeapi.PodSandboxState_SANDBOX_READY,
		HostNetwork: s.GetLinux().GetNamespaces().GetOptions().GetNetwork() == runtimeapi.NamespaceMode_NODE,
	}
	if ip := s.GetNetwork().GetIp(); ip != "" {
		out.IPs = append(out.IPs, ip)
		for _, more := range s.Network.AdditionalIps {
			out.IPs = append(out.IPs, more.GetIp())
		}
	}
	return out
}

var states = map[runtimeapi.ContainerState]lifecycle.ContainerState{
	runtimeapi.ContainerState_CONTAINER_CREATED: lifecycle.Created,
	runtimeapi.ContainerState_CONTAINER_RUNNING: lifecycle.Running,
	runtimeapi.ContainerState_CONTAINER_EXITED:  lifecycle.Exited,
	runtimeapi.ContainerState_CONTAINER_UNKNOWN: lifecycle.Unknown,
}

// State is the runtime's word for a container's state, in the core's words.
func State(s runtimeapi.ContainerState) lifecycle.ContainerState { return states[s] }

// containerFact is what the runtime says about a container, in the core's words
// (upstream: toKubeContainerStatus in pkg/kubelet/kuberuntime/kuberuntime_container.go).
func containerFact(runtimeName, sandboxID string, s *runtimeapi.ContainerStatus) lifecycle.Container {
	c := lifecycle.Container{
		ID: runtimeName + "://" + s.GetId(), Name: s.GetLabels()[LabelContainerName], SandboxID: sandboxID,
		Image: s.GetImage().GetImage(), ImageID: s.GetImageRef(), Hash: s.GetAnnotations()[annotationHash],
		State: states[s.GetState()], CreatedAt: time.Unix(0, s.GetCreatedAt()), User: user(s.GetUser()),
	}
	if n, err := strconv.ParseInt(s.GetAnnotations()[annotationRestartCount], 10, 32); err == nil {
		c.RestartCount = int32(n)
	}
	if neverBegan(s) {
		c.State = lifecycle.Created
	}
	if c.State != lifecycle.Created {
		c.StartedAt = time.Unix(0, s.GetStartedAt())
	}
	if c.State == lifecycle.Exited {
		c.FinishedAt, c.ExitCode, c.Reason, c.Message = time.Unix(0, s.GetFinishedAt()), s.GetExitCode(), s.GetReason(), s.GetMessage()
		if m := terminationMessage(s); m != "" {
			if c.Message != "" {
				c.Message += ": "
			}
			c.Message += m
		}
	}
	return c
}

// neverBegan: the start of the container was cut off before there was a process, because the node that
// asked for it died. It has not failed, and is started like one that was made and not started.
// (containerd says so: StartContainer in internal/cri/server/container_start.go. What it calls "failed to
// start containerd task" may have begun, and was killed.)
func neverBegan(s *runtimeapi.ContainerStatus) bool {
	return s.GetState() == runtimeapi.ContainerState_CONTAINER_EXITED && s.GetReason() == "StartError" && s.GetStartedAt() == 0 &&
		strings.Contains(s.GetMessage(), "failed to create containerd task: ") && strings.HasSuffix(s.GetMessage(), "context canceled")
}

func user(u *runtimeapi.ContainerUser) *v1.ContainerUser {
	if u == nil {
		return nil
	}
	out := &v1.ContainerUser{}
	if l := u.GetLinux(); l != nil {
		out.Linux = &v1.LinuxContainerUser{UID: l.GetUid(), GID: l.GetGid(), SupplementalGroups: l.GetSupplementalGroups()}
	}
	return out
}

// enforced are the resources that the runtime enforces, put over those that the
// container was given; a value that the runtime cannot know stays as given
// (upstream: toKubeContainerResources and convertContainerStatusResources).
func enforced(given v1.ResourceRequirements, r *runtimeapi.LinuxContainerResources) *v1.ResourceRequirements {
	out := given.DeepCopy()
	if r == nil {
		return out
	}
	if q, ok := out.Limits[v1.ResourceCPU]; ok && r.CpuPeriod > 0 && r.CpuQuota > 0 {
		if milli := r.CpuQuota * 1000 / r.CpuPeriod; milli != q.MilliValue() && milli > 10 {
			out.Limits[v1.ResourceCPU] = *resource.NewMilliQuantity(milli, resource.DecimalSI)
		}
	}
	if q, ok := out.Limits[v1.ResourceMemory]; ok && r.MemoryLimitInBytes > 0 && r.MemoryLimitInBytes != q.Value() {
		out.Limits[v1.ResourceMemory] = *resource.NewQuantity(r.MemoryLimitInBytes, resource.BinarySI)
	}
	if q, ok := out.Requests[v1.ResourceCPU]; ok && r.CpuShares > 2 {
		if milli := int64(math.Ceil(float64(r.CpuShares*1000) / 1024)); milli != q.MilliValue() {
			out.Requests[v1.ResourceCPU] = *resource.NewMilliQuantity(milli, resource.DecimalSI)
		}
	}
	return out
}

// The most that a termination message and its replacement from the log may hold
// (upstream: pkg/kubelet/container/runtime.go).
const (
	maxMessage      = 4096
	maxMessageLog   = 2048
	maxMessageLines = 80
)

// terminationMessage is what the container left in its message file, or, if it
// asked for that and failed without a word, the end of its log.
func terminationMessage(s *runtimeapi.ContainerStatus) string {
	path := s.GetAnnotations()[annotationMessagePath]
	for _, m := range s.GetMounts() {
		if path != "" && m.GetContainerPath() == path {
			if text := tail(m.GetHostPath(), maxMessage); text != "" {
				return text
			}
		}
	}
	if s.GetAnnotations()[annotationMessagePolicy] == string(v1.TerminationMessageFallbackToLogsOnError) && s.GetExitCode() != 0 {
		return logTail(s.GetLogPath())
	}
	return ""
}

// tail is the end of a regular file, "" if there is none: the container may have
// put anything in its place, a link to the host's files or a pipe without an end.
func tail(path string, n int64) string {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return ""
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return ""
	}
	if info.Size() > n {
		if _, err := f.Seek(-n, io.SeekEnd); err != nil {
			return ""
		}
	}
	raw, err := io.ReadAll(io.LimitReader(f, n))
	if err != nil {
		return ""
	}
	return string(raw)
}

// upsert puts c in its place. A container never goes back to an earlier state:
// such news is old news.
func upsert(list []lifecycle.Container, c lifecycle.Container) []lifecycle.Container {
	rank := map[lifecycle.ContainerState]int{lifecycle.Created: 1, lifecycle.Unknown: 1, lifecycle.Running: 2, lifecycle.Exited: 3}
	out := slices.Clone(list)
	for i := range out {
		if out[i].ID == c.ID {
			if rank[c.State] < rank[out[i].State] {
				return out
			}
			if out[i].Resources != nil && c.State == lifecycle.Running {
				c.Resources = out[i].Resources // what it was given since it was made, its annotation does not tell
			}
			out[i] = c
			return out
		}
	}
	out = append(out, c)
	slices.SortStableFunc(out, func(a, b lifecycle.Container) int { // by times last: the clock may have stood still, or was put back
		return cmp.Or(cmp.Compare(b.RestartCount, a.RestartCount), b.CreatedAt.Compare(a.CreatedAt))
	})
	return out
}

func upsertSandbox(list []lifecycle.Sandbox, s lifecycle.Sandbox) []lifecycle.Sandbox {
	out := slices.Clone(list)
	for i := range out {
		if out[i].ID == s.ID {
			if !out[i].Ready {
				s.Ready, s.LostAt = false, out[i].LostAt // a sandbox that stopped does not come back
			}
			if len(s.IPs) == 0 {
				s.IPs = out[i].IPs
			}
			out[i] = s
			return out
		}
	}
	out = append(out, s)
	slices.SortStableFunc(out, func(a, b lifecycle.Sandbox) int {
		return cmp.Or(cmp.Compare(b.Attempt, a.Attempt), b.CreatedAt.Compare(a.CreatedAt))
	})
	return out
}
