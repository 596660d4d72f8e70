package otlp

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/podling/podling/trace"
)

var at = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func pods() []trace.PodSpans {
	moment := func(ms int, within time.Duration) trace.Moment {
		return trace.Moment{Time: at.Add(time.Duration(ms) * time.Millisecond), Source: trace.FromWatch, Within: within}
	}
	return []trace.PodSpans{
		{Namespace: "ns", Name: "web", UID: "1", Node: "n", Spans: []trace.Span{
			{Name: "scheduling", Start: moment(0, 0), End: moment(12, 0)},
			{Name: "running", Container: "c", Start: moment(100, time.Second), End: moment(900, 0), Outcome: "Error exitCode=1"},
			{Name: "back-off", Container: "c", Start: moment(900, 0), End: moment(950, 0), Open: true},
		}},
		{Namespace: "ns", Name: "nothing", UID: "2"},
	}
}

func TestTraces(t *testing.T) {
	data := Traces(pods())
	if len(data.ResourceSpans) != 1 {
		t.Fatalf("%d pods have spans", len(data.ResourceSpans))
	}
	spans := data.ResourceSpans[0].ScopeSpans[0].Spans
	root := spans[0]
	if root.Name != "pod web" || root.StartTimeUnixNano != uint64(at.UnixNano()) || root.EndTimeUnixNano != uint64(at.Add(950*time.Millisecond).UnixNano()) {
		t.Errorf("root %v", root)
	}
	ids := map[string]bool{}
	for _, s := range spans {
		ids[string(s.SpanId)] = true
		if len(s.TraceId) != 16 || len(s.SpanId) != 8 || s != root && string(s.ParentSpanId) != string(root.SpanId) {
			t.Errorf("%s: ids %x %x %x", s.Name, s.TraceId, s.SpanId, s.ParentSpanId)
		}
	}
	if len(ids) != 4 || spans[2].Status.GetCode() != traces.Status_STATUS_CODE_ERROR || spans[1].Status.GetCode() != traces.Status_STATUS_CODE_UNSET {
		t.Errorf("%d ids, %v", len(ids), spans)
	}
	if again := Traces(pods()); !proto.Equal(data, again) {
		t.Error("the same spans have other ids the next time")
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spans.json")
	if err := Export(t.Context(), path, pods()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || strings.Count(string(text), "\n") != 1 {
		t.Fatalf("%s, %v", text, err)
	}
	var file struct {
		ResourceSpans []struct {
			ScopeSpans []struct {
				Spans []struct {
					TraceID, SpanID, ParentSpanID, Name, StartTimeUnixNano string
					Kind                                                   int
				}
			}
		}
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	s := file.ResourceSpans[0].ScopeSpans[0].Spans[1]
	if len(s.TraceID) != 32 || len(s.SpanID) != 16 || len(s.ParentSpanID) != 16 || strings.Trim(s.TraceID+s.SpanID, "0123456789abcdef") != "" ||
		s.Kind != 1 || s.StartTimeUnixNano != "1767323045000000000" {
		t.Errorf("%+v", s)
	}
}

func TestEndpoint(t *testing.T) {
	var got traces.TracesData
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
			http.Error(w, "not \x1b[31mhere", http.StatusNotFound)
			return
		}
		if err := proto.Unmarshal(body, &got); err != nil {
			t.Error(err)
		}
	}))
	defer receiver.Close()
	if err := Export(t.Context(), receiver.URL, pods()); err != nil || !proto.Equal(&got, Traces(pods())) {
		t.Errorf("%v, received %v", err, &got)
	}
	err := Export(t.Context(), receiver.URL+"/other", pods())
	if err == nil || !strings.Contains(err.Error(), "404") || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("got %v", err)
	}
}
