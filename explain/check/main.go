package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/kubectl/pkg/describe"

	"github.com/podling/podling/explain/gather"
	"github.com/podling/podling/podlingtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "explain-check:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	kubeconfig := flag.String("kubeconfig", "", "the cluster to play on (default: podling's own, simulated)")
	write := flag.Bool("write", false, "write docs/explain-check.md")
	dir := flag.String("dir", "explain/testdata/broken", "the folder of the cases")
	only := flag.String("only", "", "play this case alone")
	at := flag.Int("at-once", 8, "how many cases are played at one time")
	patience := flag.Duration("patience", 90*time.Second, "how long a case may take")
	flag.Parse()

	cases, err := Load(*dir)
	if err != nil {
		return err
	}
	kind := "containers"
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if *kubeconfig == "" {
		kind = podlingtest.Sim
		env, upErr := podlingtest.Up(ctx)
		if upErr != nil {
			return upErr
		}
		defer func() {
			if err := env.Stop(); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}()
		config, err = env.Config, nil
	}
	if err != nil {
		return err
	}
	config.QPS = -1 // the API server looks after itself
	stage, err := NewStage(ctx, config)
	if err != nil {
		return err
	}
	stage.describe = describer(config)

	results := make([]Result, len(cases))
	turns := make(chan struct{}, *at)
	var all sync.WaitGroup
	for i, c := range cases {
		if *only != "" && c.Name != *only {
			continue
		}
		results[i].Case = c
		if c.Only != "" && c.Only != kind {
			continue
		}
		all.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			results[i] = stage.Play(ctx, c, *patience)
		})
	}
	all.Wait()
	results = slices.DeleteFunc(results, func(r Result) bool { return r.Case.Name == "" })
	if err := score(os.Stdout, results); err != nil || !*write {
		return err
	}
	return writeTable(filepath.Join("docs", "explain-check.md"), results)
}

// score says how many are right, and what is wrong with the others.
func score(out io.Writer, results []Result) error {
	right, played := 0, 0
	for _, r := range results {
		if r.Got.Verdict == "" && r.Err == nil {
			continue // not for this cluster
		}
		played++
		if r.Right() {
			right++
			continue
		}
		fmt.Fprintf(out, "%s: %v\n", r.Case.Name, cmp.Or(r.Err, errors.New("the root cause was named in the end")))
		for _, w := range r.Wrong {
			fmt.Fprintf(out, "  wrong on the way: %s\n", w)
		}
	}
	fmt.Fprintf(out, "%d of %d root causes named, and nothing wrong before\n", right, played)
	if right < played {
		return errors.New("not all were right")
	}
	return nil
}

// describer runs kubectl describe, and takes what it says about why.
func describer(config *rest.Config) func(context.Context, string, string) (string, error) {
	return func(_ context.Context, namespace, target string) (string, error) {
		kind, name, _ := strings.Cut(target, "/")
		group := map[string]string{"deployment": "apps", "statefulset": "apps", "daemonset": "apps", "job": "batch", "cronjob": "batch"}[kind]
		k := map[string]string{"pod": "Pod", "deployment": "Deployment", "statefulset": "StatefulSet", "daemonset": "DaemonSet", "job": "Job", "cronjob": "CronJob"}[gather.Kind(kind)]
		d, ok := describe.DescriberFor(schema.GroupKind{Group: group, Kind: k}, config)
		if !ok {
			return "", fmt.Errorf("kubectl describes no %s", kind)
		}
		text, err := d.Describe(namespace, name, describe.DescriberSettings{ShowEvents: true, ChunkSize: 500})
		if err != nil {
			return "", err
		}
		return told(text), nil
	}
}

// told are the lines of kubectl describe that say something about why: states, reasons, and the last
// warning.
func told(text string) string {
	var states []string
	warning := ""
	for line := range strings.SplitSeq(text, "\n") {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		value = strings.TrimSpace(value)
		switch key {
		case "Status", "State", "Last State", "Reason", "Exit Code", "Pods Status", "Suspend", "Replicas":
			if len(states) < 6 && value != "" {
				states = append(states, key+" "+value)
			}
		}
		if fields := strings.Fields(line); len(fields) > 4 && fields[0] == "Warning" {
			warning = strings.Join(fields[:2], " ") + ": " + strings.Join(fields[min(len(fields)-1, 4):], " ")
		}
	}
	if warning != "" {
		states = append(states, warning)
	}
	out := []rune(strings.Join(states, "; "))
	if len(out) > 260 {
		return string(out[:259]) + "…"
	}
	return string(out)
}
