package explain

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"

	"github.com/podling/podling/lifecycle"
	"github.com/podling/podling/lifecycle/reason"
)

// crashLoop: it ended, is to run again, and waits.
func (l *look) crashLoop(s *v1.ContainerStatus, w *v1.ContainerStateWaiting) *finding {
	t := s.LastTerminationState.Terminated
	if t == nil {
		t = s.State.Terminated
	}
	if t == nil {
		f := &finding{health: Unclear, cause: CauseUnclear, state: "crashes again and again", root: "I cannot tell why: how container " + s.Name + " ended was not recorded; its log may tell"}
		l.lastLines(f, s.Name)
		return f.link(f.root).do("what it wrote last", l.kubectl("logs %s -c %s --previous", l.Pod.Name, s.Name))
	}
	f := l.ending(s, t)
	f.state = "crashes again and again"
	if f.cause == CauseCompleted {
		f.state = "ends and is started again, over and over"
	}
	f.showEvent(l.eventOf(s.Name, "BackOff", "restarting"))
	return l.nextRestart(f, s, t)
}

// saidBackoff is the delay that upstream writes into the message of CrashLoopBackOff.
var saidBackoff = regexp.MustCompile(`back-off (\S+) restarting`)

// nextRestart says when the container runs again: what the status says, or else what the rules of
// restarts make of it.
func (l *look) nextRestart(f *finding, s *v1.ContainerStatus, t *v1.ContainerStateTerminated) *finding {
	if s.State.Waiting != nil {
		if m := saidBackoff.FindStringSubmatch(s.State.Waiting.Message); m != nil {
			if d, err := time.ParseDuration(m[1]); err == nil {
				end := t.FinishedAt.Add(d)
				then := min(2*d, lifecycle.MaxBackoff)
				if end.After(l.Now) {
					return f.at(l.Now, end, fmt.Sprintf("Container %s is restarted; the back-off is then %s.", s.Name, span(then)))
				}
				return f.then(fmt.Sprintf("Container %s is restarted now: its back-off of %s is over; the next is %s.", s.Name, span(d), span(then)))
			}
		}
	}
	if s.RestartCount == 0 {
		return f.then(fmt.Sprintf("Container %s is restarted at once; the back-off is then %s.", s.Name, span(lifecycle.InitialBackoff)))
	}
	return f.backoff(l.Now, t.FinishedAt.Time, s.RestartCount, "Container "+s.Name+" is restarted")
}

// ending explains how a container ended: the end of most chains.
func (l *look) ending(s *v1.ContainerStatus, t *v1.ContainerStateTerminated) *finding {
	f := l.end(s, t)
	f.about(word{reason.Terminated, t.Reason})
	where := stateOf(l.Pod, s.Name) + ".lastState.terminated"
	if s.State.Terminated == t {
		where = stateOf(l.Pod, s.Name) + ".state.terminated"
	}
	text := strings.TrimSpace(fmt.Sprintf("%s, exit code %d", t.Reason, t.ExitCode))
	if t.Message != "" {
		text += ": " + short(t.Message, 300)
	}
	return f.show("status", where, text, t.FinishedAt.Time)
}

func (l *look) end(s *v1.ContainerStatus, t *v1.ContainerStateTerminated) *finding {
	c := specOf(l.Pod, s.Name)
	f := &finding{health: Unhealthy}
	switch {
	case t.Reason == "OOMKilled":
		return l.oom(s, t)
	case t.Reason == "StartError" || t.Reason == "ContainerCannotRun" || t.ExitCode == 128 && hasAny(t.Message, "failed to create", "OCI runtime"):
		return l.startFault(s, t.Message)
	case t.Reason == "ContainerStatusUnknown" || t.Reason == "Unknown":
		f.cause, f.root = CauseContainerLost, fmt.Sprintf("nobody knows how container %s ended: it was lost from sight (%s)", s.Name, t.Reason)
		if t.Message != "" {
			f.root += ": " + short(t.Message, 200)
		}
		f.link(f.root).do("was the node restarted, or the pod evicted?", l.kubectl("describe pod %s", l.Pod.Name))
		return f
	case t.Reason == "RestartingAllContainers":
		return l.restartingAll(s, nil)
	}
	if e := l.killedBy(s.Name, t); e != nil {
		k := liveness
		if hasAny(e.Message, "failed startup probe") {
			k = startup
		}
		if hasAny(e.Message, "FailedPostStartHook") {
			return l.hookFault(s, "").showEvent(e)
		}
		f = l.probeFault(c, s, k)
		f.before(Link{Text: fmt.Sprintf("it was killed as its %s probe failed (exit code %d)", k, t.ExitCode), Word: "Killing"})
		return f.showEvent(e)
	}
	if f := l.perhapsProbed(c, s, t); f != nil {
		return f
	}
	if t.ExitCode == 0 {
		f.cause, f.root = CauseCompleted, fmt.Sprintf("container %s ends by itself with exit code 0, and its restartPolicy %s starts it again", s.Name, l.policy(s.Name))
		f.link(f.root)
		l.lastLines(f, s.Name)
		f.change("a program that does its work and ends belongs in a Job, or "+l.where(), "-  restartPolicy: "+string(l.policy(s.Name))+"\n+  restartPolicy: OnFailure")
		return f.do("a server has to stay in the foreground", "")
	}
	return l.exit(s, t, c)
}

// killedBy is the Event with which the node said that it ends this run of the container. Events that
// come too often are not written any more (the recorder's spam filter: 25, then one in 5 minutes), so
// that an earlier one counts for an end that looks the same.
func (l *look) killedBy(name string, t *v1.ContainerStateTerminated) *v1.Event {
	bySignal := t.ExitCode == 137 || t.ExitCode == 143
	for i := range l.events {
		e := &l.events[i]
		if e.Reason != "Killing" || !hasAny(e.Message, "ontainer "+name+" failed liveness probe", "ontainer "+name+" failed startup probe") && (e.Message != "FailedPostStartHook" || l.eventOf(name, "Killing", e.Message) == nil) {
			continue
		}
		at := eventTime(e)
		within := !at.Before(t.StartedAt.Truncate(time.Second)) && (times(e) > 1 || !at.After(t.FinishedAt.Add(2*time.Second)))
		if within || bySignal && at.Before(t.StartedAt.Time) {
			return e
		}
	}
	return nil
}

// perhapsProbed is for where Events were not to be seen: a container that has a probe, that is no
// longer there although it may be (restarts), and that ended as those do that are asked to, may have been
// killed by its node. It is not said for sure.
func (l *look) perhapsProbed(c *v1.Container, s *v1.ContainerStatus, t *v1.ContainerStateTerminated) *finding {
	if l.sees(PartEvents) || c == nil || l.Pod.DeletionTimestamp != nil || c.LivenessProbe == nil && c.StartupProbe == nil ||
		t.ExitCode != 0 && t.ExitCode != 137 && t.ExitCode != 143 {
		return nil
	}
	k := liveness
	if c.StartupProbe != nil && !l.hadStarted(s.Name) {
		k = startup
	}
	if k.of(c) == nil {
		return nil
	}
	f := l.probeFault(c, s, k)
	f.root = fmt.Sprintf("container %s ended with exit code %d, most likely killed as its %s probe (%s) failed; Events, which would tell, could not be seen", s.Name, t.ExitCode, k, l.asked(c, k.of(c)))
	f.chain = f.chain[:0]
	return f.link(f.root)
}

// hadStarted says whether the timeline shows that the container's startup probe succeeded.
func (l *look) hadStarted(name string) bool {
	for _, m := range l.Timeline {
		for _, s := range statuses(m.Pod) {
			if s.Name == name && s.Started != nil && *s.Started {
				return true
			}
		}
	}
	return false
}

func (l *look) oom(s *v1.ContainerStatus, t *v1.ContainerStateTerminated) *finding {
	f := &finding{health: Unhealthy, cause: CauseOOM}
	limit := ""
	if c := specOf(l.Pod, s.Name); c != nil {
		if q := c.Resources.Limits.Memory(); !q.IsZero() {
			limit = q.String()
		}
	}
	if s.Resources != nil && !s.Resources.Limits.Memory().IsZero() {
		limit = s.Resources.Limits.Memory().String() // the one that was in force
	}
	ran := "at once"
	if d := t.FinishedAt.Sub(t.StartedAt.Time); d > 0 {
		ran = span(d) + " after its start"
	}
	if limit == "" {
		f.root = fmt.Sprintf("container %s was killed for want of memory; it has no limit of its own, so the pod's limit or the node itself ran out", s.Name)
		f.do("set resources.limits.memory and requests "+l.where()+", and look at the node", "podling explain node/"+l.Pod.Spec.NodeName)
	} else {
		f.root = fmt.Sprintf("container %s was killed %s, as it needed more memory than its limit of %s (OOMKilled)", s.Name, ran, limit)
		f.show("spec", pathOf(l.Pod, s.Name)+".resources.limits.memory", limit, time.Time{})
		f.change("raise the limit "+l.where()+", or make the program take less (GOMEMLIMIT, -XX:MaxRAMPercentage, --max-old-space-size)", "-        memory: "+limit+"\n+        memory: MORE")
	}
	f.link(f.root)
	l.lastLines(f, s.Name)
	return f.do("what does it use, if it lives long enough?", l.kubectl("top pod %s --containers", l.Pod.Name))
}

// signals by number, for exit codes of 128 and more (signal(7) on Linux).
var signals = map[int32]string{1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL",
	10: "SIGUSR1", 11: "SIGSEGV", 12: "SIGUSR2", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM", 24: "SIGXCPU", 25: "SIGXFSZ", 31: "SIGSYS"}

var signalMeanings = map[string]string{
	"SIGKILL": "killed: by somebody on the node, or at the end of its grace period; the kernel's memory killer would say OOMKilled",
	"SIGTERM": "it was asked to end", "SIGSEGV": "a segmentation fault", "SIGABRT": "it aborted itself (an assertion, or a runtime's fatal error)",
	"SIGILL": "an instruction that this processor does not have", "SIGBUS": "a bad memory access (a mapped file that shrank, /dev/shm full)",
	"SIGFPE": "a division by zero", "SIGPIPE": "it wrote to somebody who had gone", "SIGSYS": "a system call that seccomp forbids",
}

var (
	shellMissing = regexp.MustCompile(`(?:^|[:\s])(\S+): (?:command )?not found$|(?:^|[:\s])(\S+): No such file or directory$`)
	shellDenied  = regexp.MustCompile(`(?:^|[:\s])(\S+): [Pp]ermission denied$`)
)

// exit is a program that ended badly by itself.
func (l *look) exit(s *v1.ContainerStatus, t *v1.ContainerStateTerminated, c *v1.Container) *finding {
	f := &finding{health: Unhealthy, cause: CauseExit}
	how := fmt.Sprintf("container %s exited with %d", s.Name, t.ExitCode)
	if n := s.RestartCount; n > 0 {
		how += fmt.Sprintf(", and was restarted %s", timesText(n))
	}
	f.link(how)
	last := l.lastLines(f, s.Name)
	if t.Message != "" {
		last = tellingLine(strings.Split(t.Message, "\n"))
	}
	subject, why := fmt.Sprintf("container %s exits with %d", s.Name, t.ExitCode), ""
	signal, killed := signals[t.ExitCode-128]
	missing, denied := shellMissing.FindStringSubmatch(last), shellDenied.FindStringSubmatch(last)
	switch {
	case hasAny(last, "exec format error"):
		f.cause, why = CauseImageArchitecture, fmt.Sprintf("image %s is built for another architecture than the node's (exec format error)", l.image(s))
		f.do("build the image for the node's architecture, or select nodes that it is built for (nodeSelector: kubernetes.io/arch)", "")
	case t.ExitCode == 127 && missing != nil:
		f.cause, why = CauseCommandMissing, fmt.Sprintf("its shell does not find the command \"%s\"", strings.TrimSuffix(missing[1]+missing[2], ":"))
		f.do("correct the command "+l.where()+", or add the program to the image", "")
	case t.ExitCode == 127:
		f.cause, why = CauseCommandMissing, "a command, or a library or interpreter that it needs, does not exist in image "+l.image(s)
		f.do("correct the command "+l.where()+", or add the program to the image", "")
	case t.ExitCode == 126 || denied != nil && t.ExitCode != 1:
		f.cause, why = CausePermission, "the command may not be executed (permission denied, or it is no program)"
		f.do("make it executable in the image (chmod +x), or run it by its interpreter", "")
	case killed:
		f.cause, subject, why = CauseSignal, fmt.Sprintf("container %s was ended by %s (exit code %d)", s.Name, signal, t.ExitCode), signalMeanings[signal]
	}
	words := ""
	switch {
	case last != "":
		words = "its last words: \"" + short(last, 160) + "\""
	case !l.sees(PartLogs) || l.logErr(s.Name) != "":
		words = "its log could not be seen"
	default:
		words = "it wrote nothing"
	}
	if why != "" {
		words = why + "; " + words
	}
	f.root = subject + ": " + words
	f.link(words)
	flag := ""
	if s.State.Terminated == nil {
		flag = " --previous"
	}
	return f.do("read what it wrote", l.kubectl("logs %s -c %s%s", l.Pod.Name, s.Name, flag))
}

// log is what is known of what a container wrote: of its run before, if there is that.
func (l *look) log(name string) *Log {
	var found *Log
	for i := range l.Logs {
		if g := &l.Logs[i]; g.Container == name && (found == nil || g.Previous && len(g.Lines) > 0) {
			found = g
		}
	}
	return found
}

func (l *look) logErr(name string) string {
	if g := l.log(name); g != nil && len(g.Lines) == 0 {
		return g.Err
	}
	return ""
}

// lastLines shows the end of a container's log as evidence, and gives the line of it that tells most.
func (l *look) lastLines(f *finding, name string) string {
	g := l.log(name)
	if g == nil {
		return ""
	}
	lines := nonEmpty(g.Lines)
	for _, line := range lines[max(0, len(lines)-5):] {
		f.show("log", name, short(line, 300), time.Time{})
	}
	return tellingLine(lines)
}

func nonEmpty(lines []string) []string {
	var out []string
	for _, line := range lines {
		if harmless(line) != "" {
			out = append(out, strings.TrimRight(plain(line), " "))
		}
	}
	return out
}

var (
	telling = regexp.MustCompile(`(?i)\b(error|fatal|panic|exception|denied|refused|not found|no such|cannot|could not|can't|failed|unable|missing|invalid|traceback)\b|\b[A-Z]\w*(Error|Exception)\b`)
	// ballast is what stands below a telling line: stack traces and the like.
	ballast = regexp.MustCompile(`^(\s+\S|goroutine \d+|exit status|\.\.\. \d+ more|Traceback)`)
)

// tellingLine is the line that says what went wrong: the last that sounds like it, else the last.
func tellingLine(lines []string) string {
	lines = nonEmpty(lines)
	for i := len(lines) - 1; i >= max(0, len(lines)-20); i-- {
		if telling.MatchString(lines[i]) && !ballast.MatchString(lines[i]) {
			return harmless(lines[i])
		}
	}
	if len(lines) == 0 {
		return ""
	}
	return harmless(lines[len(lines)-1])
}
