package conformance

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/podling/podling/controlplane"
	"github.com/podling/podling/kubelet/proxy"
)

const webPort = 8080

// networked is a podling whose pods ask and answer.
type networked struct {
	joining
	data, tools string // its folder, and one with the program reach that its pods see
}

func newNetworked(t *testing.T) *networked {
	t.Helper()
	n := &networked{joining: joining{T: t, folder: t.TempDir()}, tools: t.TempDir()}
	n.data = filepath.Join(n.folder, "data")
	n.binary, n.mirror = given(t)
	build := exec.CommandContext(t.Context(), "go", "build", "-o", n.tools, "./cmd/reach")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build reach: %v: %s", err, out)
	}
	t.Cleanup(func() { removeBridge(t, n.data) })
	n.start()
	return n
}

// start starts podling, or starts it again.
func (n *networked) start() {
	n.Helper()
	n.launch("--data-dir", n.data, "--registry-mirror", n.mirror)
}

// serve makes a pod that runs reach with these arguments, or sleeps without any.
func (n *networked) serve(name string, change func(*v1.PodSpec), args ...string) {
	n.Helper()
	command := append([]string{"/tools/reach"}, args...)
	if len(args) == 0 {
		command = []string{"sleep", "3600"}
	}
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": name}}, Spec: v1.PodSpec{
		TerminationGracePeriodSeconds: new(int64(1)),
		Volumes:                       []v1.Volume{{Name: "tools", VolumeSource: v1.VolumeSource{HostPath: &v1.HostPathVolumeSource{Path: n.tools}}}},
		Containers: []v1.Container{{
			Name: "main", Image: "busybox:1.36", ImagePullPolicy: v1.PullIfNotPresent, Command: command,
			VolumeMounts: []v1.VolumeMount{{Name: "tools", MountPath: "/tools", ReadOnly: true}},
		}},
	}}
	if change != nil {
		change(&pod.Spec)
	}
	if _, err := n.client.CoreV1().Pods("default").Create(n.Context(), pod, metav1.CreateOptions{}); err != nil {
		n.Fatal(err)
	}
}

// service makes a Service, of the web pod unless it leads elsewhere.
func (n *networked) service(name string, spec v1.ServiceSpec) *v1.Service {
	n.Helper()
	if spec.Type != v1.ServiceTypeExternalName {
		spec.Selector = map[string]string{"app": "web"}
	}
	service, err := n.client.CoreV1().Services("default").Create(n.Context(), &v1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}, metav1.CreateOptions{})
	if err != nil {
		n.Fatal(err)
	}
	return service
}

// reaches wants a line of reach, said in a pod, to come to print what is wanted in the end.
func (n *networked) reaches(pod, line, want string) {
	n.Helper()
	began := time.Now()
	for {
		got, err := n.run(pod, "/tools/reach "+line)
		if err == nil && strings.Contains(got, want) {
			return
		}
		if time.Since(began) > survivalLimit {
			n.Errorf("reach %s in %s: %q, %v; want %q", line, pod, got, err, want)
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// firewallOf are the rules and chains of the podling with that folder, sorted.
func firewallOf(t *testing.T, data string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "iptables-save").CombinedOutput()
	if err != nil {
		t.Fatalf("iptables-save: %v: %s", err, out)
	}
	prefix, bridge := proxy.Prefix(data), bridgeOf(t, data)
	var own []string
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, prefix) || strings.Contains(line, bridge) {
			own = append(own, line)
		}
	}
	slices.Sort(own)
	return own
}

// TestPodNetwork: pods reach each other, themselves, the machine and the API by all the ways and names
// that Services have, also after podling was killed; and nothing of it is left in the end.
func TestPodNetwork(t *testing.T) {
	n := newNetworked(t)
	hostPort := freePort(t)
	n.serve("web", func(spec *v1.PodSpec) {
		spec.Hostname, spec.Subdomain = "web-0", "headless"
		spec.Containers[0].Ports = []v1.ContainerPort{{ContainerPort: webPort, HostPort: hostPort}}
	}, "serve", fmt.Sprintf(":%d", webPort), "here")
	n.serve("client", nil)
	ports := []v1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromInt32(webPort)}}
	service := n.service("web", v1.ServiceSpec{Type: v1.ServiceTypeNodePort, Ports: ports})
	n.service("headless", v1.ServiceSpec{ClusterIP: v1.ClusterIPNone, Ports: []v1.ServicePort{{Name: "http", Port: webPort}}})
	n.service("alias", v1.ServiceSpec{Type: v1.ServiceTypeExternalName, ExternalName: "web.default.svc.cluster.local"})
	until(t, "both pods run", func() bool { return len(running(t, n.client)) == 2 })
	address := pods(t, n.client)["web"].Status.PodIP
	host, nodePort := controlplane.HostIP().String(), service.Spec.Ports[0].NodePort

	for _, at := range []string{
		fmt.Sprintf("%s:%d", address, webPort),
		fmt.Sprintf("%s.default.pod.cluster.local:%d", strings.ReplaceAll(address, ".", "-"), webPort),
		"web", "web.default", "web.default.svc.cluster.local", service.Spec.ClusterIP, "alias",
		fmt.Sprintf("headless:%d", webPort), fmt.Sprintf("web-0.headless:%d", webPort),
		fmt.Sprintf("%s:%d", host, nodePort), fmt.Sprintf("%s:%d", host, hostPort),
	} {
		n.reaches("client", "get http://"+at, "200 here")
	}
	for _, at := range []string{"web", fmt.Sprintf("%s:%d", host, nodePort), fmt.Sprintf("%s:%d", host, hostPort)} {
		n.reaches("web", "get http://"+at, "200 here") // and so back to the pod that asks
	}
	for _, at := range []string{
		fmt.Sprintf("%s:%d", address, webPort), service.Spec.ClusterIP,
		fmt.Sprintf("%s:%d", host, nodePort), fmt.Sprintf("%s:%d", host, hostPort),
	} {
		until(t, "the machine reaches "+at, func() bool { return statusOf(t, "http://"+at) == http.StatusOK })
	}
	n.reaches("client", "lookup headless", address)
	n.reaches("client", "srv _http._tcp.headless.default.svc.cluster.local", fmt.Sprintf("web-0.headless.default.svc.cluster.local.:%d", webPort))
	if out, err := n.run("client", "/tools/reach lookup none.default.svc.cluster.local"); err == nil || !strings.Contains(err.Error(), "no such host") {
		t.Errorf("a name that is none: %q, %v", out, err)
	}
	resolv := n.exec("client", "cat /etc/resolv.conf")
	if !strings.HasPrefix(resolv, "search default.svc.cluster.local svc.cluster.local cluster.local") ||
		!strings.Contains(resolv, "\nnameserver 10.") || !strings.HasSuffix(resolv, "\noptions ndots:5") {
		t.Errorf("a pod's resolv.conf: %q", resolv)
	}
	n.reaches("client", "token https://kubernetes.default.svc/api", `"kind":"APIVersions"`)
	if got, err := n.run("client", "/tools/reach get https://kubernetes.default.svc/api"); err != nil || !strings.HasPrefix(got, "401 ") {
		t.Errorf("the API without a token: %q, %v; want 401", got, err)
	}

	n.joined()

	before := firewallOf(t, n.data)
	kill(t, n.plane.Pid)
	n.plane.Wait()
	if got := statusOf(t, "http://"+service.Spec.ClusterIP); got != http.StatusOK {
		t.Errorf("a Service while podling is dead: %d", got)
	}
	n.start()
	n.reaches("client", "get http://web", "200 here")
	n.reaches("client", "token https://kubernetes.default.svc/api", `"kind":"APIVersions"`)
	if after := firewallOf(t, n.data); !slices.Equal(before, after) {
		t.Errorf("after kill -9 the firewall has\n%q\nit had\n%q", after, before)
	}

	now := int64(1)
	if err := n.client.CoreV1().Pods("default").DeleteCollection(t.Context(), metav1.DeleteOptions{GracePeriodSeconds: &now}, metav1.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, "all pods are gone", func() bool { return len(pods(t, n.client)) == 0 })
	runtime := criOf(t, n.data)
	until(t, "the sandboxes are gone", func() bool { return len(sandboxesOf(t, runtime, "web"))+len(sandboxesOf(t, runtime, "client")) == 0 })
	if err := n.plane.Stop(); err != nil {
		t.Error(err)
	}
	if left := firewallOf(t, n.data); len(left) > 0 {
		t.Errorf("left in the firewall: %q", left)
	}
	if _, err := net.InterfaceByName(bridgeOf(t, n.data)); err == nil {
		t.Error("the pods' bridge is left")
	}
}

// joined: a node that joins has Services and names as well. Its pod is gone, and so is the node's part of
// the firewall, when it returns.
func (n *networked) joined() {
	n.Helper()
	east := filepath.Join(n.folder, "east")
	n.Cleanup(func() { removeBridge(n.T, east) })
	p := n.node("east", n.invite()...)
	n.serve("guest", func(spec *v1.PodSpec) { spec.NodeName = "east" })
	until(n.T, "a pod on the node that joined runs", func() bool { return running(n.T, n.client)["guest"] != "" })
	n.reaches("guest", "get http://web", "200 here")
	n.reaches("guest", "token https://kubernetes.default.svc/api", `"kind":"APIVersions"`)
	if err := n.client.CoreV1().Pods("default").Delete(n.Context(), "guest", metav1.DeleteOptions{}); err != nil {
		n.Fatal(err)
	}
	runtime := criOf(n.T, east)
	until(n.T, "the sandbox is gone", func() bool { return len(sandboxesOf(n.T, runtime, "guest")) == 0 })
	if err := p.Stop(); err != nil {
		n.Error(err)
	}
	if left := firewallOf(n.T, east); len(left) > 0 {
		n.Errorf("the node that joined left in the firewall: %q", left)
	}
}

// statusOf is the status of the answer, 0 without one.
func statusOf(t *testing.T, url string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := (&http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return 0
	}
	if err := answer.Body.Close(); err != nil {
		t.Error(err)
	}
	return answer.StatusCode
}

// freePort is one of this machine that nobody listens on.
func freePort(t *testing.T) int32 {
	t.Helper()
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return int32(l.Addr().(*net.TCPAddr).Port)
}
