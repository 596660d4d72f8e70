package hook

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/podling/podling/clock/clocktest"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	internalapi "k8s.io/cri-api/pkg/apis"

	"github.com/podling/podling/lifecycle"
)

// commands fail with what they print, but for true.
type commands struct{ internalapi.RuntimeService }

func (commands) ExecSync(_ context.Context, id string, command []string, _ time.Duration) ([]byte, []byte, error) {
	if command[0] == "true" {
		return nil, nil, nil
	}
	return []byte("out "), []byte("err"), fmt.Errorf("command in %s exited with 1", id)
}

var (
	pod       = &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p", UID: "u"}}
	container = &v1.Container{Name: "main"}
)

func run(ctx context.Context, t *testing.T, h *v1.LifecycleHandler) (events []lifecycle.Event, err error) {
	t.Helper()
	r := New(commands{}, clocktest.At(time.Unix(0, 0)), func(_ *v1.Pod, e lifecycle.Event) { events = append(events, e) })
	return events, r.Run(ctx, pod, container, "id", "127.0.0.1", PostStart, h)
}

func hookTo(t *testing.T, address, path string, scheme v1.URIScheme) *v1.LifecycleHandler {
	t.Helper()
	host, port, err := net.SplitHostPort(strings.TrimPrefix(strings.TrimPrefix(address, "http://"), "https://"))
	if err != nil {
		t.Fatal(err)
	}
	return &v1.LifecycleHandler{HTTPGet: &v1.HTTPGetAction{Host: host, Port: intstr.Parse(port), Path: path, Scheme: scheme,
		HTTPHeaders: []v1.HTTPHeader{{Name: "Authorization", Value: "secret"}}}}
}

func TestWords(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end()
	for what, test := range map[string]struct {
		hook *v1.LifecycleHandler
		want string
	}{
		"a command": {&v1.LifecycleHandler{Exec: &v1.ExecAction{Command: []string{"true"}}}, ""},
		"a command that fails": {&v1.LifecycleHandler{Exec: &v1.ExecAction{Command: []string{"sh", "-c", "x"}}},
			`Exec lifecycle hook ([sh -c x]) for Container "main" in Pod "p_ns(u)" failed - error: command in id exited with 1, message: "out err"`},
		"a port without a name": {&v1.LifecycleHandler{HTTPGet: &v1.HTTPGetAction{Path: "x", Port: intstr.FromString("web")}},
			`HTTP lifecycle hook (x) for Container "main" in Pod "p_ns(u)" failed - error: strconv.Atoi: parsing "web": invalid syntax`},
		"sleep cut short": {&v1.LifecycleHandler{Sleep: &v1.SleepAction{Seconds: 5}},
			`Sleep lifecycle hook (5) for Container "main" in Pod "p_ns(u)" failed - error: container terminated before sleep hook finished`},
		"nothing": {&v1.LifecycleHandler{}, "Cannot run handler: invalid handler:"},
	} {
		ctx := t.Context()
		if test.hook.Sleep != nil {
			ctx = ended
		}
		_, err := run(ctx, t, test.hook)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), test.want)) {
			t.Errorf("%s: %v\nwant %s", what, err, test.want)
		}
	}
}

// A server that knows no TLS is asked again without, and without the secret; what it answers is no matter.
func TestHTTP(t *testing.T) {
	asked := make(chan *http.Request, 10)
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r
		w.WriteHeader(http.StatusInternalServerError)
	})
	plain, secure := httptest.NewServer(answer), httptest.NewTLSServer(answer)
	defer plain.Close()
	defer secure.Close()
	for what, test := range map[string]struct {
		hook          *v1.LifecycleHandler
		event, header string
	}{
		"http":                    {hookTo(t, plain.URL, "/a", v1.URISchemeHTTP), "", "secret"},
		"https":                   {hookTo(t, secure.URL, "/a", v1.URISchemeHTTPS), "", "secret"},
		"https of a plain server": {hookTo(t, plain.URL, "/a", v1.URISchemeHTTPS), "LifecycleHTTPFallback", ""},
	} {
		events, err := run(t.Context(), t, test.hook)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		r := <-asked
		if r.URL.Path != "/a" || r.Header.Get("Authorization") != test.header || !strings.HasPrefix(r.UserAgent(), "kube-lifecycle/") {
			t.Errorf("%s: asked %s %v", what, r.URL, r.Header)
		}
		said := ""
		for _, e := range events {
			said += e.Reason
		}
		if said != test.event {
			t.Errorf("%s: events %v, want %q", what, events, test.event)
		}
	}
	plain.Close()
	if _, err := run(t.Context(), t, hookTo(t, plain.URL, "/", v1.URISchemeHTTP)); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("nobody listens: %v", err)
	}
}
