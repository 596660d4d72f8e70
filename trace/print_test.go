package trace

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/lipgloss"
	"github.com/cockroachdb/datadriven"
	"github.com/muesli/termenv"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/yaml"
)

// Each file of testdata/print is a pod's timeline. A command is an event: its argument is the time in
// seconds, its input the pod; the output is what is printed.
//
//	added at=0.1
//	modified at=0.2
//	deleted at=0.3
//	error at=0.4
func TestPrint(t *testing.T) {
	datadriven.Walk(t, "testdata/print", func(t *testing.T, path string) {
		var plain, coloured bytes.Buffer
		printer := NewPrinter(&plain)
		colours := lipgloss.NewRenderer(io.Discard)
		colours.SetColorProfile(termenv.ANSI)
		painter := newPrinter(&coloured, colours)
		known := map[types.NamespacedName]*v1.Pod{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var at float64
			d.ScanArgs(t, "at", &at)
			e := Event{Since: time.Duration(at * float64(time.Second)), Type: watch.EventType(strings.ToUpper(d.Cmd))}
			if e.Type == watch.Error {
				e.Err = errors.New(d.Input)
			} else {
				e.Pod = readPod(t, d.Input)
				e.Changes = Compare(known[key(e.Pod)], e.Pod)
				known[key(e.Pod)] = e.Pod
			}
			plain.Reset()
			coloured.Reset()
			if err := errors.Join(printer.Print(e), painter.Print(e)); err != nil {
				t.Fatal(err)
			}
			if got := uncoloured(coloured.String()); got != plain.String() {
				t.Errorf("%s: with colours the text is\n%s", d.Pos, got)
			}
			if coloured.String() == plain.String() {
				t.Errorf("%s: no colours on a terminal", d.Pos)
			}
			return plain.String()
		})
	})
}

var colour = regexp.MustCompile("\x1b\\[[0-9;]*m")

func uncoloured(s string) string {
	lines := strings.Split(colour.ReplaceAllString(s, ""), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

func readPod(t *testing.T, text string) *v1.Pod {
	t.Helper()
	pod := &v1.Pod{}
	if err := yaml.UnmarshalStrict([]byte(text), pod); err != nil {
		t.Fatal(err)
	}
	if pod.Namespace == "" {
		pod.Namespace = "default"
	}
	return pod
}

func TestJSON(t *testing.T) {
	datadriven.RunTest(t, "testdata/json.txt", func(t *testing.T, d *datadriven.TestData) string {
		var out bytes.Buffer
		printers := map[string]*JSONPrinter{"json": NewJSONPrinter(&out), "record": NewRecorder(&out)}
		e := Event{Time: time.Date(2026, 1, 2, 3, 4, 5, 6000000, time.FixedZone("CET", 3600)), Type: watch.Modified}
		if d.HasArg("error") {
			e.Type, e.Err = watch.Error, errors.New(d.Input)
		} else {
			e.Pod = readPod(t, d.Input)
		}
		if err := printers[d.Cmd].Print(e); err != nil {
			t.Fatal(err)
		}
		if e.Pod != nil && len(e.Pod.ManagedFields) == 0 {
			t.Error("the pod was changed while it was printed")
		}
		return out.String()
	})
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestPrintersTellThatNobodyReads(t *testing.T) {
	e := Event{Type: watch.Added, Pod: &v1.Pod{}}
	for _, print := range []func(Event) error{NewPrinter(brokenPipe{}).Print, NewJSONPrinter(brokenPipe{}).Print} {
		if err := print(e); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("got %v", fmt.Sprint(err))
		}
	}
}
