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
		{"--nodes 3", "--nodes 3 is not there yet"},
		{"--nodes -1", "fewer nodes than none"},
		{"--runtime sim", "--runtime sim is not there yet"},
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
