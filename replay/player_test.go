package replay

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/podling/podling/trace"
)

// testdata/player.txt steps through testdata/crash.jsonl, which a simulated node made.
//
//	go N, step BY, same BY: where the player is then
//	frame, json, status: what there is to see there
func TestPlayer(t *testing.T) {
	file, err := os.Open("testdata/crash.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rec, err := trace.ReadRecording(file)
	if err != nil || len(rec.Problems) > 0 {
		t.Fatal(err, rec.Problems)
	}
	p := New(rec.Events)
	datadriven.RunTest(t, "testdata/player.txt", func(t *testing.T, d *datadriven.TestData) string {
		n := 0
		if len(d.CmdArgs) > 0 {
			if _, err := fmt.Sscan(d.CmdArgs[0].Key, &n); err != nil {
				t.Fatal(err)
			}
		}
		var out strings.Builder
		switch d.Cmd {
		case "go":
			p.Go(n)
		case "step":
			p.Step(n)
		case "same":
			p.Same(n)
		case "frame":
			err = p.Frame().Print(&out)
		case "json":
			err = p.Frame().JSON(&out)
		case "status":
			err = p.Frame().PrintStatus(&out)
		default:
			t.Fatalf("%s: no command %s", d.Pos, d.Cmd)
		}
		if err != nil {
			t.Fatal(err)
		}
		if out.Len() == 0 {
			fmt.Fprintf(&out, "%d of %d, %d so far\n", p.At(), p.Len(), len(p.Upto()))
		}
		return out.String()
	})
}
