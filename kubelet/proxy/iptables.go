package proxy

import (
	"bytes"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	utiliptables "k8s.io/kubernetes/pkg/util/iptables"
)

const (
	// upstreamPrefix is what the names of all of kube-proxy's chains begin with. It is in capitals, and
	// nothing else in its rules is: names of Services and ports, which stand in comments, cannot be.
	upstreamPrefix = "KUBE-"
	// bridges are those of all podlings' pods, as iptables names interfaces.
	bridges = "podling+"
)

// chains are iptables as kube-proxy sees it, with chains whose names begin with a prefix of this
// podling's own, no longer than three letters more than upstream's (a chain's name has 28 at most and
// upstream's 25), and entered by the packets that are this podling's business.
type chains struct {
	utiliptables.Interface
	prefix string
	bridge string // of this podling's pods; "" if that is not known
	*gate
}

// gate ends what has no end: upstream's loop, in the next rule that it wants to change.
type gate struct {
	changing sync.RWMutex  // read by who changes rules, so that shut knows when nobody does
	shut     chan struct{} // closed when nobody may any more
}

// enter returns what leaves again, or ends the goroutine where the gate is shut.
func (g *gate) enter() (leave func()) {
	g.changing.RLock()
	select {
	case <-g.shut:
		g.changing.RUnlock()
		runtime.Goexit()
	default:
	}
	return g.changing.RUnlock
}

// close returns when nobody changes rules any more. It is called once.
func (g *gate) close() {
	g.changing.Lock()
	defer g.changing.Unlock()
	close(g.shut)
}

func (c chains) chain(upstream utiliptables.Chain) utiliptables.Chain {
	if rest, ok := strings.CutPrefix(string(upstream), upstreamPrefix); ok {
		return utiliptables.Chain(c.prefix + rest)
	}
	return upstream
}

// entries are the rules that stand for one of upstream's in a built-in chain. What comes in is either
// from this podling's pods or not from any podling's; what this machine sends is all podlings' business.
func (c chains) entries(chain utiliptables.Chain, args []string) [][]string {
	args = slices.Clone(args)
	for i, arg := range args {
		args[i] = string(c.chain(utiliptables.Chain(arg)))
	}
	switch chain {
	case utiliptables.ChainPrerouting, utiliptables.ChainForward, utiliptables.ChainInput:
		others := append([]string{"!", "-i", bridges}, args...)
		if c.bridge == "" {
			return [][]string{others}
		}
		return [][]string{append([]string{"-i", c.bridge}, args...), others}
	}
	return [][]string{args}
}

func (c chains) EnsureChain(table utiliptables.Table, chain utiliptables.Chain) (bool, error) {
	defer c.enter()()
	return c.Interface.EnsureChain(table, c.chain(chain))
}

func (c chains) FlushChain(table utiliptables.Table, chain utiliptables.Chain) error {
	return c.Interface.FlushChain(table, c.chain(chain))
}

func (c chains) DeleteChain(table utiliptables.Table, chain utiliptables.Chain) error {
	return c.Interface.DeleteChain(table, c.chain(chain))
}

func (c chains) ChainExists(table utiliptables.Table, chain utiliptables.Chain) (bool, error) {
	return c.Interface.ChainExists(table, c.chain(chain))
}

func (c chains) EnsureRule(position utiliptables.RulePosition, table utiliptables.Table, chain utiliptables.Chain, args ...string) (bool, error) {
	defer c.enter()()
	all := true
	for _, entry := range c.entries(chain, args) {
		existed, err := c.Interface.EnsureRule(position, table, c.chain(chain), entry...)
		if err != nil {
			return false, err
		}
		all = all && existed
	}
	return all, nil
}

func (c chains) DeleteRule(table utiliptables.Table, chain utiliptables.Chain, args ...string) error {
	for _, entry := range c.entries(chain, args) {
		if err := c.Interface.DeleteRule(table, c.chain(chain), entry...); err != nil {
			return err
		}
	}
	return nil
}

// SaveInto leaves out what others have, a kube-proxy's own chains among it: upstream removes the chains
// that it finds and has no use for.
func (c chains) SaveInto(table utiliptables.Table, buffer *bytes.Buffer) error {
	var all bytes.Buffer
	if err := c.Interface.SaveInto(table, &all); err != nil {
		return err
	}
	for line := range bytes.Lines(all.Bytes()) {
		chain := line[0] == ':' || bytes.HasPrefix(line, []byte("-A "))
		if !chain || bytes.Contains(line, []byte(c.prefix)) {
			buffer.Write(bytes.ReplaceAll(line, []byte(c.prefix), []byte(upstreamPrefix)))
		}
	}
	return nil
}

func (c chains) Restore(table utiliptables.Table, data []byte, flush utiliptables.FlushFlag, counters utiliptables.RestoreCountersFlag) error {
	defer c.enter()()
	return c.Interface.Restore(table, c.own(data), flush, counters)
}

func (c chains) RestoreAll(data []byte, flush utiliptables.FlushFlag, counters utiliptables.RestoreCountersFlag) error {
	defer c.enter()()
	return c.Interface.RestoreAll(c.own(data), flush, counters)
}

func (c chains) own(data []byte) []byte {
	return bytes.ReplaceAll(data, []byte(upstreamPrefix), []byte(c.prefix))
}

// Monitor ends when this does, and not, as upstream asks for, never.
func (c chains) Monitor(canary utiliptables.Chain, tables []utiliptables.Table, reload func(), interval time.Duration, _ <-chan struct{}) {
	c.Interface.Monitor(c.chain(canary), tables, reload, interval, c.shut)
}
