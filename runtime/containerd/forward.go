package containerd

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// iptables is the program's path, or nothing.
func iptables() string { return find("iptables", pathDirs()) }

// rules let the subnet's pods reach beyond the machine, and the bridge's own
// address, and answers come back, also where the machine forwards or takes
// nothing by default (as docker and ufw set it).
// They are shared by all pods and stay while containers run.
func (n Network) rules() [][]string {
	s := n.subnet.String()
	about := []string{"-m", "comment", "--comment", n.name}
	return [][]string{
		slices.Concat([]string{"-t", "nat", "POSTROUTING", "-s", s, "!", "-d", s}, about, []string{"-j", "MASQUERADE"}),
		slices.Concat([]string{"-t", "filter", "FORWARD", "-s", s}, about, []string{"-j", "ACCEPT"}),
		slices.Concat([]string{"-t", "filter", "FORWARD", "-d", s, "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED,DNAT"}, about, []string{"-j", "ACCEPT"}),
		slices.Concat([]string{"-t", "filter", "INPUT", "-i", n.name, "-d", n.Gateway().String()}, about, []string{"-j", "ACCEPT"}),
	}
}

// answers is the rule that stands in for br_netfilter: who asks a Service whose
// pod is on the same bridge does so in the bridge's name, so that the answer
// comes by the way on which it gets the Service's address back.
func (n Network) answers() []string {
	s := n.subnet.String()
	return []string{"-t", "nat", "POSTROUTING", "-s", s, "-d", s, "-m", "conntrack", "--ctstate", "DNAT",
		"-m", "comment", "--comment", n.name, "-j", "MASQUERADE"}
}

// forward puts the rules in force that are not. lacks is told what is done in another way.
func (n Network) forward(ctx context.Context, lacks func(line string)) error {
	program := iptables()
	if program == "" {
		return errors.New("iptables is not installed (Debian: apt-get install iptables)")
	}
	rules := n.rules()
	if err := n.filterBridged(ctx); err != nil {
		lacks(fmt.Sprintf("a pod that asks a Service whose pod is on this node too is seen there with the bridge's address, not its own: %v", err))
		rules = append(rules, n.answers())
	}
	for _, rule := range rules {
		if iptablesRule(ctx, program, "-C", rule) == nil {
			continue
		}
		if err := iptablesRule(ctx, program, "-I", rule); err != nil {
			return err
		}
	}
	return nil
}

// withdraw takes the rules and the bridge back once no pod hangs on it.
func (n Network) withdraw(ctx context.Context) error {
	if !n.idle() {
		return nil
	}
	return errors.Join(n.unforward(ctx), n.removeBridge())
}

// unforward takes the rules back.
func (n Network) unforward(ctx context.Context) error {
	program := iptables()
	if program == "" {
		return nil // then none were set
	}
	var errs []error
	for _, rule := range append(n.rules(), n.answers()) {
		if iptablesRule(ctx, program, "-C", rule) == nil {
			errs = append(errs, iptablesRule(ctx, program, "-D", rule))
		}
	}
	return errors.Join(errs...)
}

// iptablesRule checks (-C), inserts (-I) or deletes (-D) a rule, written as
// -t TABLE CHAIN MATCH...
func iptablesRule(ctx context.Context, program, action string, rule []string) error {
	args := slices.Concat([]string{"-w", "5"}, rule[:2], []string{action}, rule[2:])
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
