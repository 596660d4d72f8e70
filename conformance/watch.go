package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
)

// asTable asks the API server for the columns that kubectl prints, each row with
// the whole object that it was made from.
const asTable = "application/json;as=Table;v=v1;g=meta.k8s.io"

// A stream is one watch of a namespace's resources, open since before anything
// happened there.
type stream struct {
	what   string
	body   io.ReadCloser
	decode *json.Decoder
}

// open begins a watch; it has begun when open returns.
func open(ctx context.Context, client kubernetes.Interface, namespace, resource, accept string) (*stream, error) {
	request := client.CoreV1().RESTClient().Get().Namespace(namespace).Resource(resource).SetHeader("Accept", accept).
		VersionedParams(&metav1.ListOptions{Watch: true, ResourceVersion: "0"}, metav1.ParameterCodec)
	if accept == asTable {
		request = request.Param("includeObject", string(metav1.IncludeObject))
	}
	body, err := request.Stream(ctx)
	if err != nil {
		return nil, fmt.Errorf("watch of %s in %s: %w", resource, namespace, err)
	}
	return &stream{what: resource, body: body, decode: json.NewDecoder(body)}, nil
}

// each hands every watch event to do until ctx ends. A watch that ends before is an
// error: what it would have shown is missing from the recording.
func (s *stream) each(ctx context.Context, do func(event string, object []byte) error) error {
	defer s.body.Close()
	for {
		var e metav1.WatchEvent
		err := s.decode.Decode(&e)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, io.EOF):
			return fmt.Errorf("the API server ended the watch of %s: %w", s.what, err)
		case err != nil:
			return fmt.Errorf("watch of %s: %w", s.what, err)
		case e.Type == string(watch.Error):
			var status metav1.Status
			if err := json.Unmarshal(e.Object.Raw, &status); err != nil {
				return fmt.Errorf("watch of %s: error event: %w", s.what, err)
			}
			return fmt.Errorf("watch of %s: %w", s.what, &apierrors.StatusError{ErrStatus: status})
		}
		if err := do(e.Type, e.Object.Raw); err != nil {
			return fmt.Errorf("watch of %s: %w", s.what, err)
		}
	}
}

// A podRow is one pod as one watch event shows it: the pod, its status as it came,
// and the cells that kubectl prints.
type podRow struct {
	pod    v1.Pod
	status json.RawMessage
	cells  []any
}

// podRows takes the pods out of a Table.
func podRows(table []byte) ([]podRow, error) {
	var t metav1.Table
	if err := json.Unmarshal(table, &t); err != nil {
		return nil, fmt.Errorf("table: %w", err)
	}
	rows := make([]podRow, len(t.Rows))
	for i, r := range t.Rows {
		rows[i].cells = r.Cells
		if err := json.Unmarshal(r.Object.Raw, &rows[i].pod); err != nil {
			return nil, fmt.Errorf("pod in a table: %w", err)
		}
		var whole struct {
			Status json.RawMessage `json:"status"`
		}
		if err := json.Unmarshal(r.Object.Raw, &whole); err != nil {
			return nil, fmt.Errorf("pod %s: %w", rows[i].pod.Name, err)
		}
		rows[i].status = whole.Status
	}
	return rows, nil
}
