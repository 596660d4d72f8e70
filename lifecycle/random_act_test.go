package lifecycle

import (
	"fmt"
	"maps"
	"slices"
)

// act carries out the first action of the pass that is under way, well or badly.
func (l *life) act() {
	a := l.seen.Pass[0]
	ok := l.lot.IntN(5) > 0
	l.note("%s %s: %v", a.Verb, a.Container, ok)
	switch a.Verb {
	case MountVolumes:
		l.seen.Volumes = Volumes{Mounted: ok}
		if !ok {
			l.seen.Volumes.Failure = &Failure{Reason: "FailedMount", At: l.now, Attempts: 1}
		}
	case CreateSandbox:
		l.seen.Sandbox = nil
		if ok {
			l.n++
			box := Sandbox{ID: fmt.Sprint("box", l.n), Attempt: a.Attempt, Ready: true, IPs: []string{"10.0.0.1"}, CreatedAt: l.now}
			l.seen.Sandboxes = append([]Sandbox{box}, l.seen.Sandboxes...)
		} else {
			l.seen.Sandbox = &Failure{Reason: "FailedCreatePodSandBox", At: l.now, Attempts: 1}
		}
	case StartContainer:
		l.start(a, ok)
	case KillContainer:
		l.kill(func(c Container) bool { return c.ID == a.ID })
	case RemoveContainer:
		if ok {
			l.kill(func(c Container) bool { return c.ID == a.ID })
			l.seen.Containers = slices.DeleteFunc(slices.Clone(l.seen.Containers), func(c Container) bool { return c.ID == a.ID })
		}
	case ResizePod:
		l.seen.Given = l.pod.Spec.Resources
	case StopPod, KillPod:
		if ok {
			l.kill(func(Container) bool { return true })
			l.stopSandbox()
			l.seen.Killed = a.Verb == KillPod
		}
	case CleanUp:
		l.seen.Cleaned = ok
	case DeletePod:
		l.seen.Gone = true
	}
	if l.seen.Pass = l.seen.Pass[1:]; !ok && a.Needed {
		l.seen.Pass = nil
	}
	if len(l.seen.Pass) == 0 {
		l.seen.Pass = nil
	}
}

func (l *life) start(a Action, ok bool) {
	c := find3(l.pod, a.Container)
	if a.Backoff != nil {
		l.seen.Backoffs = maps.Clone(l.seen.Backoffs)
		if l.seen.Backoffs == nil {
			l.seen.Backoffs = map[string]Backoff{}
		}
		l.seen.Backoffs[a.Container] = *a.Backoff
	}
	if len(l.seen.Sandboxes) == 0 {
		l.fail("container %s is to start without a sandbox", a.Container)
	}
	lost := !l.seen.Sandboxes[0].Ready // it died since the plan was made
	if n := l.seen.newest(a.Container); n != nil && n.State == Running {
		l.fail("container %s is to start although it runs", a.Container)
	}
	l.seen.Failures = maps.Clone(l.seen.Failures)
	if l.seen.Failures == nil {
		l.seen.Failures = map[string]*Failure{}
	}
	if lost || !ok && l.lot.IntN(2) == 0 { // before there is a container
		f := &Failure{Reason: chance(l.lot, ErrImagePull, CreateContainerError), Image: c.Image, At: l.now, Attempts: 1}
		if f.Reason == ErrImagePull {
			f.Pull = c.Image
			l.seen.Pulls = map[string]ImagePull{c.Image: {Reason: ErrImagePull, Backoff: l.seen.Pulls[c.Image].Backoff.Next(c.Image, l.now, l.now)}}
		}
		l.seen.Failures[c.Name] = f
		return
	}
	l.n++
	r := Container{ID: fmt.Sprint("rt://", c.Name, l.n), Name: c.Name, SandboxID: l.seen.Sandboxes[0].ID, Image: c.Image, Hash: Hash(c),
		State: Running, RestartCount: a.Restarts, CreatedAt: l.now, StartedAt: l.now}
	if !ok {
		r.State, r.ExitCode, r.FinishedAt = Exited, 128, l.now
		l.seen.Failures[c.Name] = &Failure{Reason: RunContainerError, Image: c.Image, At: l.now, Attempts: 1, Exited: r.ID}
	} else {
		delete(l.seen.Failures, c.Name)
		l.seen.Started = r.ID
	}
	l.seen.Containers = append([]Container{r}, l.seen.Containers...)
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
