package controlplane

import (
	"context"
	"fmt"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/latest"
)

// newScheduler builds upstream's scheduler with its default profile on the informers that it is given.
// What it returns, called once all that needs these informers is built, runs it until ctx ends, and
// returns when the scheduler knows all nodes and pods; the channel is closed when it has ended.
//
// It does what upstream does around it (cmd/kube-scheduler/app.Setup and Run) without a port and a
// lease of its own.
func newScheduler(ctx context.Context, client *rest.Config, shared informers.SharedInformerFactory, cfg Config) (func() (<-chan struct{}, error), error) {
	config, err := latest.Default()
	if err != nil {
		return nil, fmt.Errorf("scheduler's configuration: %w", err)
	}
	if cfg.PercentageOfNodesToScore > 0 {
		config.PercentageOfNodesToScore = &cfg.PercentageOfNodesToScore
	}
	typed, err := kubernetes.NewForConfig(rest.AddUserAgent(client, "scheduler"))
	if err != nil {
		return nil, fmt.Errorf("scheduler's client: %w", err)
	}
	untyped, err := dynamic.NewForConfig(client)
	if err != nil {
		return nil, fmt.Errorf("scheduler's dynamic client: %w", err)
	}
	dynamicInformers := dynamicinformer.NewDynamicSharedInformerFactory(untyped, 0)
	broadcaster := events.NewEventBroadcasterAdapterWithContext(ctx, typed)
	s, err := scheduler.New(ctx, typed, livePods{shared}, dynamicInformers,
		func(name string) events.EventRecorderLogger {
			return limited(broadcaster.NewRecorder(name), cfg.Scheduled)
		},
		scheduler.WithComponentConfigVersion(config.APIVersion),
		scheduler.WithKubeConfig(client),
		scheduler.WithProfiles(config.Profiles...),
		scheduler.WithPercentageOfNodesToScore(config.PercentageOfNodesToScore),
		scheduler.WithPodMaxBackoffSeconds(config.PodMaxBackoffSeconds),
		scheduler.WithPodInitialBackoffSeconds(config.PodInitialBackoffSeconds),
		scheduler.WithExtenders(config.Extenders...),
		scheduler.WithParallelism(config.Parallelism),
	)
	if err != nil {
		return nil, fmt.Errorf("build the scheduler: %w", err)
	}
	return func() (<-chan struct{}, error) {
		broadcaster.StartRecordingToSink(ctx.Done())
		shared.Start(ctx.Done())
		dynamicInformers.Start(ctx.Done())
		shared.WaitForCacheSync(ctx.Done())
		dynamicInformers.WaitForCacheSync(ctx.Done())
		if err := s.WaitForHandlersSync(ctx); err != nil {
			broadcaster.Shutdown()
			return nil, fmt.Errorf("scheduler's view of the cluster: %w", err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.Run(ctx)
			broadcaster.Shutdown()
			dynamicInformers.Shutdown()
		}()
		return done, nil
	}, nil
}
