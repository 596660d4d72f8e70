package explain

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"
)

// Print writes an explanation for people: the verdict, the chain, the evidence, what is next, what to
// do, and the atlas, in this order. Colours are used where out is a terminal.
func Print(out io.Writer, e Explanation) error {
	p := &printer{out: out, r: lipgloss.NewRenderer(out)}
	p.explanation(e)
	return p.err
}

type printer struct {
	out io.Writer
	r   *lipgloss.Renderer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.out, format+"\n", args...)
	}
}

func (p *printer) title(text string) {
	p.line("\n%s", p.r.NewStyle().Bold(true).Render(text))
}

func (p *printer) faint(text string) string { return p.r.NewStyle().Faint(true).Render(text) }

var colours = map[Health]string{Healthy: "2", Starting: "3", Ending: "5", Unhealthy: "1", Unclear: "3"}

func (p *printer) explanation(e Explanation) {
	p.line("%s", p.r.NewStyle().Bold(true).Foreground(lipgloss.Color(colours[e.Health])).Render(e.Verdict))
	for _, a := range e.Also {
		p.line("%s", a)
	}
	if len(e.Chain) > 1 {
		p.title("Why")
		for i, link := range e.Chain {
			arrow := "  "
			if i > 0 {
				arrow = strings.Repeat("  ", min(i, 8)) + "← "
			}
			p.line("%s%s", arrow, link.Text)
		}
	}
	if len(e.Evidence) > 0 && e.Health != Healthy || len(e.Chain) > 1 && len(e.Evidence) > 0 {
		p.title("What says so")
		for _, v := range e.Evidence {
			at := ""
			if v.Time != nil {
				at = v.Time.Format(time.TimeOnly) + " "
			}
			from := v.From
			if v.Where != "" {
				from += " " + v.Where
			}
			p.line("  %s%s\n    %s", at, p.faint(from), v.Text)
		}
	}
	if len(e.Next) > 0 {
		p.title("What is next")
		for _, n := range e.Next {
			switch {
			case n.Seconds != nil && *n.Seconds >= 0:
				p.line("  in %s (%s, computed): %s", span(time.Duration(*n.Seconds*float64(time.Second))), n.At.Format(time.TimeOnly), n.Text)
			case n.At != nil:
				p.line("  since %s (computed): %s", n.At.Format(time.TimeOnly), n.Text)
			default:
				p.line("  %s", n.Text)
			}
		}
	}
	if len(e.Fix) > 0 {
		p.title("What to do")
		for _, f := range e.Fix {
			p.line("  %s", f.Text)
			if f.Command != "" {
				p.line("    $ %s", f.Command)
			}
			for line := range strings.SplitSeq(f.Diff, "\n") {
				if line != "" {
					p.line("    %s", p.diff(line))
				}
			}
		}
	}
	if len(e.Atlas) > 0 && e.Health != Healthy {
		p.title("The words (podling atlas NAME)")
		for _, a := range e.Atlas[:min(len(e.Atlas), 5)] {
			p.line("  %s: %s", a.Name, a.Meaning)
		}
	}
	if len(e.Unseen) > 0 {
		p.title("What could not be seen")
		for _, g := range e.Unseen {
			p.line("  %s: %s", g.What, g.Why)
		}
	}
	if len(e.Pods) > 0 {
		p.title("Its pods that are not healthy")
		for i, pod := range e.Pods {
			if i == 10 {
				p.line("  and %d more", len(e.Pods)-i)
				break
			}
			p.line("  %s", pod.Verdict)
		}
	}
}

func (p *printer) diff(line string) string {
	switch line[0] {
	case '+':
		return p.r.NewStyle().Foreground(lipgloss.Color("2")).Render(line)
	case '-':
		return p.r.NewStyle().Foreground(lipgloss.Color("1")).Render(line)
	}
	return line
}
