package containerd

import (
	"context"
	"sync"
	"time"

	"github.com/containerd/containerd/api/events"
	eventsapi "github.com/containerd/containerd/api/services/events/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"k8s.io/klog/v2"
)

const (
	// exitTopic is that of containerd's events which tell that a process has ended.
	exitTopic = "/tasks/exit"
	// writtenDown is how long after a container's end containerd has surely written down how it ended.
	writtenDown = time.Minute
	// joinPause is the time between two attempts to hear containerd's events.
	joinPause = 50 * time.Millisecond
)

// heard are the ends of containers that a containerd has told of lately. One that is killed right after
// has had the shim forget them and not yet written them down itself (handleTaskExit in
// internal/cri/server/events.go).
type heard struct {
	mu   sync.Mutex
	ends map[string]end
}

// listen takes in what containerd tells, until ctx ends.
func (h *heard) listen(ctx context.Context, endpoint string) {
	client, err := grpc.NewClient(endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		klog.ErrorS(err, "Ends of containers that containerd does not get round to writing down will not be known")
		return
	}
	defer client.Close() // was only listened to
	ctx = metadata.AppendToOutgoingContext(ctx, "containerd-namespace", "k8s.io")
	for ctx.Err() == nil {
		err := h.join(ctx, eventsapi.NewEventsClient(client))
		if ctx.Err() == nil {
			klog.V(2).InfoS("containerd's events ended", "err", err)
		}
		select {
		case <-time.After(joinPause):
		case <-ctx.Done():
		}
	}
}

// join says how the stream ended that it joined.
func (h *heard) join(ctx context.Context, client eventsapi.EventsClient) error {
	stream, err := client.Subscribe(ctx, &eventsapi.SubscribeRequest{Filters: []string{`topic=="` + exitTopic + `"`}}, grpc.WaitForReady(true))
	if err != nil {
		return err
	}
	for {
		e, err := stream.Recv()
		if err != nil {
			return err
		}
		var exit events.TaskExit
		if err := proto.Unmarshal(e.GetEvent().GetValue(), &exit); err != nil {
			return err
		}
		if exit.ID == exit.ContainerID { // not of a process that was executed in it
			h.add(exit.ContainerID, end{ExitCode: exit.ExitStatus, At: exit.ExitedAt.AsTime()})
		}
	}
}

func (h *heard) add(id string, e end) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for old, e := range h.ends {
		if time.Since(e.At) > writtenDown {
			delete(h.ends, old)
		}
	}
	if h.ends == nil {
		h.ends = map[string]end{}
	}
	h.ends[id] = e
}

// keep keeps those ends for the containerd that comes after.
func (h *heard) keep(l layout) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, e := range h.ends {
		if err := l.writeEnd(id, e); err != nil { // of a sandbox, or a container that was removed, it writes none
			klog.ErrorS(err, "How a container ended is not kept", "container", id)
		}
	}
}
