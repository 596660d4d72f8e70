package shell

import "mvdan.cc/sh/v3/syntax"

// pipeline runs commands side by side, each the next one's input.
func (s *shell) pipeline(c *syntax.BinaryCmd) {
	var stages []*syntax.Stmt
	var both []bool
	var last *syntax.Stmt
	for {
		stages, both, last = append(stages, c.X), append(both, c.Op == syntax.PipeAll), c.Y
		next, ok := last.Cmd.(*syntax.BinaryCmd)
		if !ok || next.Op != syntax.Pipe && next.Op != syntax.PipeAll || len(last.Redirs) > 0 || last.Negated {
			break
		}
		c = next
	}
	if first, ok := stages[0].Cmd.(*syntax.BinaryCmd); ok && (first.Op == syntax.Pipe || first.Op == syntax.PipeAll) && len(stages[0].Redirs) == 0 && !stages[0].Negated {
		flat, flatBoth := flatten(first)
		stages, both = append(flat, stages[1:]...), append(append(flatBoth, both[0]), both[1:]...)
	}
	stages = append(stages, last)
	var running []*Proc
	var input *handle
	for i, st := range stages {
		var out, next *handle
		if i < len(stages)-1 {
			next, out = newPipe()
		}
		fork := s.fork(nil)
		if input != nil {
			fork.fds.set(0, input)
		}
		if out != nil {
			fork.fds.set(1, out)
			if both[i] {
				fork.fds.set(2, out.share())
			}
		}
		input = next
		running = append(running, s.spawn([]string{"sh"}, func(p *Proc) int {
			fork.Proc = p
			return fork.sub([]*syntax.Stmt{st})
		}))
	}
	s.wait(func() bool { return all(running) })
	s.status, _ = running[len(running)-1].ended()
}

// flatten gives the stages of a pipeline but for what comes after it.
func flatten(c *syntax.BinaryCmd) (stages []*syntax.Stmt, both []bool) {
	if x, ok := c.X.Cmd.(*syntax.BinaryCmd); ok && (x.Op == syntax.Pipe || x.Op == syntax.PipeAll) && len(c.X.Redirs) == 0 && !c.X.Negated {
		stages, both = flatten(x)
	} else {
		stages = []*syntax.Stmt{c.X}
	}
	return append(stages, c.Y), append(both, c.Op == syntax.PipeAll)
}

func all(list []*Proc) bool {
	for _, p := range list {
		if _, over := p.ended(); !over {
			return false
		}
	}
	return true
}
