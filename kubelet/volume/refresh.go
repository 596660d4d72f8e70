package volume

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/podling/podling/kubelet/reference"
)

// refreshEvery is how old the contents of a volume can be: upstream's pods are
// looked at again after one minute (syncFrequency).
const refreshEvery = time.Minute

// refreshPatience is how long one pod's volumes may take: a deletion of the pod
// waits for it.
const refreshPatience = 20 * time.Second

// Run brings the contents of mounted volumes up to date, until ctx ends: config
// maps and secrets that changed, tokens that grow old. Until then CSI drivers can
// register. It is to be called once.
func (m *Manager) Run(ctx context.Context) {
	defer close(m.ended)
	go m.watchDrivers(ctx)
	tick := time.NewTicker(refreshEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			m.refresh(ctx)
		}
	}
}

// refresh does one round over all pods. A pod that is just being worked on is
// left for the next one.
func (m *Manager) refresh(ctx context.Context) {
	m.mu.Lock()
	pods := slices.Collect(maps.Values(m.pods))
	m.mu.Unlock()
	reader := m.reader.Once()
	for _, p := range pods {
		if ctx.Err() != nil {
			return
		}
		if !p.TryLock() {
			continue
		}
		if !p.gone && p.pod != nil {
			m.refreshPod(ctx, p, reader)
		}
		p.Unlock()
	}
}

func (m *Manager) refreshPod(ctx context.Context, p *podVolumes, reader *reference.Reader) {
	ctx, cancel := context.WithTimeout(ctx, refreshPatience)
	defer cancel()
	// Volumes that fail keep their contents, and their Events say so.
	_ = m.setUpAll(ctx, p, p.pod, reader, true)
}
