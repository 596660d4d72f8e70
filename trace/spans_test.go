package trace

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/charmbracelet/lipgloss"
	"github.com/cockroachdb/datadriven"
	"github.com/muesli/termenv"
)

// testdata/spans.txt has recordings and what is made of them:
//
//	waterfall: the spans of all pods as bars, width columns wide
//	moments: each span with its start and end, and how well these are known
//	history: what each pod tells of its past, by its last state
func TestSpans(t *testing.T) {
	datadriven.RunTest(t, "testdata/spans.txt", func(t *testing.T, d *datadriven.TestData) string {
		rec, err := ReadRecording(strings.NewReader(d.Input))
		if err != nil || len(rec.Problems) > 0 {
			t.Fatalf("%s: %v %v", d.Pos, err, rec)
		}
		var out strings.Builder
		switch d.Cmd {
		case "waterfall":
			width := 80
			d.MaybeScanArgs(t, "width", &width)
			pods := Spans(rec.Events, rec.Last())
			if err := Waterfall(&out, pods, width); err != nil {
				t.Fatal(err)
			}
			checkColours(t, out.String(), pods, width)
		case "moments":
			for _, p := range Spans(rec.Events, rec.Last()) {
				for _, s := range p.Spans {
					length, within := s.Duration()
					fmt.Fprintf(&out, "%s %s: from %s (%s) to %s (%s), %v within %v\n", p.Name, s.Label(),
						s.Start.Time.Format("05.000"), s.Start.Source, s.End.Time.Format("05.000"), s.End.Source, length, within)
				}
			}
		case "history":
			printer := NewPrinter(&out)
			last := rec.Events[len(rec.Events)-1]
			for _, e := range History(last.Pod, last.Time) {
				if err := printer.Print(e); err != nil {
					t.Fatal(err)
				}
			}
		}
		return out.String()
	})
}

// On a terminal the text is the same, and coloured.
func checkColours(t *testing.T, plain string, pods []PodSpans, width int) {
	t.Helper()
	colours := lipgloss.NewRenderer(io.Discard)
	colours.SetColorProfile(termenv.ANSI)
	var out bytes.Buffer
	if err := newWaterfall(colours, pods, width).print(&out); err != nil {
		t.Fatal(err)
	}
	if out.String() == plain || uncoloured(out.String()) != plain {
		t.Errorf("with colours:\n%s", uncoloured(out.String()))
	}
}
