package controlplane

import (
	"context"
	"fmt"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/latest"
)

// startScheduler runs upstream's scheduler with its default profile until ctx ends. It returns when
// the scheduler knows all nodes and pods; the channel is closed when it has ended.
//
// It does what upstream does around it (cmd/kube-scheduler/app.Setup and Run) without a port and a
// lease of its own.
func startScheduler(ctx context.Context, client *rest.Config, cfg Config) (<-chan struct{}, error) {
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
	informers := scheduler.NewInformerFactory(typed, 0)
	dynamicInformers := dynamicinformer.NewDynamicSharedInformerFactory(untyped, 0)
	broadcaster := events.NewEventBroadcasterAdapterWithContext(ctx, typed)
	s, err := scheduler.New(ctx, typed, informers, dynamicInformers,
		func(name string) events.EventRecorderLogger {
			return cfg.Scheduled.recorder(broadcaster.NewRecorder(name))
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
	broadcaster.StartRecordingToSink(ctx.Done())
	informers.Start(ctx.Done())
	dynamicInformers.Start(ctx.Done())
	informers.WaitForCacheSync(ctx.Done())
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
		informers.Shutdown()
		dynamicInformers.Shutdown()
	}()
	return done, nil
}
