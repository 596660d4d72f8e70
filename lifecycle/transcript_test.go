package lifecycle

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// story is the state of one transcript: a pod, what is seen of it, and the time.
//
// The commands of testdata/*.txt:
//
//	pod [static]    a new pod, whose spec is the YAML below
//	spec            the pod's spec is replaced; its generation grows
//	delete [grace=N]  the pod is deleted; gone: it leaves the API
//	sandbox [ready=false] [ip=A]
//	container NAME created|running|exited [code=N] [reason=R] [cpu=Q] [said=BYTES]
//	removed NAME  the runtime has none of that name any more
//	resources NAME cpu=Q  the runtime gives it that
//	given CPU     what the pod as a whole was given
//	noroom REASON | room  for the resize that the last spec asks for
//	fail NAME REASON [exited] [pull]   a start failed; pull: the image's back-off begins
//	probe NAME started|ready|live true|false
//	volumes mounted|failed | cleanup failed
//	network WHY | evict REASON | killed | cleaned | busy VERB | idle
//	admit [affinity=no] [tolerated=no] [apparmor=WHY] [groups=no]  asks a node of 2 CPUs and 1 GiB to take the pod
//	decide          asks Decide and reports its status: what changed, then the plan
//	next NAME       asks NextStep how the container's start goes on, after the steps below
//	reboot          the node begins anew: of the probes nothing is known
//	+DURATION       time passes
type story struct {
	pod  *v1.Pod
	seen Observed

	asked, given *v1.Pod // as the spec has it; before it asked for other resources

	now time.Time
	n   int
}

func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		if filepath.Base(path) == "every.txt" {
			return // TestEveryOrder's
		}
		s := &story{now: time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			return s.run(t, d)
		})
	})
}

func (s *story) run(t *testing.T, d *datadriven.TestData) string {
	args := make([]string, len(d.CmdArgs))
	for i, a := range d.CmdArgs {
		args[i] = a.Key
	}
	opt := func(key, otherwise string) string {
		for _, a := range d.CmdArgs {
			if a.Key == key && len(a.Vals) > 0 {
				return a.Vals[0]
			}
		}
		return otherwise
	}
	switch d.Cmd {
	case "pod":
		s.pod = &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "ns", UID: "u", Generation: 1}}
		if slices.Contains(args, "static") {
			s.pod.Annotations, s.pod.Generation = map[string]string{sourceAnnotation: "file"}, 0
		}
		s.seen = Observed{HostIPs: []string{"192.0.2.1"}}
		fallthrough
	case "spec":
		spec := v1.PodSpec{RestartPolicy: v1.RestartPolicyAlways}
		if err := yaml.UnmarshalStrict([]byte(d.Input), &spec); err != nil {
			d.Fatalf(t, "%v", err)
		}
		s.given = s.pod.DeepCopy()
		s.pod.Spec = spec
		if d.Cmd == "spec" {
			s.pod.Generation++
			if !SameResources(s.pod, s.given) {
				s.seen.Resized = s.pod.Generation
			}
		}
		s.asked = s.pod.DeepCopy()
		s.pod.Status.Phase = v1.PodPending
		return ""
	case "delete":
		grace := int64(30)
		fmt.Sscan(opt("grace", "30"), &grace)
		at := metav1.NewTime(s.now)
		s.pod.DeletionTimestamp, s.pod.DeletionGracePeriodSeconds = &at, &grace
		s.pod.Generation++
		if static(s.pod) { // its manifest is gone, of which the API knows nothing
			s.pod.DeletionGracePeriodSeconds, s.pod.Generation = nil, 0
		}
	case "gone":
		s.seen.Gone = true
	case "admit":
		return admission(s.pod, opt)
	case "decide":
		return s.decide()
	case "next":
		return s.next(t, d, args[0])
	default:
		if strings.HasPrefix(d.Cmd, "+") {
			pass, err := time.ParseDuration(d.Cmd[1:])
			if err != nil {
				d.Fatalf(t, "%v", err)
			}
			s.now = s.now.Add(pass)
			return ""
		}
		if !s.fact(d.Cmd, args, opt) {
			d.Fatalf(t, "no such command: %s", d.Cmd)
		}
	}
	return ""
}

// fact changes what is seen.
func (s *story) fact(cmd string, args []string, opt func(key, otherwise string) string) bool {
	switch cmd {
	case "sandbox":
		s.n++
		box := Sandbox{ID: fmt.Sprint("box", s.n), Ready: opt("ready", "true") == "true", IPs: []string{opt("ip", "10.0.0.9")}, Attempt: uint32(len(s.seen.Sandboxes))}
		if len(s.seen.Sandboxes) > 0 && !box.Ready {
			s.seen.Sandboxes[0].Ready, s.seen.Sandboxes[0].LostAt = false, s.now
			return true
		}
		s.seen.Sandboxes = append([]Sandbox{box}, s.seen.Sandboxes...)
	case "container":
		s.container(args[0], ContainerState(args[1]), opt)
	case "removed":
		s.seen.Containers = slices.DeleteFunc(s.seen.Containers, func(c Container) bool { return c.Name == args[0] })
	case "fail":
		f := &Failure{Reason: args[1], Message: "what went wrong", At: s.now, Attempts: 1, Image: specImage(s.pod, args[0])}
		if slices.Contains(args, "exited") {
			f.Exited = s.seen.newest(args[0]).ID
		}
		if slices.Contains(args, "pull") {
			f.Pull = f.Image
			was := s.seen.Pulls[f.Image].Backoff
			if s.seen.Pulls == nil {
				s.seen.Pulls = map[string]ImagePull{}
			}
			s.seen.Pulls[f.Image] = ImagePull{Reason: f.Reason, Message: f.Message, Backoff: was.Next(f.Image, s.now, s.now)}
		}
		if was := s.seen.Failures[args[0]]; was != nil {
			f.Attempts = was.Attempts + 1
		}
		if s.seen.Failures == nil {
			s.seen.Failures = map[string]*Failure{}
		}
		s.seen.Failures[args[0]] = f
	case "probe":
		id, value := s.seen.newest(args[0]).ID, args[2] == "true"
		if s.seen.Probes == nil {
			s.seen.Probes = map[string]Probes{}
		}
		p := s.seen.Probes[id]
		*map[string]**bool{"started": &p.Started, "ready": &p.Ready, "live": &p.Live}[args[1]] = &value
		s.seen.Probes[id] = p
	case "volumes":
		s.seen.Volumes = Volumes{Mounted: args[0] == "mounted"}
		if args[0] == "failed" {
			s.seen.Volumes.Failure = &Failure{Reason: "FailedMount", Message: "no such config map", At: s.now, Attempts: 1}
		}
	case "cleanup":
		s.seen.CleanUp = &Failure{Message: "busy", At: s.now, Attempts: 1}
	case "resources":
		s.give(s.seen.newest(args[0]), opt("cpu", ""))
	case "given":
		s.seen.Given = &v1.ResourceRequirements{Requests: v1.ResourceList{v1.ResourceCPU: resource.MustParse(args[0])}}
	case "noroom":
		s.seen.Resize, s.seen.Asked, s.seen.Resized = &Rejection{args[0], "the node is full"}, s.asked, 0
		s.pod = WithResourcesOf(s.asked, s.given)
	case "room":
		s.seen.Resize, s.seen.Asked, s.seen.Resized = nil, nil, s.pod.Generation
		s.pod = s.asked
	case "network":
		s.seen.Network = strings.Join(args, " ")
	case "evict":
		grace := int64(1)
		s.seen.Evict = &Eviction{Reason: args[0], Message: "the node needs room", Grace: &grace}
		if slices.Contains(args, "condition") {
			s.seen.Evict.Condition = &v1.PodCondition{Type: v1.DisruptionTarget, Status: v1.ConditionTrue, Reason: "TerminationByKubelet"}
		}
	case "reboot":
		s.seen.Since, s.seen.Probes = s.now, nil
	case "killed":
		s.seen.Killed = true
	case "cleaned":
		s.seen.Cleaned = true
	case "busy":
		s.seen.Pass = []Action{{Verb: Verb(strings.Join(args, " ")), Grace: 30}}
	case "idle":
		s.seen.Pass = nil
	default:
		return false
	}
	return true
}

func (s *story) container(name string, state ContainerState, opt func(key, otherwise string) string) {
	c := s.seen.newest(name)
	if c == nil || c.State == Exited {
		restarts := int32(0)
		if c != nil {
			restarts = c.RestartCount + 1
		}
		s.n++
		spec := find3(s.pod, name)
		fresh := Container{ID: fmt.Sprint("rt://", name, s.n), Name: name, RestartCount: restarts, CreatedAt: s.now, StartedAt: s.now, Image: spec.Image, ImageID: "sha256:1", Hash: Hash(spec)}
		if len(s.seen.Sandboxes) > 0 {
			fresh.SandboxID = s.seen.Sandboxes[0].ID
		}
		s.seen.Containers = append([]Container{fresh}, s.seen.Containers...)
		c = &s.seen.Containers[0]
		if state == Running {
			delete(s.seen.Failures, name)
			s.seen.Started = fresh.ID
		}
	}
	c.State = state
	if cpu := opt("cpu", ""); cpu != "" {
		s.give(c, cpu)
	}
	if state == Exited {
		c.FinishedAt = s.now
		fmt.Sscan(opt("code", "0"), &c.ExitCode)
		said := 0
		fmt.Sscan(opt("said", "0"), &said)
		c.Message = strings.Repeat("x", said)
		c.Reason = opt("reason", map[bool]string{true: "Completed", false: "Error"}[c.ExitCode == 0])
	}
}

func admission(pod *v1.Pod, opt func(key, otherwise string) string) string {
	room := Room{OS: "linux", AffinityMatches: opt("affinity", "") != "no", Tolerated: opt("tolerated", "") != "no", AppArmor: opt("apparmor", ""),
		StrictGroups: opt("groups", "") != "no"}
	room.Allocatable = v1.ResourceList{v1.ResourceCPU: resource.MustParse("2"), v1.ResourceMemory: resource.MustParse("1Gi"), v1.ResourcePods: resource.MustParse("10")}
	if r := Admit(pod, room); r != nil {
		return r.Reason + ": " + r.Message + "\n"
	}
	return "taken\n"
}

// give: the runtime has given the container that much CPU.
func (s *story) give(c *Container, cpu string) {
	c.Resources = &v1.ResourceRequirements{Requests: v1.ResourceList{v1.ResourceCPU: resource.MustParse(cpu)}}
}

func (s *story) decide() string {
	old := s.seen.Reported
	if old == nil {
		old = &s.pod.Status
	}
	p := Decide(s.pod, s.seen, s.now)
	if again := Decide(s.pod, s.seen, s.now); !reflect.DeepEqual(again, p) {
		return "NOT THE SAME ANSWER TWICE"
	}
	var out strings.Builder
	if !p.Report {
		out.WriteString("status: not reported\n")
	} else {
		was, is := lines(old), lines(&p.Status)
		for _, l := range is {
			if !slices.Contains(was, l) {
				fmt.Fprintf(&out, "%s\n", l)
			}
		}
		s.seen.Reported = &p.Status
		if len(s.seen.Pass) == 0 {
			for _, f := range s.seen.Failures {
				f.Reported = true
			}
		}
	}
	for _, e := range p.Events {
		fmt.Fprintf(&out, "event: %s %s %s\n", e.Type, e.Reason, e.Message)
	}
	for _, a := range p.Actions {
		fmt.Fprintf(&out, "do: %s", a.Verb)
		if a.Container != "" {
			fmt.Fprintf(&out, " %s", a.Container)
		}
		switch a.Verb {
		case StartContainer:
			fmt.Fprintf(&out, " restarts=%d", a.Restarts)
			if a.Backoff != nil {
				fmt.Fprintf(&out, " then back-off %s", a.Backoff.Delay)
				s.seen.Backoffs = map[string]Backoff{a.Container: *a.Backoff}
			}
		case KillContainer, RemoveContainer, StopPod, KillPod:
			fmt.Fprintf(&out, " grace=%ds", a.Grace)
		}
		fmt.Fprintf(&out, " (%s)\n", a.Cause)
	}
	if !p.Wake.IsZero() {
		fmt.Fprintf(&out, "wake: in %s (%s)\n", p.Wake.Sub(s.now), p.Cause)
	}
	if p.Interrupt {
		out.WriteString("interrupt\n")
	}
	if p.Done {
		out.WriteString("done\n")
	}
	if out.Len() == 0 {
		return "nothing\n"
	}
	return out.String()
}

// lines writes a status down, one fact a line.
func lines(s *v1.PodStatus) []string {
	out := []string{fmt.Sprintf("phase: %s %s %s", s.Phase, s.Reason, s.Message)}
	if s.ObservedGeneration > 1 {
		out = append(out, fmt.Sprintf("observedGeneration: %d", s.ObservedGeneration))
	}
	for _, c := range s.Conditions {
		out = append(out, strings.TrimRight(fmt.Sprintf("%s: %s %s %s", c.Type, c.Status, c.Reason, c.Message), " "))
	}
	for _, list := range [][]v1.ContainerStatus{s.InitContainerStatuses, s.ContainerStatuses, s.EphemeralContainerStatuses} {
		for _, c := range list {
			started := "-"
			if c.Started != nil {
				started = fmt.Sprint(*c.Started)
			}
			out = append(out, fmt.Sprintf("%s: %s, last %s, started=%s ready=%v restarts=%d", c.Name, state(c.State), state(c.LastTerminationState), started, c.Ready, c.RestartCount))
		}
	}
	if s.PodIP != "" {
		out = append(out, "podIP: "+s.PodIP)
	}
	for i := range out {
		out[i] = strings.TrimRight(out[i], " ")
	}
	return out
}

func state(s v1.ContainerState) string {
	switch {
	case s.Running != nil:
		return "running"
	case s.Waiting != nil:
		return strings.TrimRight("waiting "+s.Waiting.Reason+" "+s.Waiting.Message, " ")
	case s.Terminated != nil:
		said := ""
		if strings.HasPrefix(s.Terminated.Message, "x") {
			said = fmt.Sprintf(" (said %d bytes)", len(s.Terminated.Message))
		}
		return strings.TrimRight(fmt.Sprintf("terminated %d %s%s", s.Terminated.ExitCode, s.Terminated.Reason, said), " ")
	}
	return "none"
}

func find3(pod *v1.Pod, name string) *v1.Container {
	for _, list := range [][]v1.Container{pod.Spec.Containers, pod.Spec.InitContainers, ephemeralSpecs(pod)} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	panic("no container " + name)
}

func specImage(pod *v1.Pod, name string) string { return find3(pod, name).Image }
