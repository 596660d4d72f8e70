package fault

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/podling/podling/clock"
)

// TestTransport cuts one node of two off: its requests fail and its watch breaks
// off, until the rule is gone.
func TestTransport(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "hello")
		w.(http.Flusher).Flush()
		if r.URL.Query().Get("watch") != "" {
			<-r.Context().Done()
		}
	}))
	defer server.Close()
	f := New(clock.Real{})
	way := f.Transport(server.Client().Transport, "")
	ask := func(node, query string) (*http.Response, error) {
		request, err := http.NewRequestWithContext(OnNode(t.Context(), node), http.MethodGet, server.URL+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		return way.RoundTrip(request)
	}
	watch, err := ask("a", "?watch=1")
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Body.Close()
	if _, err := io.ReadFull(watch.Body, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Add(Rule{Name: "cut", Call: NodeUnreachable, Node: "a"}); err != nil {
		t.Fatal(err)
	}
	if _, err := watch.Body.Read(make([]byte, 1)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the watch of a node that was cut off: %v", err)
	}
	if _, err := ask("a", ""); err == nil || !strings.Contains(err.Error(), "network is unreachable") {
		t.Errorf("a node that is cut off: %v", err)
	}
	other, err := ask("b", "")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Body.Close()
	if _, fromNode, _ := f.Cut("a"); !fromNode {
		t.Error("the node's port is reached")
	}
	if err := f.Remove("cut"); err != nil {
		t.Fatal(err)
	}
	again, err := ask("a", "")
	if err != nil {
		t.Fatal(err)
	}
	defer again.Body.Close()
}
