package trace

import (
	"context"
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

// twoWatches serves pods and Events, each by its script, and counts the requests.
type twoWatches struct {
	pods, events *script
	mu           sync.Mutex
	asked        map[string]int
	noted        chan struct{} // closed with the first note, if there
}

func (s *twoWatches) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	what := "list"
	if r.URL.Query().Get("watch") == "true" {
		what = "watch"
	}
	kind := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	s.mu.Lock()
	s.asked[what+" "+kind]++
	s.mu.Unlock()
	if kind == "events" {
		if got := r.URL.Query().Get("fieldSelector"); !strings.Contains(got, "involvedObject.kind=Pod") {
			s.events.t.Errorf("Events are selected by %q", got)
		}
		s.events.ServeHTTP(w, r)
		return
	}
	s.pods.ServeHTTP(w, r)
}

func said(name, uid, version, about, reason string) v1.Event {
	return v1.Event{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Event"}, ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", UID: types.UID(name), ResourceVersion: version},
		Reason: reason, InvolvedObject: v1.ObjectReference{Kind: "Pod", Namespace: "default", Name: about, UID: types.UID(uid)}, LastTimestamp: metav1.Now()}
}

func saidList(version string, events ...v1.Event) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		send(w, v1.EventList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "EventList"}, ListMeta: metav1.ListMeta{ResourceVersion: version}, Items: events})
	}
}

// follow traces until enough says so, and returns what came in short, with what was noted.
func (s *twoWatches) follow(t *testing.T, tracer *Tracer, enough func(seen []string) bool) (seen, notes []string) {
	t.Helper()
	s.asked = map[string]int{}
	server := httptest.NewServer(s)
	defer server.Close()
	client, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tracer.Pods = client.CoreV1()
	if s.events != nil {
		tracer.Events = client.CoreV1()
	}
	tracer.Note = func(text string) {
		if notes = append(notes, text); len(notes) == 1 && s.noted != nil {
			close(s.noted)
		}
	}
	err = tracer.Run(ctx, func(e Event) {
		_, name := e.About()
		text := fmt.Sprintf("%s %s", e.Type, name)
		if e.Said != nil {
			text += " " + e.Said.Reason
		}
		if e.Existing {
			text += " existing"
		}
		if seen = append(seen, text); enough(seen) {
			cancel()
		}
	})
	if err != nil || context.Cause(ctx) == context.DeadlineExceeded {
		t.Fatalf("%v, seen %q", err, seen)
	}
	return seen, notes
}

// However many pods are followed, by name, by label or all of them, the API server is asked for one
// list and one watch of pods, and for one of Events if these are wanted.
func TestRequests(t *testing.T) {
	for _, test := range []struct {
		tracer *Tracer
		events bool
		want   string
	}{
		{&Tracer{}, false, "map[list pods:1 watch pods:1]"},
		{&Tracer{Names: []string{"a", "b"}, Namespace: "default"}, false, "map[list pods:1 watch pods:1]"},
		{&Tracer{Labels: "app=web", Writers: true}, true, "map[list events:1 list pods:1 watch events:1 watch pods:1]"},
	} {
		a, b := pod("a", "1", "1", v1.PodPending), pod("b", "2", "2", v1.PodPending)
		s := &twoWatches{pods: &script{t: t, steps: []http.HandlerFunc{list("3", a, b), func(w http.ResponseWriter, r *http.Request) {
			for i := range 50 {
				version := fmt.Sprint(i + 4)
				watching(event{watch.Modified, pod("a", "1", version, v1.PodRunning)}, event{watch.Modified, pod("other", "3", version, v1.PodRunning)})(w, r)
			}
			<-r.Context().Done()
		}}}}
		want := 52
		if len(test.tracer.Names) == 0 {
			want += 50
		}
		if test.events {
			s.events = &script{t: t, steps: []http.HandlerFunc{saidList("3"), func(w http.ResponseWriter, r *http.Request) {
				watching(event{watch.Added, said("e", "1", "4", "a", "Pulled")})(w, r)
				<-r.Context().Done()
			}}}
			want++
		}
		seen, notes := s.follow(t, test.tracer, func(seen []string) bool { return len(seen) == want })
		if got := fmt.Sprint(s.asked); got != test.want || len(notes) > 0 {
			t.Errorf("%+v asked %s, want %s; noted %q", test.tracer.Names, got, test.want, notes)
		}
		if slices.Contains(seen, "MODIFIED other") == (len(test.tracer.Names) > 0) {
			t.Errorf("%v: the other pod was or was not seen: %q", test.tracer.Names, seen)
		}
	}
}

// An Event that comes before its pod does waits for it, those of pods that nobody asked for are left
// out, and a fresh list repeats none.
func TestEventsOfThePodsAlone(t *testing.T) {
	listed := make(chan struct{})
	s := &twoWatches{
		pods: &script{t: t, steps: []http.HandlerFunc{list("3", pod("a", "1", "1", v1.PodPending)), func(w http.ResponseWriter, r *http.Request) {
			<-listed
			watching(event{watch.Added, pod("late", "9", "9", v1.PodPending)})(w, r)
			<-r.Context().Done()
		}}},
		events: &script{t: t, steps: []http.HandlerFunc{
			saidList("3", said("old", "1", "2", "a", "Scheduled"), said("before", "0", "2", "a", "Killing")),
			watching(event{watch.Added, said("early", "9", "4", "late", "Scheduled")}, event{watch.Error, status(gone)}),
			func(w http.ResponseWriter, r *http.Request) {
				saidList("9", said("old", "1", "2", "a", "Scheduled"), said("early", "9", "4", "late", "Scheduled"), said("new", "1", "8", "a", "Pulled"))(w, r)
				close(listed)
			},
		}},
	}
	seen, notes := s.follow(t, &Tracer{}, func(seen []string) bool {
		return slices.Contains(seen, "EVENT late Scheduled") && slices.Contains(seen, "EVENT a Pulled")
	})
	slices.Sort(seen)
	if want := []string{"ADDED a existing", "ADDED late", "EVENT a Pulled", "EVENT a Scheduled existing", "EVENT late Scheduled"}; !slices.Equal(seen, want) || len(notes) > 0 {
		t.Errorf("seen %q, want %q; noted %q", seen, want, notes)
	}
}

// Who may not see Events sees the pods all the same, and is told.
func TestEventsForbidden(t *testing.T) {
	forbidden := fail(apierrors.NewForbidden(v1.Resource("events"), "", nil))
	for name, steps := range map[string][]http.HandlerFunc{"list": {forbidden}, "watch": {saidList("1"), forbidden}} {
		noted := make(chan struct{})
		s := &twoWatches{noted: noted, events: &script{t: t, steps: steps}, pods: &script{t: t, steps: []http.HandlerFunc{list("3"), func(w http.ResponseWriter, r *http.Request) {
			<-noted
			watching(event{watch.Added, pod("a", "1", "4", v1.PodPending)})(w, r)
			<-r.Context().Done()
		}}}}
		seen, notes := s.follow(t, &Tracer{}, func(seen []string) bool { return len(seen) == 1 })
		if len(seen) != 1 || len(notes) != 1 || !strings.HasPrefix(notes[0], "going on without Events: ") {
			t.Errorf("%s: seen %q, noted %q", name, seen, notes)
		}
	}
}
