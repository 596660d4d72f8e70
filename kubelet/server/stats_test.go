package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	kubeletconfig "k8s.io/kubelet/config/v1beta1"
	statsapi "k8s.io/kubelet/pkg/apis/stats/v1alpha1"

	"github.com/podling/podling/kubelet/server"
	"github.com/podling/podling/kubelet/stats"
)

// measured serves what the machine and the pod use.
func measured(t *testing.T) func(*server.Config) {
	dir := t.TempDir()
	none := func(types.UID) (uint64, error) { return 0, nil }
	return func(c *server.Config) {
		c.Configuration = &kubeletconfig.KubeletConfiguration{MaxPods: 17}
		c.Summary = stats.Summary{
			Node: "n", Since: time.Now(), Meter: stats.NewMeter(runtime, dir), Active: c.Pods,
			Places: stats.Places{
				Runtime: runtime, PodUID: "io.kubernetes.pod.uid", Memory: none, Processes: none,
				Logs: func(*v1.Pod) string { return dir }, Hosts: func(*v1.Pod) string { return dir + "/hosts" },
				Volumes: func(types.UID) (map[string]string, error) { return nil, nil },
			},
		}
	}
}

// The summary and the resource metrics say the same, of all containers that run.
func TestSummary(t *testing.T) {
	client, _ := serve(t, measured(t))
	var whole statsapi.Summary
	for _, query := range []string{"?only_cpu_and_memory=true", ""} {
		code, body := get(t, client, "/stats/summary"+query)
		if code != http.StatusOK {
			t.Fatalf("%s: %d, %s", query, code, body)
		}
		var s statsapi.Summary
		if err := json.Unmarshal([]byte(body), &s); err != nil {
			t.Fatal(err)
		}
		if s.Node.NodeName != "n" || *s.Node.CPU.UsageCoreNanoSeconds == 0 || *s.Node.Memory.WorkingSetBytes == 0 {
			t.Errorf("%s: the node: %+v", query, s.Node)
		}
		if disks := s.Node.Fs != nil; disks != (query == "") {
			t.Errorf("%s: disks are measured: %t", query, disks)
		}
		if len(s.Pods) != 1 || s.Pods[0].PodRef.Name != thePod.Name {
			t.Fatalf("%s: pods: %+v", query, s.Pods)
		}
		whole = s
	}
	pod := whole.Pods[0]
	if *pod.CPU.UsageCoreNanoSeconds == 0 || *pod.Memory.WorkingSetBytes == 0 || pod.Network == nil || pod.EphemeralStorage == nil {
		t.Errorf("the pod: %+v", pod)
	}
	running := map[string]bool{}
	for _, status := range thePod.Status.ContainerStatuses {
		if status.State.Running != nil {
			running[status.Name] = true
		}
	}
	_, text := get(t, client, "/metrics/resource")
	for _, c := range pod.Containers {
		if !running[c.Name] {
			t.Errorf("%s is measured, and does not run", c.Name)
		}
		delete(running, c.Name)
		if *c.Memory.WorkingSetBytes == 0 || c.StartTime.IsZero() || c.Rootfs == nil {
			t.Errorf("%s: %+v", c.Name, c)
		}
		for _, name := range []string{"container_cpu_usage_seconds_total", "container_memory_working_set_bytes", "container_start_time_seconds"} {
			line := fmt.Sprintf(`(?m)^%s\{container="%s",namespace="default",pod="pod"\} [0-9.e+-]+`, name, c.Name)
			if !regexp.MustCompile(line).MatchString(text) {
				t.Errorf("there is no %s of %s in\n%s", name, c.Name, text)
			}
		}
	}
	if len(running) > 0 {
		t.Errorf("not measured: %v", running)
	}
	for _, line := range []string{"\nnode_cpu_usage_seconds_total ", "\nresource_scrape_error 0", "\npod_memory_working_set_bytes{"} {
		if !strings.Contains(text, line) {
			t.Errorf("there is no %q in\n%s", line, text)
		}
	}
}

func TestConfigz(t *testing.T) {
	client, _ := serve(t, measured(t))
	if code, body := get(t, client, "/configz"); code != http.StatusOK || !strings.Contains(body, `{"kubeletconfig":{`) || !strings.Contains(body, `"maxPods":17`) {
		t.Errorf("%d, %s", code, body)
	}
}
