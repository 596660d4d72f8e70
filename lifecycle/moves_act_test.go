package lifecycle

import (
	"fmt"
	"maps"
	"slices"

	v1 "k8s.io/api/core/v1"
)

// acting: the first action of the pass that is under way is carried out, well or
// badly, or the pass is given up. Mends come here too: without them it could go on
// badly for ever.
func (l *life) acting(m []move, p *Plan) []move {
	if l.seen.Network != "" {
		m = append(m, move{"the network is back", 60, help, func(l *life) { l.seen.Network = "" }})
	}
	if l.seen.Runtime != "" {
		m = append(m, move{"the runtime is back", 60, help, func(l *life) { l.seen.Runtime = "" }})
	}
	if len(l.seen.Pass) == 0 {
		return m
	}
	if p.Interrupt {
		m = append(m, move{"the pass is given up", 1000, help, func(l *life) { l.seen.Pass = nil }})
	}
	a := l.seen.Pass[0]
	what := string(a.Verb) + " " + a.Container
	add := func(outcome string, often int, kind kindOfMove, do func(l *life, a Action)) {
		m = append(m, move{what + ": " + outcome, often, kind, func(l *life) {
			if kind == fault && l.seen.Runtime == "" { // while the runtime is away nothing can go well
				l.spend()
			}
			do(l, a)
			if l.seen.Pass = l.seen.Pass[1:]; kind == fault && a.Needed || len(l.seen.Pass) == 0 {
				l.seen.Pass = nil
			}
		}})
	}
	away := l.seen.Runtime != "" && a.Verb != MountVolumes && a.Verb != CleanUp && a.Verb != DeletePod && a.Verb != ResizePod
	if do := wells[a.Verb]; !away {
		add("well", 2000, help, do)
	}
	if away || l.mayFail() {
		for _, bad := range bads[a.Verb] {
			add(bad.what, 500/len(bads[a.Verb]), fault, bad.do)
		}
	}
	return m
}

// wells is what each action brings about.
var wells = map[Verb]func(l *life, a Action){
	MountVolumes: func(l *life, _ Action) { l.seen.Volumes = Volumes{Mounted: true} },
	CreateSandbox: func(l *life, a Action) {
		l.n++
		box := Sandbox{ID: fmt.Sprint("box", l.n), Attempt: a.Attempt, Ready: true, IPs: []string{"10.0.0.1"}, CreatedAt: l.now}
		l.seen.Sandbox = nil
		l.seen.Sandboxes = append([]Sandbox{box}, l.seen.Sandboxes...)
	},
	StartContainer: func(l *life, a Action) {
		c, ok := l.starting(a)
		if !ok {
			return
		}
		l.made(c, a, Running)
		l.ran[l.spread(c.Name)]++
		l.seen.Failures = maps.Clone(l.seen.Failures)
		delete(l.seen.Failures, c.Name)
		l.seen.Started = l.seen.Containers[0].ID
		l.prune(c.Name)
	},
	KillContainer: func(l *life, a Action) { l.kill(func(c Container) bool { return c.ID == a.ID }) },
	RemoveContainer: func(l *life, a Action) {
		l.kill(func(c Container) bool { return c.ID == a.ID })
		l.seen.Containers = slices.DeleteFunc(slices.Clone(l.seen.Containers), func(c Container) bool { return c.ID == a.ID })
	},
	ResizePod: func(l *life, _ Action) { l.seen.Given = l.pod.Spec.Resources },
	StopPod: func(l *life, _ Action) {
		l.kill(func(Container) bool { return true })
		l.stopSandbox()
	},
	KillPod: func(l *life, _ Action) {
		l.kill(func(Container) bool { return true })
		l.stopSandbox()
		l.seen.Killed = true
	},
	CleanUp:   func(l *life, _ Action) { l.seen.Cleaned = true },
	DeletePod: func(l *life, _ Action) { l.seen.Gone = true },
}

type bad struct {
	what string
	do   func(l *life, a Action)
}

var nothing = []bad{{"badly", func(*life, Action) {}}}

// bads are the ways in which each action can fail.
var bads = map[Verb][]bad{
	MountVolumes: {{"badly", func(l *life, _ Action) {
		l.seen.Volumes = Volumes{Failure: l.failure(l.seen.Volumes.Failure, "FailedMount")}
	}}},
	CreateSandbox: {{"badly", func(l *life, _ Action) { l.seen.Sandbox = l.failure(l.seen.Sandbox, "FailedCreatePodSandBox") }}},
	StartContainer: {
		{"no image", func(l *life, a Action) {
			if c, ok := l.starting(a); ok {
				f := l.startFailed(c, ErrImagePull)
				f.Pull = c.Image
				l.seen.Pulls = maps.Clone(l.seen.Pulls)
				if l.seen.Pulls == nil {
					l.seen.Pulls = map[string]ImagePull{}
				}
				l.seen.Pulls[c.Image] = ImagePull{Reason: ErrImagePull, Backoff: l.seen.Pulls[c.Image].Backoff.Next(c.Image, l.now, l.now)}
			}
		}},
		{"not made", func(l *life, a Action) {
			if c, ok := l.starting(a); ok {
				l.startFailed(c, CreateContainerError)
			}
		}},
		{"ended at once", func(l *life, a Action) {
			if c, ok := l.starting(a); ok {
				l.made(c, a, Exited)
				l.startFailed(c, RunContainerError).Exited = l.seen.Containers[0].ID
			}
		}},
		{"made and not started", func(l *life, a Action) {
			if c, ok := l.starting(a); ok {
				l.made(c, a, Created)
				l.startFailed(c, RunContainerError)
			}
		}},
	},
	KillContainer:   nothing,
	RemoveContainer: nothing,
	StopPod:         nothing,
	KillPod:         nothing,
	CleanUp:         {{"badly", func(l *life, _ Action) { l.seen.CleanUp = l.failure(l.seen.CleanUp, "") }}},
}

// failure is one that follows was.
func (l *life) failure(was *Failure, reason string) *Failure {
	f := &Failure{Reason: reason, At: l.now, Attempts: 1}
	if was != nil && was.Reason == reason {
		f.Attempts = was.Attempts + 1
	}
	return f
}

// starting is what comes first in a container's start; false: its sandbox died
// since the plan was made.
func (l *life) starting(a Action) (*v1.Container, bool) {
	c := find3(l.pod, a.Container)
	l.checkStart(c, a)
	if !l.seen.Sandboxes[0].Ready {
		return nil, false
	}
	if a.Backoff != nil {
		l.seen.Backoffs = maps.Clone(l.seen.Backoffs)
		if l.seen.Backoffs == nil {
			l.seen.Backoffs = map[string]Backoff{}
		}
		l.seen.Backoffs[a.Container] = *a.Backoff
	}
	return c, true
}

func (l *life) startFailed(c *v1.Container, reason string) *Failure {
	f := l.failure(l.seen.Failures[c.Name], reason)
	f.Image = c.Image
	l.seen.Failures = maps.Clone(l.seen.Failures)
	if l.seen.Failures == nil {
		l.seen.Failures = map[string]*Failure{}
	}
	l.seen.Failures[c.Name] = f
	return f
}

// made: the runtime has a container more.
func (l *life) made(c *v1.Container, a Action, state ContainerState) {
	l.n++
	r := Container{ID: fmt.Sprint("rt://", c.Name, "-", l.n), Name: c.Name, SandboxID: l.seen.Sandboxes[0].ID, Image: c.Image, Hash: Hash(c),
		State: state, RestartCount: a.Restarts, CreatedAt: l.now, StartedAt: l.now}
	if state == Exited {
		r.ExitCode, r.FinishedAt = 128, l.now
	}
	l.seen.Containers = append([]Container{r}, l.seen.Containers...)
}

// prune: of the dead only the newest is kept, as the worker has it.
func (l *life) prune(name string) {
	kept := 0
	l.seen.Containers = slices.DeleteFunc(slices.Clone(l.seen.Containers), func(c Container) bool {
		if c.Name != name {
			return false
		}
		kept++
		return kept > 2 && c.State != Running
	})
}

func (l *life) kill(which func(Container) bool) {
	for i, c := range l.seen.Containers {
		if c.State == Running && which(c) {
			l.ended(i, 137)
			l.seen.Stopped = maps.Clone(l.seen.Stopped)
			if l.seen.Stopped == nil {
				l.seen.Stopped = map[string]bool{}
			}
			l.seen.Stopped[c.ID] = true
		}
	}
}

func (l *life) stopSandbox() {
	l.seen.Sandboxes = slices.Clone(l.seen.Sandboxes)
	for i := range l.seen.Sandboxes {
		l.seen.Sandboxes[i].Ready = false
	}
}
