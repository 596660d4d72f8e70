package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// TestOptionsThatMakeNoSense is about what is refused before anything is started, and with which
// words.
func TestOptionsThatMakeNoSense(t *testing.T) {
	for _, test := range []struct {
		flags string
		want  string
	}{
		{"--runtime containerd --nodes 3", "--nodes 3: several nodes on one machine have to be simulated"},
		{"--nodes -1", "fewer nodes than none"},
		{"--runtime sim --nodes 1000000", "--nodes 1000000: there can be at most 10000"},
		{"--runtime sim --cri unix:///x", "--runtime sim has no real containers, so it does not go with --cri"},
		{"--runtime sim --image busybox.tar", "does not go with --image"},
		{"--runtime sim --clock sundial", `--clock "sundial" is not known`},
		{"--runtime sim --event-qps -1", "--event-qps -1"},
		{"--runtime sim --sim-profile /not/there.yaml", "/not/there.yaml"},
		{"--runtime sim --node-file /not/there.yaml", "/not/there.yaml"},
		{"--runtime sim --node-file x --nodes 3", "--node-file says how many nodes there are"},
		{"--runtime none --clock virtual", "--clock virtual is for simulated nodes"},
		{"--runtime containerd --sim-profile x.yaml", "--sim-profile x.yaml is for simulated nodes"},
		{"--runtime docker", `--runtime "docker" is not known`},
		{"--runtime none --cri unix:///x", "does not go with --cri"},
		{"--runtime none --pod-manifest-path /x", "does not go with --pod-manifest-path"},
		{"--runtime none --registry-mirror docker.io", "is not HOST=URL"},
		{"--runtime none --registry-mirror docker.io=nowhere", "is not HOST=URL"},
		{"--runtime none --image /not/there.tar", "/not/there.tar"},
		{"--runtime none --etcd-servers 127.0.0.1", "is not a URL"},
		{"--runtime none --listen localhost:0", "is not ADDR:PORT"},
		{"--runtime none --listen 6443", "is not ADDR:PORT"},
		{"--runtime none --ephemeral --data-dir /x", "does not go with --data-dir"},
		{"--runtime none --node-name My_Node", "cannot name a node"},
		{"--runtime sim --proxy-mode iptables", "--proxy-mode and --cluster-dns are for a node whose containers are real"},
		{"--runtime containerd --proxy-mode nftables", "one table for the whole machine"},
		{"--runtime containerd --proxy-mode ipvs", `--proxy-mode "ipvs" is not known`},
		{"--runtime containerd --cluster-dns 10.96.0.10,none", `--cluster-dns "none" is not an IP address`},
		{"--runtime none --max-pods -1", "--max-pods -1"},
		{"--runtime none --eviction-max-pod-grace-period -1", "--eviction-max-pod-grace-period -1"},
		{"--runtime none --eviction-pressure-transition-period -1s", "--eviction-pressure-transition-period -1s"},
		{"--runtime none --eviction-soft memory.available<1Gi", "--eviction-soft memory.available<1Gi: grace period must be specified for the soft eviction threshold memory.available: say --eviction-soft-grace-period"},
		{"--runtime none --system-reserved gold=1", `--system-reserved: "gold" cannot be set aside`},
		{"--runtime none --kube-reserved cpu=many", "--kube-reserved cpu=many: want an amount"},
		{"--runtime none --kube-reserved memory=-1Gi", "--kube-reserved memory=-1Gi: want an amount"},
		{"--runtime sim --kube-reserved cpu=1", "does not go with --kube-reserved"},
		{"--runtime none --image-gc-high-threshold 101", "imageGCHighThresholdPercent 101"},
		{"--runtime none --image-gc-high-threshold 50", "imageGCLowThresholdPercent 80 has to be less"},
		{"--runtime none --image-maximum-gc-age 1m", "imageMaximumGCAge 1m0s has to be more"},
		{"--runtime none --shutdown-grace-period 10ms", "--shutdown-grace-period, --shutdown-grace-period-critical-pods: shutdownGracePeriod 10ms"},
		{"--runtime none --shutdown-grace-period 1s --shutdown-grace-period-critical-pods 2s", "shutdownGracePeriodCriticalPods 2s is a part of"},
		{"--runtime none --shutdown-grace-period 1s --shutdown-grace-period-by-pod-priority 0=1s", "leave them out"},
		{"--runtime none --shutdown-grace-period-by-pod-priority high=1s", `"high" is not a priority`},
		{"--runtime none --shutdown-grace-period-by-pod-priority 0=1500ms", "0=1500ms: want a time of whole seconds"},
		{"--runtime none --shutdown-grace-period-by-pod-priority 0=0s", "there is no time for any pod"},
		{"--runtime sim --shutdown-grace-period 10s", "does not go with --shutdown-grace-period"},
	} {
		t.Run(test.flags, func(t *testing.T) {
			_, err := Up(t.Context(), parse(t, test.flags), nil)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want …%s…", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
		})
	}
}

// TestEvictionFlags is about what each flag says of itself, and what it sets.
func TestEvictionFlags(t *testing.T) {
	for _, test := range []struct{ flag, want string }{
		{"--eviction-hard=memory.available", `invalid argument "memory.available" for "--eviction-hard" flag: "memory.available" is not SIGNAL<VALUE`},
		{"--eviction-hard=memory.free<1Gi", `for "--eviction-hard" flag: unsupported eviction signal memory.free`},
		{"--eviction-hard=memory.available<much", `"much" is neither a quantity, like 100Mi, nor a percentage`},
		{"--eviction-hard=nodefs.available<110%", "between 0% and 100%"},
		{"--eviction-soft=nodefs.available<-1", "must be positive"},
		{"--eviction-soft-grace-period=nodefs.available=soon", `invalid duration "soon"`},
		{"--eviction-soft-grace-period=nodefs.available=-1s", "must not be negative"},
		{"--eviction-minimum-reclaim=nodefs.available=-1Gi", "must not be negative"},
		{"--eviction-max-pod-grace-period=long", "--eviction-max-pod-grace-period"},
	} {
		var o Options
		set := pflag.NewFlagSet("test", pflag.ContinueOnError)
		o.AddFlags(set)
		if err := set.Parse([]string{test.flag}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want …%s…", test.flag, err, test.want)
		}
	}
	e := parse(t, "--eviction-hard=memory.available<1Gi,pid.available<5% --eviction-hard=nodefs.available<2Gi "+
		"--eviction-soft=memory.available<2Gi --eviction-soft-grace-period=memory.available=1m30s --eviction-minimum-reclaim=nodefs.available=1Gi").Eviction
	if got := said(e.Hard, "<"); got != "memory.available<1Gi,nodefs.available<2Gi,pid.available<5%" {
		t.Errorf("hard: %s", got)
	}
	if e.Soft["memory.available"] != "2Gi" || e.SoftGrace["memory.available"] != "1m30s" || e.MinimumReclaim["nodefs.available"] != "1Gi" {
		t.Errorf("soft: %+v", e)
	}
	if e := parse(t, "--eviction-hard=").Eviction; e.Hard == nil || len(e.Hard) != 0 {
		t.Errorf("none at all: %v", e.Hard)
	}
	if e := parse(t, "").Eviction; e.Hard != nil {
		t.Errorf("nothing said: %v, want upstream's", e.Hard)
	}
}

func TestDataDirDefaults(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", "/data/of/mine")
	want := "/data/of/mine/podling"
	if os.Geteuid() == 0 {
		want = "/var/lib/podling"
	}
	o := parse(t, "--runtime none")
	if err := o.complete(); err != nil {
		t.Fatal(err)
	}
	if o.DataDir != want {
		t.Errorf("the data folder is %s, want %s", o.DataDir, want)
	}
}

func TestMirrors(t *testing.T) {
	o := parse(t, "--registry-mirror docker.io=http://a:1 --registry-mirror quay.io=http://b:2/x?y=z")
	got := o.mirrors()
	if got["docker.io"] != "http://a:1" || got["quay.io"] != "http://b:2/x?y=z" || len(got) != 2 {
		t.Errorf("the mirrors are %v", got)
	}
}

func TestFolderThatCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Up(t.Context(), Options{Runtime: RuntimeNone, DataDir: filepath.Join(file, "data")}, nil)
	if err == nil || !strings.Contains(err.Error(), "--data-dir") || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v", err)
	}
}

func parse(t *testing.T, flags string) Options {
	t.Helper()
	var o Options
	set := pflag.NewFlagSet("test", pflag.ContinueOnError)
	o.AddFlags(set)
	if err := set.Parse(strings.Fields(flags)); err != nil {
		t.Fatal(err)
	}
	return o
}
