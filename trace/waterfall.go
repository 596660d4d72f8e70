package trace

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"
)

// Waterfall prints the spans of pods as bars on one axis of time, so that pods can be held side by
// side. Width is that of the terminal, in columns.
//
//	default/web                  0 ms ├──────────────────────┤ 2.32 s
//	  scheduling        12 ms         ▏
//	  sandbox           80 ms         ██
//	  pull web         2.10 s           ███████████████████
func Waterfall(out io.Writer, pods []PodSpans, width int) error {
	return newWaterfall(lipgloss.NewRenderer(out), pods, width).print(out)
}

type waterfall struct {
	pods         []PodSpans
	styles       styles
	label, bars  int // columns
	first, until time.Time
}

const (
	lengthWidth  = 13
	leastBars    = 20
	longestLabel = 40
)

func newWaterfall(renderer *lipgloss.Renderer, pods []PodSpans, width int) *waterfall {
	w := &waterfall{pods: pods, styles: newStyles(renderer)}
	for _, p := range pods {
		w.label = max(w.label, min(longestLabel, lipgloss.Width(Printable(p.Namespace+"/"+p.Name))))
		for _, s := range p.Spans {
			w.label = max(w.label, 2+min(longestLabel, lipgloss.Width(Printable(s.Label()))))
			if w.first.IsZero() || s.Start.Time.Before(w.first) {
				w.first = s.Start.Time
			}
			if s.End.Time.After(w.until) && !w.goesOn(s) {
				w.until = s.End.Time
			}
		}
	}
	if !w.until.After(w.first) {
		w.until = w.first.Add(time.Millisecond)
	}
	w.bars = max(leastBars, width-w.label-lengthWidth-4)
	return w
}

// goesOn: a container that runs on must not make everything before it too short to be seen.
func (w *waterfall) goesOn(s Span) bool { return s.Open && s.Name == spanRunning }

func (w *waterfall) print(out io.Writer) error {
	axis := Span{Start: Moment{Time: w.first}, End: Moment{Time: w.until}}.Length()
	for i, p := range w.pods {
		rule := ""
		if i == 0 {
			rule = "0 " + strings.Repeat("╌", max(1, w.bars-lipgloss.Width(axis)-3)) + " " + axis
		}
		name := fmt.Sprintf("%-*s", w.label, clip(Printable(p.Namespace+"/"+p.Name), w.label))
		text := fmt.Sprintf("%s %*s  %s", name, lengthWidth, "", w.styles.faint.Render(rule))
		if len(p.Spans) == 0 {
			text = name + "  nothing is known of its way"
		}
		if _, err := fmt.Fprintln(out, strings.TrimRight(text, " ")); err != nil {
			return err
		}
		for _, s := range p.Spans {
			text := fmt.Sprintf("  %-*s %*s  %s", w.label-2, clip(Printable(s.Label()), w.label-2), lengthWidth, s.Length(), w.bar(s))
			if s.Outcome != "" {
				text += " " + Printable(s.Outcome)
			}
			if _, err := fmt.Fprintln(out, strings.TrimRight(text, " ")); err != nil {
				return err
			}
		}
	}
	return nil
}

// eighths are blocks of a column's eighths, from the left.
var eighths = []rune(" ▏▎▍▌▋▊▉")

// bar is the span on the axis, to the eighth of a column at its end.
func (w *waterfall) bar(s Span) string {
	column := func(t time.Time) float64 {
		at := float64(t.Sub(w.first)) / float64(w.until.Sub(w.first)) * float64(w.bars)
		return min(max(at, 0), float64(w.bars))
	}
	from, to := column(s.Start.Time), column(s.End.Time)
	if w.goesOn(s) {
		to = float64(w.bars)
	}
	begin := min(int(from), w.bars-1)
	whole := int(to) - begin
	text := strings.Repeat("█", max(0, whole))
	if part := int((to - float64(int(to))) * 8); part > 0 && whole < w.bars-begin {
		text += string(eighths[part])
	}
	if text == "" {
		text = "▏"
	}
	style := w.styles.pending
	switch {
	case s.Name == spanRunning && (s.Outcome == "" || strings.Contains(s.Outcome, "exitCode=0")):
		style = w.styles.good
	case s.Name == spanRunning, s.Name == spanBackoff, s.Name == spanPullBackoff, s.Outcome != "":
		style = w.styles.bad
	}
	if w.goesOn(s) {
		text += "▶"
	}
	return strings.Repeat(" ", begin) + style.Render(text)
}

// clip cuts a text that is too long for its column.
func clip(text string, width int) string {
	if runes := []rune(text); len(runes) > width && width > 1 {
		return string(runes[:width-1]) + "…"
	}
	return text
}
