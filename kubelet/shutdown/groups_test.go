package shutdown

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	v1 "k8s.io/api/core/v1"
	kubeletconfig "k8s.io/kubelet/config/v1beta1"
)

// The commands of testdata/groups.txt:
//
//	critical all=D critical=D     the periods of shutdownGracePeriod and shutdownGracePeriodCriticalPods
//	periods                       those of PRIORITY SECONDS, one a line
//	end                           pods, NAME PRIORITY [GRACE] one a line, as they end
func TestGroups(t *testing.T) {
	var periods Periods
	told := func(p Periods, err error) string {
		if err != nil {
			return err.Error() + "\n"
		}
		periods = p
		var out strings.Builder
		for _, one := range p {
			fmt.Fprintf(&out, "%d: %d s\n", one.Priority, one.ShutdownGracePeriodSeconds)
		}
		fmt.Fprintf(&out, "%v in all\n", p.Sum())
		return out.String()
	}
	datadriven.RunTest(t, "testdata/groups.txt", func(t *testing.T, d *datadriven.TestData) string {
		switch d.Cmd {
		case "critical":
			var all, critical string
			d.ScanArgs(t, "all", &all)
			d.ScanArgs(t, "critical", &critical)
			return told(ByCriticality(span(t, all), span(t, critical)))
		case "periods":
			var p Periods
			for line := range strings.Lines(d.Input) {
				words := strings.Fields(line)
				p = append(p, kubeletconfig.ShutdownGracePeriodByPodPriority{Priority: int32(number(t, words[0])), ShutdownGracePeriodSeconds: number(t, words[1])})
			}
			return told(p.Check())
		case "end":
			var pods []*v1.Pod
			for line := range strings.Lines(d.Input) {
				words := strings.Fields(line)
				pod := &v1.Pod{}
				pod.Name = words[0]
				if words[1] != "-" {
					pod.Spec.Priority = new(int32(number(t, words[1])))
				}
				if len(words) > 2 {
					pod.Spec.TerminationGracePeriodSeconds = new(number(t, words[2]))
				}
				pods = append(pods, pod)
			}
			var out strings.Builder
			for _, g := range periods.groups(pods) {
				fmt.Fprintf(&out, "%d s:", g.grace)
				for _, pod := range g.pods {
					fmt.Fprintf(&out, " %s(%d)", pod.Name, g.graceOf(pod))
				}
				out.WriteByte('\n')
			}
			return out.String()
		}
		t.Fatalf("unknown command %q", d.Cmd)
		return ""
	})
}

func span(t *testing.T, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func number(t *testing.T, text string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
