package podlingtest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/podling/podling/podlingtest"
)

// A cluster is there when Start returns, each has its own API server, and nothing of
// it is left when its test is over.
func TestStart(t *testing.T) {
	t.Parallel()
	hosts := make(chan string, 2)
	t.Run("two", func(t *testing.T) {
		for _, name := range []string{"one", "other"} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				var kubeconfig string
				log, failed := try(t, func(t testing.TB) {
					c := podlingtest.Start(t, podlingtest.Runtime(podlingtest.None))
					hosts <- c.Config.Host
					kubeconfig = c.Kubeconfig
					config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
					if err != nil {
						t.Fatal(err)
					}
					if client, err := kubernetes.NewForConfig(config); err != nil {
						t.Error(err)
					} else if _, err := client.CoreV1().Namespaces().Get(context.Background(), "default", metav1.GetOptions{}); err != nil {
						t.Error(err)
					}
					create(t, c, "pod")
					c.WaitFor(podlingtest.Named("", "pod"), podlingtest.Not(podlingtest.Ready))
				})
				if failed {
					t.Error(log)
				}
				if _, err := os.Stat(filepath.Dir(kubeconfig)); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s is left: %v", kubeconfig, err)
				}
			})
		}
	})
	if a, b := <-hosts, <-hosts; a == b {
		t.Errorf("both are at %s", a)
	}
}

// What podling refuses, the test says.
func TestStartRefused(t *testing.T) {
	t.Parallel()
	wantFailure(t, func(t testing.TB) { podlingtest.Start(t, podlingtest.Runtime("docker")) },
		`podling up: it ended (exit status 1)`, `--runtime "docker" is not known`)
	wantFailure(t, func(t testing.TB) { podlingtest.Start(t, podlingtest.Args("--no-such-flag")) },
		`unknown flag: --no-such-flag`)
	wantFailure(t, func(t testing.TB) { podlingtest.Start(t, podlingtest.Binary("/nowhere/podling")) },
		`/nowhere/podling`)
}

// A control plane alone has no clock, no faults and no profiles to speak of.
func TestNoNode(t *testing.T) {
	t.Parallel()
	e := up(t, podlingtest.Runtime(podlingtest.None))
	for _, test := range []func(*podlingtest.Cluster){
		func(c *podlingtest.Cluster) { c.Clock.Advance(time.Minute) },
		func(c *podlingtest.Cluster) { c.Faults.List() },
		func(c *podlingtest.Cluster) { c.Sim.List() },
	} {
		wantFailure(t, func(t testing.TB) { test(e.For(t)) }, "this cluster has no node")
	}
}

// up is a cluster that the test's trials share.
func up(t *testing.T, opts ...podlingtest.Option) *podlingtest.Environment {
	t.Helper()
	e, err := podlingtest.Up(t.Context(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Stop(); err != nil {
			t.Error(err)
		}
	})
	return e
}

const abandoned = "PODLINGTEST_ABANDON"

// A test that is killed takes its cluster with it. This test starts itself again for
// that, and the second kills itself when its cluster is up.
func TestKilled(t *testing.T) {
	t.Parallel()
	if os.Getenv(abandoned) != "" {
		c := podlingtest.Start(t, podlingtest.Runtime(podlingtest.None))
		fmt.Println("podling:", child(t), c.Config.Host)
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		select {}
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), abandoned+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "podling: "); ok {
			if _, err := fmt.Sscan(rest, &pid); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || pid == 0 {
		t.Fatalf("it was to be killed with a podling up: %v, pid %d", err, pid)
	}
	for limit := time.Now().Add(30 * time.Second); syscall.Kill(pid, 0) == nil; time.Sleep(10 * time.Millisecond) {
		if zombie(t, pid) {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("podling %d lives on", pid)
		}
	}
}

// child is the process that this one has started.
func child(t *testing.T) int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		var pid, parent int
		var state string
		_, after, _ := strings.Cut(string(text), ") ")
		if _, err := fmt.Sscan(after, &state, &parent); err == nil && parent == os.Getpid() {
			if _, err := fmt.Sscan(string(text), &pid); err == nil {
				return pid
			}
		}
	}
	t.Fatal("no process was started")
	return 0
}

// zombie: it has ended, and whoever has inherited it has not noticed yet.
func zombie(t *testing.T, pid int) bool {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, after, _ := strings.Cut(string(text), ") ")
	return slices.Contains([]string{"Z", "X"}, strings.SplitN(after, " ", 2)[0])
}

// BenchmarkStart is how long a cluster takes to come up, and to end.
func BenchmarkStart(b *testing.B) {
	for _, runtime := range []string{podlingtest.None, podlingtest.Sim} {
		b.Run(runtime, func(b *testing.B) {
			var ending time.Duration
			for b.Loop() {
				e, err := podlingtest.Up(b.Context(), podlingtest.Runtime(runtime))
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				began := time.Now()
				if err := e.Stop(); err != nil {
					b.Fatal(err)
				}
				ending += time.Since(began)
				b.StartTimer()
			}
			b.ReportMetric(ending.Seconds()*1000/float64(b.N), "ms-to-end")
		})
	}
}
