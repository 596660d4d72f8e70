package script

// Of is what the container of that name does: what is said for it alone goes
// before what is said for all of the pod's.
func (p *PodScript) Of(container string) Script {
	if p == nil {
		return Script{}
	}
	own, ok := p.Containers[container]
	if !ok {
		return p.Script
	}
	return own.Over(p.Script)
}

// Over puts s over below: what s does not say, below does.
func (s Script) Over(below Script) Script {
	out := Script{Run: s.Run.Over(below.Run), Pull: or(s.Pull, below.Pull), Runs: s.Runs}
	if len(out.Runs) == 0 && !s.Run.Replaces() {
		out.Runs = below.Runs
	}
	return out
}

// Over puts r over below: what r does not say, below does. How a run goes is said
// as a whole: a run that says how it ends is not given another's end.
func (r Run) Over(below Run) Run {
	out := Run{
		Create: or(r.Create, below.Create), Start: or(r.Start, below.Start),
		Exit: r.Exit, Stop: or(r.Stop, below.Stop),
		Probes: or(r.Probes, below.Probes), Hooks: or(r.Hooks, below.Hooks),
		Logs: r.Logs, Usage: or(r.Usage, below.Usage),
	}
	if out.Exit == nil && r.Stop == nil {
		out.Exit = below.Exit
	}
	if len(out.Logs) == 0 {
		out.Logs = below.Logs
	}
	return out
}

// At is the container's run number n, of which the first is 0.
func (s Script) At(n int) Run {
	if len(s.Runs) == 0 {
		return s.Run
	}
	return s.Runs[min(max(n, 0), len(s.Runs)-1)].Over(s.Run)
}

// Replaces says whether the run takes the place of the container's command.
func (r Run) Replaces() bool { return r.Exit != nil || r.Stop != nil || len(r.Logs) > 0 }

func or[T any](above, below *T) *T {
	if above != nil {
		return above
	}
	return below
}
