package cluster

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	imagev1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	busybox "github.com/podling/podling/conformance/images"
	"github.com/podling/podling/controlplane"
	"github.com/podling/podling/kubelet/proxy"
	"github.com/podling/podling/runtime/containerd"
)

// patience is how long a pod has to start, and a way to be there.
const patience = 30 * time.Second

// A netLab is a cluster with a real node, and what is reached in it from where. It needs root and the
// programs that podling starts.
type netLab struct {
	*testing.T
	cluster *Cluster
	client  *kubernetes.Clientset
}

func newNetLab(t *testing.T) *netLab {
	t.Helper()
	c, err := Up(t.Context(), Options{Ephemeral: true, NodeName: "net", Images: []string{busyboxArchive(t)}, Kubeconfig: filepath.Join(t.TempDir(), "kubeconfig")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	l := &netLab{T: t, cluster: c, client: kubernetes.NewForConfigOrDie(c.Admin())}
	t.Cleanup(l.stop)
	return l
}

// stop ends the cluster, and sees that nothing of it is left in the firewall.
func (l *netLab) stop() {
	network, err := containerd.ChooseNetwork(containerdDir(l.cluster.folder.path))
	if err != nil {
		l.Error(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := l.cluster.Stop(ctx); err != nil {
		l.Error(err)
	}
	rules, err := exec.CommandContext(ctx, "iptables-save").CombinedOutput()
	if err != nil {
		l.Errorf("iptables-save: %v: %s", err, rules)
	}
	for line := range strings.Lines(string(rules)) {
		if strings.Contains(line, proxy.Prefix(l.cluster.folder.path)) || strings.Contains(line, network.Bridge()) {
			l.Errorf("left in the firewall: %s", line)
		}
	}
}

func busyboxArchive(t *testing.T) string {
	t.Helper()
	program, err := busybox.Busybox()
	if err != nil {
		t.Fatal(err)
	}
	made, err := busybox.Scenarios(program)
	if err != nil {
		t.Fatal(err)
	}
	named := map[name.Tag]imagev1.Image{}
	for image, content := range made {
		tag, err := name.NewTag(image)
		if err != nil {
			t.Fatal(err)
		}
		named[tag] = content
	}
	archive := filepath.Join(t.TempDir(), "busybox.tar")
	if err := tarball.MultiWriteToFile(archive, named); err != nil {
		t.Fatal(err)
	}
	return archive
}

// pod starts a pod with one container and waits until it runs.
func (l *netLab) pod(pod *corev1.Pod, ports []corev1.ContainerPort, command ...string) *corev1.Pod {
	l.Helper()
	grace := int64(0)
	pod.Labels = map[string]string{"app": pod.Name}
	pod.Spec.TerminationGracePeriodSeconds = &grace
	pod.Spec.Containers = []corev1.Container{{Name: "main", Image: "busybox:1.36", Command: command, Ports: ports}}
	pods := l.client.CoreV1().Pods("default")
	if _, err := pods.Create(l.Context(), pod, metav1.CreateOptions{}); err != nil {
		l.Fatal(err)
	}
	var running *corev1.Pod
	l.eventually("pod "+pod.Name, func() (err error) {
		running, err = pods.Get(l.Context(), pod.Name, metav1.GetOptions{})
		if err == nil && running.Status.Phase != corev1.PodRunning {
			err = fmt.Errorf("%s: %v", running.Status.Phase, running.Status.ContainerStatuses)
		}
		return err
	})
	return running
}

func (l *netLab) service(name, pod string, spec corev1.ServiceSpec) *corev1.Service {
	l.Helper()
	if pod != "" {
		spec.Selector = map[string]string{"app": pod}
	}
	service, err := l.client.CoreV1().Services("default").Create(l.Context(), &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}, metav1.CreateOptions{})
	if err != nil {
		l.Fatal(err)
	}
	return service
}

func (l *netLab) eventually(what string, holds func() error) {
	l.Helper()
	for until := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		err := holds()
		if err == nil {
			return
		}
		if time.Now().After(until) {
			l.Errorf("%s: not within %v: %v", what, patience, err)
			return
		}
	}
}

// in runs a shell line in a pod's container.
func (l *netLab) in(pod *corev1.Pod, line string) (string, error) {
	containers, err := l.cluster.runtime.cri.ListContainers(l.Context(), &runtimeapi.ContainerFilter{
		LabelSelector: map[string]string{"io.kubernetes.pod.uid": string(pod.UID)},
	})
	if err != nil || len(containers) != 1 {
		return "", fmt.Errorf("containers of %s: %v %w", pod.Name, containers, err)
	}
	out, errOut, err := l.cluster.runtime.cri.ExecSync(l.Context(), containers[0].Id, []string{"sh", "-c", line}, 10*time.Second)
	if err != nil {
		return "", fmt.Errorf("%w: %s%s", err, out, errOut)
	}
	return strings.TrimSpace(string(out)), nil
}

// A pod reaches others by all the ways that Services have, itself, the machine's ports, and the API.
func TestPodNetwork(t *testing.T) {
	l := newNetLab(t)
	hostPort := freePort(t)
	const port = 8080
	web := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: corev1.PodSpec{Hostname: "web-0", Subdomain: "headless"}}
	web = l.pod(web, []corev1.ContainerPort{{ContainerPort: port, HostPort: int32(hostPort)}},
		"sh", "-c", "mkdir /www; echo here > /www/index.html; exec httpd -f -h /www -p 8080")
	client := l.pod(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "client"}}, nil, "sleep", "3600")
	ports := []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromInt32(port)}}
	service := l.service("web", "web", corev1.ServiceSpec{Type: corev1.ServiceTypeNodePort, Ports: ports})
	l.service("headless", "web", corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone, Ports: []corev1.ServicePort{{Name: "http", Port: port}}})
	l.service("alias", "", corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "web.default.svc.cluster.local"})
	host := controlplane.HostIP().String()

	fetch := func(pod *corev1.Pod, from string) func() error {
		return func() error {
			got, err := l.in(pod, "wget -T 3 -qO- "+from)
			if err == nil && got != "here" {
				err = fmt.Errorf("%q", got)
			}
			return err
		}
	}
	for what, url := range map[string]string{
		"a pod by its address":             "http://" + net.JoinHostPort(web.Status.PodIP, fmt.Sprint(port)),
		"a Service by its name":            "http://web",
		"a Service by its whole name":      "http://web.default.svc.cluster.local",
		"a Service by its address":         "http://" + service.Spec.ClusterIP,
		"a headless Service":               fmt.Sprintf("http://headless:%d", port),
		"a pod of a headless Service":      fmt.Sprintf("http://web-0.headless:%d", port),
		"an ExternalName":                  "http://alias",
		"a node port":                      "http://" + net.JoinHostPort(host, fmt.Sprint(service.Spec.Ports[0].NodePort)),
		"a host port":                      "http://" + net.JoinHostPort(host, fmt.Sprint(hostPort)),
		"a pod by the name of its address": fmt.Sprintf("http://%s.default.pod.cluster.local:%d", strings.ReplaceAll(web.Status.PodIP, ".", "-"), port),
	} {
		l.eventually(what, fetch(client, url))
	}
	l.eventually("a Service that leads back to the pod that asks", fetch(web, "http://web"))
	l.eventually("a host port that leads back to the pod that asks", fetch(web, fmt.Sprintf("http://%s:%d", host, hostPort)))
	l.eventually("a host port, from the machine", func() error { return get(t, fmt.Sprintf("http://%s:%d", host, hostPort)) })
	l.eventually("a node port, from the machine", func() error { return get(t, fmt.Sprintf("http://%s:%d", host, service.Spec.Ports[0].NodePort)) })
	l.eventually("a name that is none", func() error {
		out, err := l.in(client, "nslookup no-such-service.default.svc.cluster.local. || true")
		if err == nil && !strings.Contains(out, "NXDOMAIN") {
			err = fmt.Errorf("%q", out)
		}
		return err
	})

	const api = `wget -T 3 -qO- --no-check-certificate https://kubernetes.default.svc/api `
	l.eventually("the API, by the pod's token", func() error {
		out, err := l.in(client, api+`--header "Authorization: Bearer $(cat /var/run/secrets/kubernetes.io/serviceaccount/token)"`)
		if err == nil && !strings.Contains(out, `"APIVersions"`) {
			err = fmt.Errorf("%q", out)
		}
		return err
	})
	if out, err := l.in(client, api); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("the API without a token: %q, %v; want 401", out, err)
	}
}

// get fetches what the web pod serves, from the machine itself.
func get(t *testing.T, url string) error {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := (&http.Client{Timeout: 3 * time.Second}).Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && strings.TrimSpace(string(body)) != "here" {
		err = fmt.Errorf("%s: %q", answer.Status, body)
	}
	return err
}

// freePort is one of this machine that nobody listens on.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
