package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/component-base/version"

	"github.com/podling/podling/trace"
	"github.com/podling/podling/web"
)

// newUICommand is `podling ui`.
func newUICommand() *cobra.Command {
	var o traceOptions
	var port int
	cmd := &cobra.Command{
		Use:   "ui [RECORDING]",
		Short: "Show the pods of any cluster, or a recording, in a browser",
		Long: `Show the pods of any cluster in a browser, as lanes over time: phases, conditions, containers, Events;
and each state that a pod went through, with what changed and who changed it. With a file that
podling trace --record wrote, that is shown. Ctrl-C ends it.

The page is served on this machine alone, at the address that is printed. Its token is the key: who
has it sees the pods as you do.`,
		Example: `  podling ui
  podling ui -A --port 8080
  podling ui --context production -l app=web
  podling ui monday.jsonl`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"jsonl"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			if len(args) > 0 {
				return o.showFile(ctx, cmd, args[0], port)
			}
			return o.showCluster(ctx, cmd, port)
		},
	}
	o.access.addFlags(cmd.Flags(), "the cluster's kubeconfig (default: podling's own, else the environment's)")
	o.addSelection(cmd)
	addPortFlag(cmd, "port", &port)
	return cmd
}

func addPortFlag(cmd *cobra.Command, name string, port *int) {
	cmd.Flags().IntVar(port, name, 0, "the page's port on 127.0.0.1; 0: the kernel picks one that is free")
}

// showFile shows a recording.
func (o *traceOptions) showFile(ctx context.Context, cmd *cobra.Command, path string, port int) error {
	rec, err := readRecording(cmd, path)
	if err != nil {
		return err
	}
	page, err := web.Listen(port, pageConfig(filepath.Base(path), false))
	if err != nil {
		return err
	}
	for _, e := range rec.Events {
		if err := page.Add(e); err != nil {
			return err
		}
	}
	fmt.Fprintln(cmd.OutOrStdout(), page.URL())
	return page.Serve(ctx)
}

// showCluster shows the pods that the flags select, as they are and from then on.
func (o *traceOptions) showCluster(ctx context.Context, cmd *cobra.Command, port int) error {
	if err := o.check(nil); err != nil {
		return err
	}
	t, err := o.access.connectOwn(ctx, cmd)
	if err != nil {
		return err
	}
	o.events, o.writers = true, true
	tracer := o.tracer(cmd, t, nil)
	page, err := web.Listen(port, pageConfig(t.config.Host, true))
	if err != nil {
		return err
	}
	fmt.Fprintln(cmd.OutOrStdout(), page.URL())
	return servePage(ctx, page, tracer)
}

// upPage is the page that `podling up --ui` shows the pods of its cluster on, if it is wanted.
type upPage struct {
	wanted bool
	port   int

	page   *web.Server
	cancel context.CancelFunc
	ended  chan struct{} // closed when the page has; nil if there is none
	err    error         // why; read after ended
}

// listen takes the port, before a cluster is started in vain.
func (u *upPage) listen() (err error) {
	if !u.wanted {
		return nil
	}
	u.page, err = web.Listen(u.port, pageConfig("podling up", true))
	return err
}

// serve shows all pods, until stop. What it gives is closed when the page cannot go on.
func (u *upPage) serve(ctx context.Context, cmd *cobra.Command, config *rest.Config) <-chan struct{} {
	if !u.wanted {
		return nil
	}
	u.ended = make(chan struct{})
	ctx, u.cancel = context.WithCancel(ctx)
	fmt.Fprintln(cmd.OutOrStdout(), u.page.URL())
	go func() {
		defer close(u.ended)
		client, err := kubernetes.NewForConfig(config)
		if err == nil {
			err = servePage(ctx, u.page, &trace.Tracer{
				Pods: client.CoreV1(), Events: client.CoreV1(), Writers: true,
				Note: func(text string) { fmt.Fprintln(cmd.ErrOrStderr(), text) },
			})
		}
		if ctx.Err() == nil && err == nil {
			err = errors.New("the page ended by itself")
		}
		u.err = err
	}()
	return u.ended
}

// stop ends the page, before its cluster goes.
func (u *upPage) stop() error {
	if u.ended == nil {
		return nil
	}
	u.cancel()
	select {
	case <-u.ended:
		if u.err != nil {
			return fmt.Errorf("--ui: %w", u.err)
		}
		return nil
	case <-time.After(stopPatience):
		return errors.New("--ui: the page does not end")
	}
}

// servePage serves the page and traces until ctx ends, or one of both cannot go on.
func servePage(ctx context.Context, page *web.Server, tracer *trace.Tracer) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	served := make(chan error, 1)
	go func() {
		defer stop()
		served <- page.Serve(ctx)
	}()
	err := follow(ctx, tracer, page.Add)
	stop()
	return errors.Join(err, <-served)
}

func pageConfig(title string, live bool) web.Config {
	return web.Config{Title: title, Live: live, Version: version.Get().GitVersion, Explain: explainForPage}
}
