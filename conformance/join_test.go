package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/remotecommand"

	"github.com/podling/podling/conformance/launch"
)

// joining is a control plane of podling's that nodes join, each with a folder of its own.
type joining struct {
	*testing.T
	binary, folder, mirror string
	plane                  *launch.Podling
	config                 *rest.Config
	client                 kubernetes.Interface
	invitation             []string // the flags of the join command
}

func newJoining(t *testing.T) *joining {
	j := &joining{T: t, folder: t.TempDir()}
	j.binary, j.mirror = given(t)
	j.up()
	j.invitation = j.invite()
	return j
}

// up starts the control plane, or starts it again at the same address.
func (j *joining) up() {
	j.Helper()
	j.launch("--runtime", "none", "--data-dir", filepath.Join(j.folder, "plane"))
}

// launch starts the podling that others join, which ends with the test.
func (j *joining) launch(flags ...string) {
	j.Helper()
	j.plane, j.client = launched(j.T, j.binary, flags...)
	j.endWithTest(j.plane)
	var err error
	if j.config, err = clientcmd.BuildConfigFromFlags("", j.plane.Kubeconfig); err != nil {
		j.Fatal(err)
	}
}

// invite has `podling token create` print the join command, and gives its flags.
func (j *joining) invite(flags ...string) []string {
	j.Helper()
	out, err := exec.CommandContext(j.Context(), j.binary, append([]string{"token", "create", "--kubeconfig", j.plane.Kubeconfig}, flags...)...).Output()
	if err != nil {
		j.Fatalf("token create: %v", stderr(err))
	}
	words := strings.Fields(string(out))
	if len(words) != 8 || words[0] != "podling" || words[1] != "node" {
		j.Fatalf("token create printed %q", out)
	}
	return words[2:]
}

func stderr(err error) error {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	return err
}

// flags are those of the node of that name.
func (j *joining) flags(name string, more ...string) []string {
	return append([]string{"--data-dir", filepath.Join(j.folder, name), "--node-name", name, "--registry-mirror", j.mirror}, more...)
}

// node starts a node. It ends with the test.
func (j *joining) node(name string, more ...string) *launch.Podling {
	j.Helper()
	p, err := launch.Node(j.Context(), j.binary, j.flags(name, more...)...)
	if err != nil {
		j.Fatal(err)
	}
	j.endWithTest(p)
	return p
}

// endWithTest ends a podling that the test, failing, did not end.
func (j *joining) endWithTest(p *launch.Podling) {
	j.Cleanup(func() {
		if err := syscall.Kill(p.Pid, 0); err == nil {
			j.Logf("end what the test left: %v", p.Stop())
		}
	})
}

// refused runs `podling node` and wants it to end with an error that has the words.
func (j *joining) refused(words string, flags ...string) {
	j.Helper()
	out, err := exec.CommandContext(j.Context(), j.binary, append([]string{"node"}, flags...)...).CombinedOutput()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.ExitCode() != 1 || !strings.Contains(string(out), words) {
		j.Errorf("podling node %q: %v: %s; want exit code 1 and %q", flags, err, out, words)
	}
}

// pod makes a pod on that node and waits until it runs.
func (j *joining) pod(name, node string, command ...string) {
	j.Helper()
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.PodSpec{
		NodeName: node, TerminationGracePeriodSeconds: new(int64(1)),
		Containers: []v1.Container{{Name: "main", Image: "busybox:1.36", ImagePullPolicy: v1.PullIfNotPresent, Command: command}},
	}}
	if _, err := j.client.CoreV1().Pods("default").Create(j.Context(), pod, metav1.CreateOptions{}); err != nil {
		j.Fatal(err)
	}
	until(j.T, "pod "+name+" runs", func() bool { return running(j.T, j.client)[name] != "" })
}

// logs waits for the log of a pod, by way of the API server.
func (j *joining) logs(pod, want string) {
	j.Helper()
	var text []byte
	var err error
	until(j.T, "the log of "+pod, func() bool {
		text, err = j.client.CoreV1().Pods("default").GetLogs(pod, &v1.PodLogOptions{}).DoRaw(j.Context())
		return err == nil && strings.Contains(string(text), want)
	})
}

// exec runs a shell line in a pod, by way of the API server, and gives what it printed.
func (j *joining) exec(pod, line string) string {
	j.Helper()
	out, err := j.run(pod, line)
	if err != nil {
		j.Fatalf("exec %q in %s: %v", line, pod, err)
	}
	return out
}

// run is exec of what may fail; the error has what it said.
func (j *joining) run(pod, line string) (string, error) {
	j.Helper()
	request := j.client.CoreV1().RESTClient().Post().Resource("pods").Namespace("default").Name(pod).SubResource("exec").
		VersionedParams(&v1.PodExecOptions{Command: []string{"sh", "-c", line}, Stdout: true, Stderr: true}, scheme.ParameterCodec)
	executor, err := remotecommand.NewWebSocketExecutor(j.config, "GET", request.URL().String())
	if err != nil {
		j.Fatal(err)
	}
	var out, bad bytes.Buffer
	if err := executor.StreamWithContext(j.Context(), remotecommand.StreamOptions{Stdout: &out, Stderr: &bad}); err != nil {
		return out.String(), fmt.Errorf("%w: %s", err, bad.String())
	}
	return strings.TrimSpace(out.String()), nil
}

// TestNodesJoin: two nodes on one machine join by a token; their pods run, and logs and exec reach them.
// One is killed and goes on as who it was. The API server dies, a container ends meanwhile, and what
// became of it is told when the API server is back.
func TestNodesJoin(t *testing.T) {
	j := newJoining(t)
	defer j.tell()
	east := j.node("east", append(j.invitation, "--node-labels", "zone=east", "--register-with-taints", "dedicated=build:NoSchedule")...)
	west := j.node("west", j.invitation...)
	nodes := map[string]*launch.Podling{"east": east, "west": west}
	t.Cleanup(func() {
		for _, name := range []string{"east", "west"} {
			removeBridge(t, filepath.Join(j.folder, name))
		}
	})

	object, err := j.client.CoreV1().Nodes().Get(t.Context(), "east", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if object.Labels["zone"] != "east" || len(object.Spec.Taints) != 1 || object.Spec.Taints[0].Key != "dedicated" {
		t.Errorf("labels %v, taints %v", object.Labels, object.Spec.Taints)
	}
	j.wantPrivate("east")

	const work = "echo begun; trap 'exit 3' TERM; while :; do sleep 0.1; done"
	addresses := map[string]string{}
	for name := range nodes {
		j.pod(name, name, "sh", "-c", work)
		j.logs(name, "begun")
		if got := j.exec(name, "echo in $HOSTNAME"); got != "in "+name {
			t.Errorf("exec: %q", got)
		}
		addresses[name] = pods(t, j.client)[name].Status.PodIP
	}
	if got := j.exec("east", "ping -c 1 -W 2 "+addresses["west"]); !strings.Contains(got, " 0% packet loss") {
		t.Errorf("from one node's pod to the other's, %v: %s", addresses, got)
	}

	t.Run("refusals", func(t *testing.T) { j.refusals(t) })

	before := running(t, j.client)
	kill(t, nodes["east"].Pid)
	nodes["east"].Wait()
	nodes["east"] = j.node("east") // no token: it has its certificate
	if after := running(t, j.client); !maps.Equal(before, after) {
		t.Errorf("after kill -9 of the node the containers are\n%v\nthey were\n%v", after, before)
	}

	kill(t, j.plane.Pid)
	j.plane.Wait()
	cri := j.cri("west")
	id, _, _ := strings.Cut(strings.TrimPrefix(before["west"], "containerd://"), " ")
	if err := cri.StopContainer(t.Context(), id, 5); err != nil {
		t.Fatal(err)
	}
	until(t, "the container runs again while the API server is away", func() bool { return len(j.alive(cri, "main")) == 1 && j.alive(cri, "main")[0] != id })
	again := j.alive(cri, "main")[0]
	j.up()
	until(t, "the restart is told", func() bool {
		return running(t, j.client)["west"] == fmt.Sprintf("containerd://%s restarts=1", again)
	})
	if got := running(t, j.client)["east"]; got != before["east"] {
		t.Errorf("the other node's container is %s, was %s", got, before["east"])
	}

	var uids []string
	for _, pod := range pods(t, j.client) {
		uids = append(uids, string(pod.UID))
	}
	if len(cgroups(t)) == 0 {
		t.Error("pods have no cgroups that could be left")
	}
	now := int64(1)
	if err := j.client.CoreV1().Pods("default").DeleteCollection(t.Context(), metav1.DeleteOptions{GracePeriodSeconds: &now}, metav1.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, "all pods are gone", func() bool { return len(pods(t, j.client)) == 0 })
	for name, p := range nodes {
		runtime := j.cri(name)
		until(t, "the sandboxes of "+name+" are gone", func() bool { return len(sandboxesOf(t, runtime, name)) == 0 })
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
		wantNothingOf(t, filepath.Join(j.folder, name), uids)
	}
	if err := j.plane.Stop(); err != nil {
		t.Error(err)
	}
}

// refusals are who may not join.
func (j *joining) refusals(t *testing.T) {
	r := j.within(t)
	server, token, hash := j.invitation[1], j.invitation[3], j.invitation[5]
	way := func(server, token, hash string) []string {
		return r.flags("stranger", "--server", server, "--token", token, "--ca-cert-hash", hash)
	}
	id, _, _ := strings.Cut(token, ".")
	r.refused("knows no token zzzzzz", way(server, "zzzzzz.0123456789abcdef", hash)...)
	r.refused("the token's secret is wrong", way(server, id+".0123456789abcdef", hash)...)
	r.refused("another cluster", way(server, token, "sha256:"+strings.Repeat("0", 64))...)
	r.refused("does not answer", way("https://127.0.0.1:1", token, hash)...)
	r.refused("has a node east that is alive", r.flags("stranger", append(j.invitation, "--node-name", "east")...)...)
	r.refused("is in use by process", r.flags("east")...)

	bootstrap := filepath.Join(r.folder, "bootstrap")
	data := fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}],
		clusters: [{name: c, cluster: {server: %q, insecure-skip-tls-verify: true}}], users: [{name: u, user: {token: zzzzzz.0123456789abcdef}}]}`, server)
	if err := os.WriteFile(bootstrap, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	r.refused("does not know who this is", r.flags("stranger", "--bootstrap-kubeconfig", bootstrap)...)
	r.refused("does not know who this is", r.flags("stranger", "--kubeconfig", bootstrap)...)
	r.refused("say how to join", r.flags("stranger")...)

	short := r.invite("--ttl", "1s")
	id, _, _ = strings.Cut(short[3], ".")
	until(t, "the token has expired", func() bool {
		_, err := j.client.CoreV1().Secrets("kube-system").Get(t.Context(), "bootstrap-token-"+id, metav1.GetOptions{})
		info, _ := j.client.CoreV1().ConfigMaps("kube-public").Get(t.Context(), "cluster-info", metav1.GetOptions{})
		return err != nil && info != nil && info.Data["jws-kubeconfig-"+id] == ""
	})
	r.refused("has expired", r.flags("stranger", short...)...)
	if _, err := j.client.CoreV1().Nodes().Get(t.Context(), "stranger", metav1.GetOptions{}); err == nil {
		t.Error("a node that was refused is there")
	}
}

// wantPrivate wants the node's certificates and keys to be its user's alone.
func (j *joining) wantPrivate(name string) {
	j.Helper()
	keys := 0
	for _, place := range []string{"pki", "kubeconfig", "instance"} {
		err := filepath.WalkDir(filepath.Join(j.folder, name, place), func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := entry.Info()
			if err == nil && info.Mode().IsRegular() {
				keys++
				if info.Mode().Perm() != 0o600 {
					j.Errorf("%s has mode %v", path, info.Mode())
				}
				if filepath.Base(path) == "bootstrap-kubeconfig" {
					j.Errorf("%s is still there", path)
				}
			}
			return err
		})
		if err != nil {
			j.Error(err)
		}
	}
	if keys < 3 {
		j.Errorf("the node keeps %d files", keys)
	}
}
