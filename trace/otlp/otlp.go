// Package otlp writes the spans of pods as OpenTelemetry traces, one trace a pod, so that they can be
// looked at beside those of other programs. It comes after trace.Spans at the end of a pod's way.
//
// The format is OTLP (https://opentelemetry.io/docs/specs/otlp/): protobuf over HTTP to a receiver, or
// a line of JSON in a file, as a collector's otlpjsonfile receiver reads it.
package otlp

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/podling/podling/trace"
)

// patience is how long a receiver has to take the spans.
const patience = 10 * time.Second

// Export writes the spans to a receiver if to is an http:// or https:// URL, and to the file of that
// name otherwise. A URL without a path is completed to /v1/traces, where receivers listen.
func Export(ctx context.Context, to string, pods []trace.PodSpans) error {
	data := Traces(pods)
	if strings.HasPrefix(to, "http://") || strings.HasPrefix(to, "https://") {
		return send(ctx, to, data)
	}
	text, err := JSON(data)
	if err != nil {
		return err
	}
	return os.WriteFile(to, append(text, '\n'), 0o600)
}

func send(ctx context.Context, to string, data *traces.TracesData) error {
	u, err := url.Parse(to)
	if err != nil {
		return err
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/v1/traces"
	}
	body, err := proto.Marshal(data) // the same on the wire as an ExportTraceServiceRequest
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-protobuf")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		said, err := io.ReadAll(io.LimitReader(answer.Body, 1<<10))
		if err != nil {
			said = []byte(err.Error())
		}
		return fmt.Errorf("%s answers %s: %q", u.Redacted(), answer.Status, said)
	}
	return nil
}

// Traces are the spans in OpenTelemetry's form. A pod's trace has the pod as a whole for its root, and
// its ids come from the pod's uid: the same pod has the same trace whenever it is exported.
func Traces(pods []trace.PodSpans) *traces.TracesData {
	data := &traces.TracesData{}
	for _, p := range pods {
		if len(p.Spans) == 0 {
			continue
		}
		id := hash(cmp.Or(p.UID, p.Namespace+"/"+p.Name))
		root := &traces.Span{TraceId: id[:16], SpanId: id[16:24], Name: "pod " + p.Name, Kind: traces.Span_SPAN_KIND_INTERNAL}
		from, until := p.Spans[0].Start.Time, p.Spans[0].End.Time
		spans := []*traces.Span{root}
		for i, s := range p.Spans {
			if s.Start.Time.Before(from) {
				from = s.Start.Time
			}
			if s.End.Time.After(until) {
				until = s.End.Time
			}
			child := hash(fmt.Sprintf("%x/%d/%s", id, i, s.Label()))
			spans = append(spans, one(s, root, child[:8]))
		}
		root.StartTimeUnixNano, root.EndTimeUnixNano = nano(from), nano(until)
		data.ResourceSpans = append(data.ResourceSpans, &traces.ResourceSpans{
			Resource: &resource.Resource{Attributes: words(
				"service.name", "podling", "k8s.namespace.name", p.Namespace, "k8s.pod.name", p.Name, "k8s.pod.uid", p.UID, "k8s.node.name", p.Node,
			)},
			ScopeSpans: []*traces.ScopeSpans{{Scope: &common.InstrumentationScope{Name: "github.com/podling/podling/trace"}, Spans: spans}},
		})
	}
	return data
}

// one is a span below root.
func one(s trace.Span, root *traces.Span, id []byte) *traces.Span {
	out := &traces.Span{
		TraceId: root.TraceId, ParentSpanId: root.SpanId, SpanId: id,
		Name: s.Label(), Kind: traces.Span_SPAN_KIND_INTERNAL,
		StartTimeUnixNano: nano(s.Start.Time), EndTimeUnixNano: nano(s.End.Time),
		Attributes: words("k8s.container.name", s.Container, "podling.start.source", s.Start.Source, "podling.end.source", s.End.Source),
	}
	if _, within := s.Duration(); within > 0 {
		out.Attributes = append(out.Attributes, &common.KeyValue{Key: "podling.within_seconds", Value: &common.AnyValue{Value: &common.AnyValue_DoubleValue{DoubleValue: within.Seconds()}}})
	}
	if s.Open {
		out.Attributes = append(out.Attributes, &common.KeyValue{Key: "podling.open", Value: &common.AnyValue{Value: &common.AnyValue_BoolValue{BoolValue: true}}})
	}
	if s.Outcome != "" && !strings.Contains(s.Outcome, "exitCode=0") {
		out.Status = &traces.Status{Code: traces.Status_STATUS_CODE_ERROR, Message: s.Outcome}
	}
	return out
}

func hash(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

func nano(t time.Time) uint64 { return uint64(max(0, t.UnixNano())) }

// words are attributes: names and values in turn. What has no value is left out.
func words(pairs ...string) []*common.KeyValue {
	var out []*common.KeyValue
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			out = append(out, &common.KeyValue{Key: pairs[i], Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: pairs[i+1]}}})
		}
	}
	return out
}

// JSON is OTLP's JSON in one line. It is protobuf's, but for the ids, which are in hexadecimal
// (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding).
func JSON(data *traces.TracesData) ([]byte, error) {
	text, err := protojson.MarshalOptions{UseEnumNumbers: true}.Marshal(data)
	if err != nil {
		return nil, err
	}
	var all any
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	if err := hexIDs(all); err != nil {
		return nil, err
	}
	return json.Marshal(all)
}

func hexIDs(v any) error {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if err := hexIDs(e); err != nil {
				return err
			}
		}
	case map[string]any:
		for k, e := range v {
			text, ok := e.(string)
			if ok && (k == "traceId" || k == "spanId" || k == "parentSpanId") {
				id, err := base64.StdEncoding.DecodeString(text)
				if err != nil {
					return fmt.Errorf("%s: %w", k, err)
				}
				v[k] = hex.EncodeToString(id)
			} else if err := hexIDs(e); err != nil {
				return err
			}
		}
	}
	return nil
}
