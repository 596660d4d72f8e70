package watch

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/klog/v2"
)

// Runtime hands out the runtime's container events until ctx ends (KEP-3386).
// Whenever the stream has begun anew, joined is called: what happened in
// between is to be looked up.
func Runtime(ctx context.Context, service internalapi.RuntimeService, on func(*runtimeapi.ContainerEventResponse), joined func(), failed func(error)) {
	events := make(chan *runtimeapi.ContainerEventResponse, 256)
	go func() {
		for {
			select {
			case e := <-events:
				on(e)
			case <-ctx.Done():
				return
			}
		}
	}()
	backoff := wait.Backoff{Duration: 20 * time.Millisecond, Factor: 2, Jitter: 0.1, Steps: 1 << 30, Cap: time.Second}
	for ctx.Err() == nil {
		began := time.Now()
		err := service.GetContainerEvents(ctx, events, func(runtimeapi.RuntimeService_GetContainerEventsClient) { joined() })
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			failed(err)
		}
		if time.Since(began) > time.Second {
			backoff.Duration = 20 * time.Millisecond
		}
		klog.FromContext(ctx).V(1).Info("The runtime's event stream ended; joining it again", "err", err)
		select {
		case <-time.After(backoff.Step()):
		case <-ctx.Done():
		}
	}
}
