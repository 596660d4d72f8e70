package trace

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// script answers the requests of a Tracer, one after the other, and keeps what was asked. What is
// asked after its end waits until the client goes.
type script struct {
	t     *testing.T
	mu    sync.Mutex
	steps []http.HandlerFunc
	asked []string
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	what := "list"
	if q.Get("watch") == "true" {
		what = "watch from " + q.Get("resourceVersion")
		if q.Get("allowWatchBookmarks") != "true" {
			s.t.Error("bookmarks are not allowed, so that a quiet watch grows too old")
		}
	}
	s.mu.Lock()
	s.asked = append(s.asked, what)
	var step http.HandlerFunc
	if len(s.steps) > 0 {
		step, s.steps = s.steps[0], s.steps[1:]
	}
	s.mu.Unlock()
	if step == nil {
		<-r.Context().Done()
		return
	}
	w.Header().Set("Content-Type", "application/json")
	step(w, r)
}

// run traces until that many events came, and returns them in short with what was asked and noted.
func (s *script) run(events int) (seen, asked, notes []string, err error) {
	server := httptest.NewServer(s)
	defer server.Close()
	client, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"}})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	tracer := &Tracer{Pods: client.CoreV1(), Note: func(text string) { notes = append(notes, text) }}
	err = tracer.Run(ctx, func(e Event) {
		text := string(e.Type)
		if e.Pod != nil {
			text += fmt.Sprintf(" %s %s", e.Pod.Name, e.Pod.Status.Phase)
		} else {
			text += " " + e.Err.Error()
		}
		if e.Existing {
			text += " existing"
		}
		if seen = append(seen, text); len(seen) == events {
			cancel()
		}
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	return seen, s.asked, notes, err
}

func pod(name, uid, version string, phase v1.PodPhase) v1.Pod {
	return v1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", UID: types.UID(uid), ResourceVersion: version},
		Status:     v1.PodStatus{Phase: phase},
	}
}

func send(w http.ResponseWriter, v any) {
	if err := json.NewEncoder(w).Encode(v); err != nil {
		panic(http.ErrAbortHandler)
	}
	w.(http.Flusher).Flush()
}

func list(version string, pods ...v1.Pod) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		send(w, v1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}, ListMeta: metav1.ListMeta{ResourceVersion: version}, Items: pods})
	}
}

func fail(err *apierrors.StatusError) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(int(err.ErrStatus.Code))
		send(w, status(err))
	}
}

type event struct {
	Type   watch.EventType `json:"type"`
	Object any             `json:"object"`
}

// watching sends events, and then ends the watch as an API server does.
func watching(events ...event) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for _, e := range events {
			send(w, e)
		}
	}
}

// lost sends events, and then breaks the connection.
func lost(events ...event) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		watching(events...)(w, r)
		panic(http.ErrAbortHandler)
	}
}

var gone = apierrors.NewResourceExpired("too old resource version: 3 (9)")

func status(err *apierrors.StatusError) metav1.Status {
	s := err.ErrStatus
	s.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
	return s
}

// What an expired watch missed is shown once, from a fresh list: what is the same is not repeated.
func TestExpiredWatch(t *testing.T) {
	before := []v1.Pod{pod("same", "1", "1", v1.PodRunning), pod("moved", "2", "2", v1.PodPending), pod("left", "3", "3", v1.PodRunning), pod("replaced", "4", "3", v1.PodFailed)}
	after := []v1.Pod{pod("came", "6", "6", v1.PodPending), pod("moved", "2", "7", v1.PodRunning), pod("replaced", "5", "8", v1.PodPending), pod("same", "1", "1", v1.PodRunning)}
	later := watching(event{watch.Modified, pod("came", "6", "10", v1.PodRunning)})
	for name, expired := range map[string]http.HandlerFunc{
		"an ERROR event":     watching(event{watch.Modified, pod("left", "3", "4", v1.PodSucceeded)}, event{watch.Error, status(gone)}),
		"instead of a watch": fail(gone),
	} {
		t.Run(name, func(t *testing.T) {
			s := &script{t: t, steps: []http.HandlerFunc{list("3", before...), expired, list("9", after...), later}}
			want := []string{"ADDED same Running existing", "ADDED moved Pending existing", "ADDED left Running existing", "ADDED replaced Failed existing"}
			left := "DELETED left Running"
			if name == "an ERROR event" {
				want, left = append(want, "MODIFIED left Succeeded"), "DELETED left Succeeded"
			}
			want = append(want, "ERROR too old resource version: 3 (9)", left, "DELETED replaced Failed",
				"ADDED came Pending", "MODIFIED moved Running", "ADDED replaced Pending", "MODIFIED came Running")
			seen, asked, notes, err := s.run(len(want))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(seen, want) {
				t.Errorf("seen\n%s\nwant\n%s", strings.Join(seen, "\n"), strings.Join(want, "\n"))
			}
			if asks := []string{"list", "watch from 3", "list", "watch from 9"}; !slices.Equal(asked[:min(4, len(asked))], asks) {
				t.Errorf("asked %q, want %q", asked, asks)
			}
			if len(notes) > 0 {
				t.Errorf("noted %q", notes)
			}
		})
	}
}

// A watch that the server ends in its own time goes on from the last bookmark, which is not shown.
func TestWatchGoesOnFromBookmark(t *testing.T) {
	s := &script{t: t, steps: []http.HandlerFunc{
		list("3", pod("p", "1", "1", v1.PodPending)),
		watching(event{watch.Bookmark, pod("", "", "30", "")}),
		watching(event{watch.Modified, pod("p", "1", "31", v1.PodRunning)}),
	}}
	seen, asked, notes, err := s.run(2)
	if want := []string{"ADDED p Pending existing", "MODIFIED p Running"}; err != nil || !slices.Equal(seen, want) {
		t.Errorf("seen %q, %v", seen, err)
	}
	if want := []string{"list", "watch from 3", "watch from 30"}; !slices.Equal(asked[:3], want) || len(notes) > 0 {
		t.Errorf("asked %q, noted %q", asked, notes)
	}
}

// A lost connection is noted once, tried again, and goes on where it was: no state twice.
func TestLostConnection(t *testing.T) {
	busy := fail(&apierrors.StatusError{ErrStatus: metav1.Status{Code: http.StatusServiceUnavailable, Reason: metav1.StatusReasonServiceUnavailable, Message: "starting"}})
	s := &script{t: t, steps: []http.HandlerFunc{
		list("3"),
		lost(event{watch.Added, pod("p", "1", "4", v1.PodPending)}),
		busy,
		busy,
		watching(event{watch.Modified, pod("p", "1", "4", v1.PodPending)}, event{watch.Modified, pod("p", "1", "5", v1.PodRunning)}),
	}}
	seen, asked, notes, err := s.run(2)
	if want := []string{"ADDED p Pending", "MODIFIED p Running"}; err != nil || !slices.Equal(seen, want) {
		t.Errorf("seen %q, %v", seen, err)
	}
	if want := []string{"list", "watch from 3", "watch from 4", "watch from 4", "watch from 4"}; !slices.Equal(asked, want) {
		t.Errorf("asked %q, want %q", asked, want)
	}
	if want := []string{"connection lost, trying again: the server is currently unable to handle the request (get pods)", "connected again"}; !slices.Equal(notes, want) {
		t.Errorf("noted %q, want %q", notes, want)
	}
}

// What asking again cannot change ends the trace with an error.
func TestRefused(t *testing.T) {
	forbidden := fail(apierrors.NewForbidden(v1.Resource("pods"), "", nil))
	for name, steps := range map[string][]http.HandlerFunc{
		"list":  {forbidden},
		"watch": {list("3"), forbidden},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, _, err := (&script{t: t, steps: steps}).run(1)
			if !apierrors.IsForbidden(err) {
				t.Errorf("got %v", err)
			}
		})
	}
}
