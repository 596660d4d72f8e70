package shell

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/podling/podling/runtime/sim/script"
)

// signalNumber reads a signal as trap and kill take it: TERM, SIGTERM, 15, EXIT, 0.
func signalNumber(text string) (int, bool) {
	if n, err := strconv.Atoi(text); err == nil {
		return n, n >= 0 && n <= 64
	}
	if strings.EqualFold(text, "EXIT") {
		return 0, true
	}
	return script.SignalNumber(text)
}

// trap sets what is done on a signal: trap [ACTION] SIGNAL…
func trap(s *shell, args []string) int {
	args = args[1:]
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		for _, n := range slices.Sorted(maps.Keys(s.traps)) {
			s.print("trap -- '%s' %s\n", s.traps[n], signalName(n))
		}
		return 0
	}
	action := args[0]
	_, number := strconv.Atoi(action)
	if len(args) == 1 || action == "-" || number == nil {
		if action == "-" {
			args = args[1:]
		}
		return eachSignal(s, args, func(n int) {
			delete(s.traps, n)
			s.set(n, byDefault)
		})
	}
	return eachSignal(s, args[1:], func(n int) {
		if s.traps == nil {
			s.traps = map[int]string{}
		}
		s.traps[n] = action
		if action == "" {
			s.set(n, ignored)
		} else {
			s.set(n, handled)
		}
	})
}

func eachSignal(s *shell, names []string, do func(int)) int {
	status := 0
	for _, name := range names {
		n, ok := signalNumber(name)
		if !ok {
			s.say("trap: %s: invalid signal specification", name)
			status = 1
			continue
		}
		do(n)
	}
	return status
}

func signalName(n int) string {
	if n == 0 {
		return "EXIT"
	}
	for _, name := range []string{"HUP", "INT", "QUIT", "KILL", "USR1", "USR2", "PIPE", "ALRM", "TERM", "CHLD", "CONT", "STOP"} {
		if got, _ := script.SignalNumber(name); got == n {
			return name
		}
	}
	return strconv.Itoa(n)
}

// heed runs the traps of signals that have come. A shell does so between
// commands, and its wait ends for it.
func (s *shell) heed() {
	for s.flow == on && s.hasPending() {
		n, ok := s.next()
		if !ok {
			return
		}
		text, ok := s.traps[n]
		if !ok || text == "" {
			continue
		}
		status, tail := s.status, s.tail
		s.tail = false
		s.eval(text)
		s.tail = tail
		if s.flow == on {
			s.status = status
		}
	}
}

// waits is wait: for all jobs, or for those that are named. A signal that is
// trapped ends it at once.
func waits(s *shell, args []string) int {
	if len(args) == 1 {
		s.wait(func() bool { return s.hasPending() || all(s.jobs) })
		if s.hasPending() {
			return s.interrupted()
		}
		s.jobs = nil
		return 0
	}
	status := 0
	for _, text := range args[1:] {
		pid, err := strconv.Atoi(strings.TrimPrefix(text, "%"))
		i := slices.IndexFunc(s.jobs, func(p *Proc) bool { return p.pid == pid })
		if strings.HasPrefix(text, "%") {
			i = pid - 1
		}
		if err != nil || i < 0 || i >= len(s.jobs) {
			status = 127
			continue
		}
		job := s.jobs[i]
		s.wait(func() bool { return s.hasPending() || all([]*Proc{job}) })
		if s.hasPending() {
			return s.interrupted()
		}
		status, _ = job.ended()
		s.jobs = slices.Delete(s.jobs, i, i+1)
	}
	return status
}

func (s *shell) interrupted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return 128 + s.pending[0]
}

// kills is kill [-SIGNAL] PID…
func kills(s *shell, args []string) int {
	signal := sigTerm
	args = args[1:]
	if len(args) > 0 && args[0] == "-l" {
		s.print("HUP INT QUIT KILL USR1 USR2 PIPE ALRM TERM CHLD CONT STOP\n")
		return 0
	}
	if len(args) > 1 && args[0] == "-s" {
		args = append([]string{"-" + args[1]}, args[2:]...)
	}
	if len(args) > 1 && strings.HasPrefix(args[0], "-") && args[0] != "--" {
		n, ok := signalNumber(args[0][1:])
		if !ok {
			s.say("kill: bad signal name '%s'", args[0][1:])
			return 1
		}
		signal, args = n, args[1:]
	}
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		s.say("kill: you need to specify whom to kill")
		return 1
	}
	status := 0
	for _, text := range args {
		pid, err := strconv.Atoi(text)
		if job, found := strings.CutPrefix(text, "%"); found {
			if n, bad := strconv.Atoi(job); bad == nil && n >= 1 && n <= len(s.jobs) {
				pid, err = s.jobs[n-1].pid, nil
			}
		}
		if err != nil {
			s.say("kill: invalid number '%s'", text)
			status = 1
			continue
		}
		if pid < -1 {
			pid = -pid // a group is its first process here
		}
		if !s.m.kill(s.Proc, pid, signal) {
			s.say("kill: can't kill pid %d: No such process", pid)
			status = 1
		}
		s.alive()
	}
	return status
}
