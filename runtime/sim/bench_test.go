package sim

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	api "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/podling/podling/clock"
)

func benchPod(i int) *api.PodSandboxConfig {
	uid := fmt.Sprint("uid-", i)
	return &api.PodSandboxConfig{Metadata: &api.PodSandboxMetadata{Name: uid, Namespace: "ns", Uid: uid}, Labels: map[string]string{labelPodUID: uid},
		Linux: &api.LinuxPodSandboxConfig{SecurityContext: &api.LinuxSandboxSecurityContext{NamespaceOptions: &api.NamespaceOption{Pid: api.NamespaceMode_CONTAINER}}}}
}

// One container: created, started, stopped, removed.
func BenchmarkContainer(b *testing.B) {
	r := New(Config{Clock: clock.Real{}, Images: []string{"busybox"}})
	ctx := b.Context()
	sandbox, err := r.RunPodSandbox(ctx, benchPod(0), "")
	if err != nil {
		b.Fatal(err)
	}
	config := containerConfig(0, "busybox", "sleep", "3600")
	b.ReportAllocs()
	for b.Loop() {
		id, err := r.CreateContainer(ctx, sandbox, config, nil)
		if err != nil {
			b.Fatal(err)
		}
		if err := r.StartContainer(ctx, id); err != nil {
			b.Fatal(err)
		}
		if err := r.StopContainer(ctx, id, 0); err != nil {
			b.Fatal(err)
		}
		if err := r.RemoveContainer(ctx, id); err != nil {
			b.Fatal(err)
		}
	}
}

// What a pod takes whose only container runs and does nothing.
func BenchmarkIdlePods(b *testing.B) {
	for name, command := range map[string][]string{
		"sleep": {"sleep", "3600"},
		"sh":    {"sh", "-c", "sleep 3600"},
		"trap":  {"sh", "-c", "trap 'exit 0' TERM; sleep 100000 & wait"},
	} {
		b.Run(name, func(b *testing.B) {
			const pods = 2000
			r := New(Config{Clock: clock.Real{}, Images: []string{"busybox"}})
			var configs []*api.PodSandboxConfig
			for i := range pods {
				configs = append(configs, benchPod(i))
			}
			for b.Loop() {
				var ids []string
				before := inUse()
				for _, config := range configs {
					s, err := r.RunPodSandbox(b.Context(), config, "")
					if err != nil {
						b.Fatal(err)
					}
					id, err := r.CreateContainer(b.Context(), s, containerConfig(0, "busybox", command...), nil)
					if err != nil {
						b.Fatal(err)
					}
					if err := r.StartContainer(b.Context(), id); err != nil {
						b.Fatal(err)
					}
					ids = append(ids, s)
				}
				settle(b)
				b.ReportMetric(float64(inUse()-before)/pods, "B/pod")
				b.ReportMetric(float64(runtime.NumGoroutine())/pods, "goroutines/pod")
				for _, id := range ids {
					if err := r.RemovePodSandbox(b.Context(), id); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// settle waits for the scripts to be where they wait.
func settle(b *testing.B) {
	b.Helper()
	time.Sleep(500 * time.Millisecond)
}

func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
