package eviction

import (
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	statsapi "k8s.io/kubelet/pkg/apis/stats/v1alpha1"
	"sigs.k8s.io/yaml"
)

const mebibyte = 1 << 20

// TestExcess names the limits, and how much of each is used.
func TestExcess(t *testing.T) {
	const (
		emptyDir  = `{volumes: [{name: v, emptyDir: {sizeLimit: 10Mi}}], containers: [{name: main}]}`
		unlimited = `{volumes: [{name: v, emptyDir: {}}], containers: [{name: main}]}`
		one       = `{containers: [{name: main, resources: {limits: {ephemeral-storage: 10Mi}}}]}`
		two       = `{containers: [{name: main, resources: {limits: {ephemeral-storage: 10Mi}}}, {name: other, resources: {limits: {ephemeral-storage: 30Mi}}}]}`
	)
	for _, test := range []struct {
		name, spec               string
		volume, layer, logs, sum uint64 // MiB
		apart                    bool
		want                     string
	}{
		{name: "emptyDir full to the brim", spec: emptyDir, volume: 10},
		{name: "emptyDir too large", spec: emptyDir, volume: 11, want: `Usage of EmptyDir volume "v" exceeds the limit "10Mi". `},
		{name: "emptyDir without limit", spec: unlimited, volume: 1000, sum: 1000},
		{name: "the pod's sum", spec: one, sum: 11, want: `Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. `},
		{name: "at its limit", spec: one, sum: 10, layer: 10},
		{name: "one of two containers", spec: two, layer: 8, logs: 3, sum: 11, want: `Container main exceeded its local ephemeral storage limit "10Mi". `},
		{name: "images elsewhere", spec: two, layer: 8, logs: 3, sum: 11, apart: true},
		{name: "logs, images elsewhere", spec: two, logs: 11, sum: 11, apart: true, want: `Container main exceeded its local ephemeral storage limit "10Mi". `},
		{name: "the pod's sum comes first", spec: two, layer: 41, sum: 41, want: `Pod ephemeral local storage usage exceeds the total limit of containers 40Mi. `},
	} {
		t.Run(test.name, func(t *testing.T) {
			pod := podOf(t, test.spec)
			if got := limited(pod); got != (test.spec != unlimited) {
				t.Errorf("limited: %v", got)
			}
			used := statsapi.PodStats{
				VolumeStats:      []statsapi.VolumeStats{{Name: "v", FsStats: *disk(test.volume)}},
				EphemeralStorage: disk(test.sum),
				Containers:       []statsapi.ContainerStats{{Name: "main", Rootfs: disk(test.layer), Logs: disk(test.logs)}, {Name: "ephemeral", Rootfs: disk(1000)}},
			}
			if got := excess(pod, used, test.apart); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if got := excess(pod, statsapi.PodStats{}, test.apart); got != "" {
				t.Errorf("nothing is known of the pod, and yet: %q", got)
			}
		})
	}
}

// A pod whose containers are being started is let come up first, but not for ever.
func TestStarting(t *testing.T) {
	began := time.Unix(1000, 0)
	start := metav1.NewTime(began)
	creating := v1.ContainerStatus{State: v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: "ContainerCreating"}}}
	running := v1.ContainerStatus{State: v1.ContainerState{Running: &v1.ContainerStateRunning{}}}
	for _, test := range []struct {
		name     string
		statuses []v1.ContainerStatus
		after    time.Duration
		want     bool
	}{
		{"all run", []v1.ContainerStatus{running, running}, time.Second, false},
		{"one is being created", []v1.ContainerStatus{running, creating}, time.Second, true},
		{"one is being created all the time", []v1.ContainerStatus{running, creating}, time.Minute, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			pod := &v1.Pod{Status: v1.PodStatus{StartTime: &start, ContainerStatuses: test.statuses}}
			if got := starting(pod, began.Add(test.after)); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func podOf(t *testing.T, spec string) *v1.Pod {
	t.Helper()
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "ns", UID: "u"}}
	if err := yaml.UnmarshalStrict([]byte(spec), &pod.Spec); err != nil {
		t.Fatal(err)
	}
	return pod
}

func disk(mebibytes uint64) *statsapi.FsStats {
	used := mebibytes * mebibyte
	return &statsapi.FsStats{UsedBytes: &used}
}
