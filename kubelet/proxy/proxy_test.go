package proxy

import (
	"bytes"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	utiliptables "k8s.io/kubernetes/pkg/util/iptables"
)

// A recorder writes down what iptables is told, and has one saved table.
type recorder struct {
	utiliptables.Interface
	saved string
	told  strings.Builder
}

func (r *recorder) say(words ...string) {
	r.told.WriteString(strings.Join(words, " ") + "\n")
}

func (r *recorder) EnsureChain(table utiliptables.Table, chain utiliptables.Chain) (bool, error) {
	r.say("-t", string(table), "-N", string(chain))
	return false, nil
}

func (r *recorder) EnsureRule(position utiliptables.RulePosition, table utiliptables.Table, chain utiliptables.Chain, args ...string) (bool, error) {
	r.say("-t", string(table), string(position), string(chain), strings.Join(args, " "))
	return false, nil
}

func (r *recorder) DeleteRule(table utiliptables.Table, chain utiliptables.Chain, args ...string) error {
	r.say("-t", string(table), "-D", string(chain), strings.Join(args, " "))
	return nil
}

func (r *recorder) SaveInto(_ utiliptables.Table, buffer *bytes.Buffer) error {
	buffer.WriteString(r.saved)
	return nil
}

func (r *recorder) RestoreAll(data []byte, _ utiliptables.FlushFlag, _ utiliptables.RestoreCountersFlag) error {
	r.told.Write(data)
	return nil
}

// What upstream says of its chains, and what is made of it.
func TestChains(t *testing.T) {
	datadriven.RunTest(t, "testdata/chains.txt", func(t *testing.T, d *datadriven.TestData) string {
		bridge := "podling01234567"
		d.MaybeScanArgs(t, "bridge", &bridge)
		r := &recorder{saved: d.Input}
		c := chains{Interface: r, prefix: "Pabcdef-", bridge: strings.Trim(bridge, "-"), gate: &gate{shut: make(chan struct{})}}
		words := strings.Fields(d.Input)
		var err error
		switch d.Cmd {
		case "ensure-chain":
			_, err = c.EnsureChain(utiliptables.Table(words[0]), utiliptables.Chain(words[1]))
		case "ensure-rule":
			_, err = c.EnsureRule(utiliptables.Prepend, utiliptables.Table(words[0]), utiliptables.Chain(words[1]), words[2:]...)
		case "delete-rule":
			err = c.DeleteRule(utiliptables.Table(words[0]), utiliptables.Chain(words[1]), words[2:]...)
		case "restore":
			err = c.RestoreAll([]byte(d.Input+"\n"), utiliptables.NoFlushTables, utiliptables.NoRestoreCounters)
		case "save":
			var saved bytes.Buffer
			if err := c.SaveInto(utiliptables.TableNAT, &saved); err != nil {
				t.Fatal(err)
			}
			return saved.String()
		case "remove":
			return removal(utiliptables.TableNAT, d.Input+"\n", "Pabcdef-")
		default:
			t.Fatalf("%s: unknown command %s", d.Pos, d.Cmd)
		}
		if err != nil {
			t.Fatal(err)
		}
		return r.told.String()
	})
}

// Once the gate is shut, upstream's endless loop ends in its next call, and no rule is changed.
func TestShutGate(t *testing.T) {
	r := &recorder{}
	c := chains{Interface: r, prefix: "Pabcdef-", gate: &gate{shut: make(chan struct{})}}
	c.close()
	ended := make(chan bool)
	go func() {
		defer close(ended)
		_ = c.RestoreAll([]byte("*nat\nCOMMIT\n"), utiliptables.NoFlushTables, utiliptables.NoRestoreCounters)
		ended <- true
	}()
	if wentOn := <-ended; wentOn || r.told.Len() > 0 {
		t.Errorf("went on: %v, iptables was told %q", wentOn, r.told.String())
	}
}

// One podling has the same chains after each start, and another has others; the kernel takes their names.
func TestPrefix(t *testing.T) {
	one := Prefix("/var/lib/podling")
	if again := Prefix("/var/lib/podling"); again != one {
		t.Errorf("%s, then %s", one, again)
	}
	if other := Prefix("/var/lib/other"); other == one {
		t.Errorf("%s of two folders", one)
	}
	const longest = "KUBE-SVC-0123456789ABCDEF" // upstream's, of servicePortPolicyClusterChain
	if name := one + strings.TrimPrefix(longest, upstreamPrefix); len(name) > 28 {
		t.Errorf("%s has %d letters", name, len(name))
	}
}
