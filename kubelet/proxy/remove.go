package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	utiliptables "k8s.io/kubernetes/pkg/util/iptables"
)

// tables are those that kube-proxy has chains in: mangle's is the canary alone, by which it notices that
// somebody has emptied them.
var tables = []utiliptables.Table{utiliptables.TableNAT, utiliptables.TableFilter, utiliptables.TableMangle}

// remove takes all chains back whose names begin with the prefix, and the rules that lead to them.
func remove(ipt utiliptables.Interface, prefix string) error {
	var errs []error
	for _, table := range tables {
		var saved bytes.Buffer
		if err := ipt.SaveInto(table, &saved); err != nil {
			errs = append(errs, fmt.Errorf("reading the firewall's table %s: %w", table, err))
			continue
		}
		commands := removal(table, saved.String(), prefix)
		if commands == "" {
			continue
		}
		if err := ipt.Restore(table, []byte(commands), utiliptables.NoFlushTables, utiliptables.NoRestoreCounters); err != nil {
			errs = append(errs, fmt.Errorf("removing the Services' chains from the firewall's table %s: %w", table, err))
		}
	}
	return errors.Join(errs...)
}

// removal is what iptables-restore is to be told, of a table as iptables-save tells it: "" for nothing.
func removal(table utiliptables.Table, saved, prefix string) string {
	var flush, unlink, drop strings.Builder
	for line := range strings.Lines(saved) {
		if rest, ok := strings.CutPrefix(line, ":"+prefix); ok {
			chain, _, _ := strings.Cut(prefix+rest, " ")
			fmt.Fprintf(&flush, ":%s - [0:0]\n", chain)
			fmt.Fprintf(&drop, "-X %s\n", chain)
		} else if rule, ok := strings.CutPrefix(line, "-A "); ok && !strings.HasPrefix(rule, prefix) && strings.Contains(rule, " -j "+prefix) {
			fmt.Fprintf(&unlink, "-D %s", rule)
		}
	}
	if drop.Len() == 0 {
		return ""
	}
	return fmt.Sprintf("*%s\n%s%s%sCOMMIT\n", table, flush.String(), unlink.String(), drop.String())
}
