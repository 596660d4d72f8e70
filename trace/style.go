package trace

import (
	"strings"

	"github.com/charmbracelet/lipgloss"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// styles are the colours of a printer: the sixteen that every terminal has, and that its user chose.
type styles struct {
	faint, good, pending, bad lipgloss.Style

	event map[watch.EventType]lipgloss.Style
	phase map[v1.PodPhase]lipgloss.Style
}

func newStyles(r *lipgloss.Renderer) styles {
	colour := func(c string) lipgloss.Style { return r.NewStyle().Foreground(lipgloss.Color(c)) }
	green, yellow, red, blue, magenta := colour("2"), colour("3"), colour("1"), colour("4"), colour("5")
	return styles{
		faint: r.NewStyle().Faint(true), good: green, pending: yellow, bad: red,
		event: map[watch.EventType]lipgloss.Style{
			watch.Added: green, watch.Modified: blue, watch.Deleted: magenta, watch.Error: red.Bold(true),
			Said: yellow, Past: r.NewStyle().Faint(true),
		},
		phase: map[v1.PodPhase]lipgloss.Style{
			v1.PodPending: yellow, v1.PodRunning: green.Bold(true), v1.PodSucceeded: green, v1.PodFailed: red.Bold(true), v1.PodUnknown: magenta,
		},
	}
}

// value colours a condition's status.
func (s styles) value(status string) string {
	switch v1.ConditionStatus(status) {
	case v1.ConditionTrue:
		return s.good.Render(status)
	case v1.ConditionFalse, v1.ConditionUnknown:
		return s.pending.Render(status)
	}
	return status
}

// state colours a container's state.
func (s styles) state(c Change) string {
	switch {
	case c.Is == "running", c.Is == "terminated" && strings.Contains(c.Detail, "exitCode=0"):
		return s.good.Render(c.Is)
	case c.Is == "terminated":
		return s.bad.Render(c.Is)
	case c.Is == "waiting":
		return s.pending.Render(c.Is)
	}
	return orNone(c.Is)
}
