package explain

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"

	"github.com/podling/podling/lifecycle/reason"
)

const startAgain = "Tried again after 1 s, doubling to every 10 s (upstream: about every 10 s), until it works or the pod is deleted."

// configuring: what the container is made from cannot be put together.
func (l *look) configuring(s *v1.ContainerStatus, w *v1.ContainerStateWaiting) *finding {
	finish := func(f *finding) *finding {
		f.state = "does not start"
		return f.showEvent(l.eventOf(s.Name, "Failed")).then(startAgain)
	}
	f := &finding{health: Unhealthy}
	said := short(w.Message, 300)
	switch {
	case hasAny(said, "runAsNonRoot"):
		f.cause, f.root = CauseRunAsNonRoot, "container "+s.Name+" is to run as non-root (runAsNonRoot), and its image runs as root"
		if hasAny(said, "non-numeric") {
			f.root = "container " + s.Name + " is to run as non-root (runAsNonRoot), and its image names its user by a word, which cannot be checked"
		}
		f.change("say which user it is, "+l.where(), "+    securityContext: {runAsUser: 1000}")
		f.show("spec", pathOf(l.Pod, s.Name)+".securityContext", "runAsNonRoot: true", time.Time{})
	case hasAny(said, "subPath"):
		f.cause, f.root = CauseSubPath, "a subPath of container "+s.Name+" cannot be made: "+said
		f.do("it has to stay within the volume: no .. and no link that leads out", "")
	case hasAny(said, "podling.dev/sim"):
		f.cause, f.root = CauseSimScript, "its annotation podling.dev/sim cannot be read: "+said
		f.do("see podling's docs/sim.md for what may stand there", "")
	default:
		if missing := l.missing(func(r reference) bool {
			return r.container == s.Name && (said == "" || strings.Contains(w.Message, r.name))
		}); missing != nil {
			return finish(missing)
		}
		f.cause, f.root = CauseConfig, "container "+s.Name+" cannot be put together: "+orNone(said)
		switch {
		case hasAny(said, "configmap") && hasAny(said, "not found"):
			f.cause, f.root = CauseConfigMapMissing, fmt.Sprintf("a ConfigMap that container %s takes its environment from does not exist: %s", s.Name, said)
			f.do("make it, or correct the name "+l.where(), l.kubectl("get configmap"))
		case hasAny(said, "secret") && hasAny(said, "not found"):
			f.cause, f.root = CauseSecretMissing, fmt.Sprintf("a Secret that container %s takes its environment from does not exist: %s", s.Name, said)
			f.do("make it, or correct the name "+l.where(), l.kubectl("get secret"))
		case hasAny(said, "couldn't find key"):
			f.cause, f.root = CauseKeyMissing, fmt.Sprintf("a key that container %s takes a variable from does not exist: %s", s.Name, said)
			f.do("correct the key "+l.where(), "")
		}
	}
	return finish(f.link(f.root))
}

// nodeManager: the node's own steps before the container failed.
func (l *look) nodeManager(s *v1.ContainerStatus, w *v1.ContainerStateWaiting) *finding {
	f := &finding{health: Unhealthy, cause: CauseNodeManager, state: "does not start"}
	f.root = fmt.Sprintf("node %s could not assign container %s its CPUs, memory or devices: %s", l.Pod.Spec.NodeName, s.Name, orNone(short(w.Message, 250)))
	f.link(f.root).showEvent(l.eventOf(s.Name, "Failed"))
	f.do("drain the node, and remove cpu_manager_state and memory_manager_state of its kubelet if they are damaged", "podling explain node/"+l.Pod.Spec.NodeName)
	return f.then(startAgain)
}

// creation: the runtime refused to make the container.
func (l *look) creation(s *v1.ContainerStatus, w *v1.ContainerStateWaiting) *finding {
	f := &finding{health: Unhealthy, cause: CauseCreate, state: "does not start"}
	said := short(w.Message, 300)
	switch {
	case hasAny(said, "no command specified"):
		f.cause, f.root = CauseNoCommand, fmt.Sprintf("container %s has no command: neither the manifest nor its image %s names one", s.Name, l.image(s))
		f.change("say what it is to run, "+l.where(), "+    command: [\"PROGRAM\"]")
	case hasAny(said, "name conflict", "is reserved for"):
		f.root = fmt.Sprintf("an older container still has the name of container %s on the node: %s", s.Name, said)
		f.do("remove it there", "crictl ps -a")
	case hasAny(said, "hostPath", "bind mount", "mkdir", "failed to generate container", "failed to mkdir", "failed to stat", "no such file"):
		f.cause, f.root = CauseHostPath, fmt.Sprintf("something that container %s mounts cannot be used on the node: %s", s.Name, said)
		f.do("correct the volume or its mount "+l.where(), "")
	case hasAny(said, "deadline exceeded"):
		f.root = fmt.Sprintf("the runtime of node %s took too long to make container %s: its disk or the runtime is overloaded", l.Pod.Spec.NodeName, s.Name)
		f.do("look at the node", "podling explain node/"+l.Pod.Spec.NodeName)
	default:
		f.root = fmt.Sprintf("the runtime refused to make container %s: %s", s.Name, orNone(said))
		f.do("the message has the runtime's words", "podling explain node/"+l.Pod.Spec.NodeName)
	}
	f.link(f.root).showEvent(l.eventOf(s.Name, "Failed"))
	return f.then(startAgain)
}

// startFailed: the container was made and could not be started.
func (l *look) startFailed(s *v1.ContainerStatus, w *v1.ContainerStateWaiting) *finding {
	f := l.startFault(s, w.Message)
	f.state = "does not start"
	f.showEvent(l.eventOf(s.Name, "Failed"))
	for _, t := range []*v1.ContainerStateTerminated{s.State.Terminated, s.LastTerminationState.Terminated} {
		if t != nil {
			return l.nextRestart(f, s, t)
		}
	}
	return f.then("It is restarted with back-off: at once, then after 10 s, 20 s and so on to every 5 minutes.")
}

var (
	execNamed  = regexp.MustCompile(`exec: "([^"]+)": (.*)`)
	chdirNamed = regexp.MustCompile(`chdir to cwd \("([^"]+)"\)[^:]*: (.*)`)
)

// startFault reads what the runtime says of a start that failed.
func (l *look) startFault(s *v1.ContainerStatus, message string) *finding {
	f := &finding{health: Unhealthy, cause: CauseStart}
	said := harmless(message)
	c := specOf(l.Pod, s.Name)
	m := execNamed.FindStringSubmatch(said)
	switch {
	case hasAny(said, "exec format error"):
		f.cause, f.root = CauseImageArchitecture, fmt.Sprintf("image %s of container %s is built for another architecture than the node's (exec format error)", l.image(s), s.Name)
		if n := l.node(l.Pod.Spec.NodeName); n != nil {
			f.root += ", " + n.Status.NodeInfo.Architecture
		}
		f.do("build the image for the node's architecture, or select nodes that it is built for (nodeSelector: kubernetes.io/arch); a script needs #!/bin/sh in its first line", "")
	case m != nil && hasAny(m[2], "permission denied"):
		f.cause, f.root = CausePermission, fmt.Sprintf("the command \"%s\" of container %s may not be executed: permission denied (is it a folder, or does it lack the x bit?)", m[1], s.Name)
		f.do("make it executable in the image (chmod +x), or run it by its interpreter: command: [\"sh\", \""+m[1]+"\"]", "")
	case m != nil && hasAny(m[2], "not found in $PATH", "no such file or directory"):
		f.cause, f.root = CauseCommandMissing, fmt.Sprintf("the command \"%s\" of container %s does not exist in image %s", m[1], s.Name, l.image(s))
		f.root += commandHint(c, m[1])
		f.do("correct command "+l.where()+", or leave it out to run what the image itself names (its entrypoint)", "")
	case chdirNamed.MatchString(said):
		d := chdirNamed.FindStringSubmatch(said)
		f.cause, f.root = CauseWorkingDir, fmt.Sprintf("the workingDir %s of container %s cannot be used: %s", d[1], s.Name, short(d[2], 120))
		f.do("correct workingDir "+l.where(), "")
	case hasAny(said, "not a directory") && c != nil && c.WorkingDir != "" && strings.Contains(said, c.WorkingDir):
		f.cause, f.root = CauseWorkingDir, fmt.Sprintf("the workingDir %s of container %s is no folder", c.WorkingDir, s.Name)
		f.do("correct workingDir "+l.where(), "")
	case hasAny(said, "container init was OOM-killed", "memory limit too low", "possibly due to OOM"):
		f.cause, f.root = CauseMemoryTooSmall, fmt.Sprintf("the memory limit of container %s is too small for it to be started at all", s.Name)
		if c != nil {
			f.root += " (" + c.Resources.Limits.Memory().String() + ")"
		}
		f.do("raise resources.limits.memory "+l.where(), "")
	case hasAny(said, "permission denied"):
		f.cause, f.root = CausePermission, fmt.Sprintf("container %s could not be started: permission denied: %s", s.Name, short(said, 250))
	case hasAny(said, "mount", "not a directory", "rootfs"):
		f.cause, f.root = CauseMount, fmt.Sprintf("something cannot be mounted in container %s: %s", s.Name, short(said, 250))
		f.do("correct mountPath and subPath "+l.where()+": a file cannot be mounted over a folder", "")
	default:
		f.root = fmt.Sprintf("container %s could not be started: %s", s.Name, orNone(short(said, 300)))
		f.do("the message has the runtime's words", l.kubectl("describe pod %s", l.Pod.Name))
	}
	if c != nil {
		f.show("spec", pathOf(l.Pod, s.Name)+".command", fmt.Sprintf("command %q, args %q", c.Command, c.Args), time.Time{})
	}
	f.about(word{reason.Waiting, "RunContainerError"}, word{reason.Terminated, "StartError"})
	return f.link(f.root)
}

// commandHint names the usual mistakes in a command that does not exist.
func commandHint(c *v1.Container, command string) string {
	switch {
	case strings.ContainsAny(command, " \t"):
		return " (a command is a list of words, and this is one with blanks in it: did you mean [\"sh\", \"-c\", \"" + harmless(command) + "\"]?)"
	case strings.Contains(command, "$"):
		return " (variables are $(NAME) in a manifest; a shell's $NAME needs sh -c)"
	case path.Base(command) == "bash":
		return " (did you mean \"sh\"? Small images have no bash)"
	case c != nil && len(c.Command) == 0 && len(c.Args) > 0 && c.Args[0] == command:
		return " (it stands in args, and the image has no entrypoint that takes it)"
	}
	return ""
}

// postStart: the container ran, and its hook failed.
func (l *look) postStart(s *v1.ContainerStatus, w *v1.ContainerStateWaiting) *finding {
	f := l.hookFault(s, w.Message)
	f.state = "does not start"
	if t := s.LastTerminationState.Terminated; t != nil {
		return l.nextRestart(f, s, t)
	}
	return f.then("It is restarted with back-off: at once, then after 10 s, 20 s and so on to every 5 minutes.")
}

func (l *look) hookFault(s *v1.ContainerStatus, message string) *finding {
	f := &finding{health: Unhealthy, cause: CausePostStartHook}
	f.root = "the postStart hook of container " + s.Name + " failed, so that the container was killed"
	if _, said, ok := strings.Cut(message, " failed - error: "); ok {
		f.root += ": " + short(said, 250)
	} else if message != "" {
		f.root += ": " + short(message, 250)
	}
	f.link(f.root)
	if c := specOf(l.Pod, s.Name); c != nil && c.Lifecycle != nil && c.Lifecycle.PostStart != nil {
		f.show("spec", pathOf(l.Pod, s.Name)+".lifecycle.postStart", handlerText(c.Lifecycle.PostStart.Exec, c.Lifecycle.PostStart.HTTPGet), time.Time{})
	}
	f.about(word{reason.Waiting, "PostStartHookError"}, word{reason.Event, "FailedPostStartHook"})
	f.showEvent(l.eventOf(s.Name, "FailedPostStartHook"))
	return f.do("correct the hook "+l.where()+"; it runs beside the container's program, not after that is ready: let it wait and retry", "")
}

func handlerText(exec *v1.ExecAction, get *v1.HTTPGetAction) string {
	switch {
	case exec != nil:
		return fmt.Sprintf("exec %q", exec.Command)
	case get != nil:
		return fmt.Sprintf("httpGet port %s path %s", get.Port.String(), get.Path)
	}
	return "a hook"
}
