package trace

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"github.com/charmbracelet/lipgloss"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// Printer writes events for people: a line for each, with the time since the start, the event, the
// pod, its phase and the first change, and an indented line for each further group of changes.
// It is coloured where its writer is a terminal and NO_COLOR is not set.
type Printer struct {
	out    io.Writer
	styles styles
	width  int // of the widest pod name so far

	// Writers: who made an event's changes is printed too.
	Writers bool
}

// NewPrinter prints to out.
func NewPrinter(out io.Writer) *Printer {
	return newPrinter(out, lipgloss.NewRenderer(out))
}

// NewPrinterTo prints to out what goes to a screen in the end, with the screen's colours.
func NewPrinterTo(out, screen io.Writer) *Printer {
	return newPrinter(out, lipgloss.NewRenderer(screen))
}

func newPrinter(out io.Writer, renderer *lipgloss.Renderer) *Printer {
	return &Printer{out: out, styles: newStyles(renderer)}
}

// indent is where further lines of an event begin: below the pod's name.
const indent = "                     "

// Print writes one event.
func (p *Printer) Print(e Event) error {
	s := p.styles
	since := fmt.Sprintf("%8.3fs", e.Since.Seconds())
	if e.Type == Past || e.Said != nil && e.Existing {
		since = fmt.Sprintf("%8.0fs", e.Since.Seconds())
	}
	head := s.faint.Render(since) + "  " + s.event[e.Type].Render(fmt.Sprintf("%-8s", e.Type))
	if e.Type == watch.Error {
		_, err := fmt.Fprintf(p.out, "%s  %s\n%s%s\n", head, Printable(e.Err.Error()), indent, s.faint.Render("a fresh list follows"))
		return err
	}
	namespace, own := e.About()
	name := Printable(namespace + "/" + own)
	p.width = max(p.width, len(name))
	switch e.Type {
	case Said:
		return p.said(head, name, e.Said)
	case Past:
		return p.past(head, name, e.Changes)
	}
	phase := fmt.Sprintf("%-9s", e.Pod.Status.Phase)
	if style, ok := s.phase[e.Pod.Status.Phase]; ok {
		phase = style.Render(phase)
	}
	lines := p.lines(e.Changes)
	if len(lines) == 0 {
		lines = []string{""}
		if e.Type == watch.Modified {
			lines[0] = s.faint.Render("nothing that a pod shows")
		}
	}
	text := fmt.Sprintf("%s  %-*s  %s  %s", head, p.width, name, phase, lines[0])
	for _, line := range lines[1:] {
		text += "\n" + indent + line
	}
	if p.Writers && len(e.Writers) > 0 {
		text += "\n" + indent + s.faint.Render("by "+by(e.Writers))
	}
	_, err := fmt.Fprintln(p.out, strings.TrimRight(text, " "))
	return err
}

// said prints a Kubernetes Event: its type stands where the phase does.
func (p *Printer) said(head, name string, e *v1.Event) error {
	kind := fmt.Sprintf("%-9s", Printable(e.Type))
	if e.Type == v1.EventTypeWarning {
		kind = p.styles.bad.Render(kind)
	}
	_, err := fmt.Fprintf(p.out, "%s  %-*s  %s  %s\n", head, p.width, name, kind, Printable(SaidText(e)))
	return err
}

// SaidText is a Kubernetes Event in words: its reason, the container it is about, its message, how
// often it happened, and who said it. It is as it came: nothing is escaped.
func SaidText(e *v1.Event) string {
	text := e.Reason
	if c := ContainerOf(e); c != "" {
		text += " (" + c + ")"
	}
	text += ": " + strings.TrimSpace(e.Message)
	if n := saidTimes(e); n > 1 {
		text += fmt.Sprintf("  ×%d", n)
	}
	if from := cmp.Or(e.ReportingController, e.Source.Component); from != "" {
		text += "  from " + from
	}
	return text
}

// past prints what happened at a time that is known to the second.
func (p *Printer) past(head, name string, changes []Change) error {
	text := strings.Join(p.lines(changes), "  ")
	_, err := fmt.Fprintf(p.out, "%s  %-*s  %-9s  %s\n", head, p.width, name, "", text)
	return err
}

// by names writers, and what each changed where there are several.
func by(writers []Writer) string {
	var parts []string
	for _, w := range writers {
		text := Printable(w.String())
		if len(writers) > 1 {
			text += ": " + Printable(strings.Join(w.Changed, " "))
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

// lines groups changes into lines: why the pod is in its phase, its conditions, each container, the
// rest. The phase has a column of its own.
func (p *Printer) lines(all []Change) []string {
	var why, conditions, containers, rest []Change
	for _, c := range all {
		switch {
		case c.Part == Condition:
			conditions = append(conditions, c)
		case c.Part != Whole:
			containers = append(containers, c)
		case c.Field == "reason" || c.Field == "message":
			why = append(why, c)
		case c.Field != "phase":
			rest = append(rest, c)
		}
	}
	var lines []string
	if len(why) > 0 {
		lines = append(lines, p.fields(why))
	}
	lines = append(lines, p.conditions(conditions)...)
	for len(containers) > 0 {
		n := 1
		for n < len(containers) && containers[n].Part == containers[0].Part && containers[n].Name == containers[0].Name {
			n++
		}
		lines = append(lines, p.container(containers[:n]))
		containers = containers[n:]
	}
	if len(rest) > 0 {
		lines = append(lines, p.fields(rest))
	}
	return lines
}

// conditions puts those that say the same for the same reason on one line.
func (p *Printer) conditions(all []Change) []string {
	var details []string
	byDetail := map[string]string{}
	for _, c := range all {
		name := c.Name
		if c.Field != "status" {
			name += "." + c.Field
		}
		text := name + "=" + p.styles.value(orNone(Printable(c.Is)))
		if _, ok := byDetail[c.Detail]; !ok {
			details = append(details, c.Detail)
			byDetail[c.Detail] = text
		} else {
			byDetail[c.Detail] += " " + text
		}
	}
	var lines []string
	for _, d := range details {
		line := byDetail[d]
		if d != "" {
			line += "  " + Printable(d)
		}
		lines = append(lines, line)
	}
	return lines
}

// container is the line of one container, and a second one for what it was made of.
func (p *Printer) container(changes []Change) string {
	var first, second []string
	ended := false // so that lastState repeats what was printed as the state
	for _, c := range changes {
		detail := Printable(short(c.Detail))
		switch c.Field {
		case "state":
			ended = c.Was == "terminated"
			first = append(first, joined(" ", p.styles.state(c), detail))
		case "lastState":
			if ended {
				detail = times.ReplaceAllString(detail, "")
			}
			first = append(first, "lastState="+joined(" ", orNone(c.Is), detail))
		case "ready", "started", "restartCount":
			first = append(first, c.Field+"="+orNone(c.Is))
		default:
			second = append(second, c.Field+"="+orNone(Printable(short(c.Is))))
		}
	}
	head := string(changes[0].Part) + " " + Printable(changes[0].Name) + ": "
	if len(first) == 0 || len(second) == 0 {
		return head + strings.Join(append(first, second...), "  ")
	}
	return head + strings.Join(first, "  ") + "\n" + indent + "  " + p.styles.faint.Render(strings.Join(second, "  "))
}

// times are those of a container that ended.
var times = regexp.MustCompile(` (started|finished)At=\S+`)

// fields are changes of the pod itself, with what was there before.
func (p *Printer) fields(changes []Change) string {
	var parts []string
	for _, c := range changes {
		text := c.Field + "="
		if c.Was != "" {
			text += Printable(short(c.Was)) + " → "
		}
		parts = append(parts, text+orNone(Printable(short(c.Is))))
	}
	return strings.Join(parts, "  ")
}

func orNone(value string) string {
	if value == "" {
		return "none"
	}
	return value
}

var digest = regexp.MustCompile(`\b([0-9a-f]{12})[0-9a-f]{52}\b`)

// short cuts ids and digests to the twelve digits that people and tools go by.
func short(text string) string {
	return digest.ReplaceAllString(text, "$1")
}

// Printable is text with everything escaped that would move a terminal's cursor or change its
// colours: messages are written by whoever wrote the pod's program.
func Printable(text string) string {
	var b strings.Builder
	for _, r := range text {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return b.String()
}
