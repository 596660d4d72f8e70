// Package writes counts what a cluster writes to its storage, as its API server
// tells anybody who may ask.
package writes

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/podling/podling/bench/metrics"
)

// A Count is what was written since the cluster began.
type Count struct {
	// Revision is etcd's: it grows by one with each write, whoever it is that writes.
	Revision int64
	// Requests are those that changed something, by verb and resource, like "PUT leases".
	// What the API server writes by itself is not among them.
	Requests map[string]int
}

// Read asks the API server.
func Read(ctx context.Context, client kubernetes.Interface) (Count, error) {
	// A list that names no resource version is told the storage's own.
	list, err := client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{Limit: 1})
	if err != nil {
		return Count{}, fmt.Errorf("the storage's revision: %w", err)
	}
	revision, err := strconv.ParseInt(list.ResourceVersion, 10, 64)
	if err != nil {
		return Count{}, fmt.Errorf("the storage's revision: %w", err)
	}
	families, err := metrics.Of(ctx, client)
	if err != nil {
		return Count{}, err
	}
	return Count{revision, requests(families)}, nil
}

// requestTotal is the metric that counts requests.
const requestTotal = "apiserver_request_total"

// requests adds up those that changed something, whatever else tells them apart.
func requests(families metrics.Families) map[string]int {
	sums := map[string]int{}
	for _, m := range families[requestTotal].GetMetric() {
		labels := labelsOf(m)
		if changes(labels) {
			sums[labels["verb"]+" "+what(labels)] += int(m.GetCounter().GetValue())
		}
	}
	return sums
}

func labelsOf(m *dto.Metric) map[string]string {
	labels := map[string]string{}
	for _, l := range m.GetLabel() {
		labels[l.GetName()] = l.GetValue()
	}
	return labels
}

// changes: it was carried out, and its kind is kept. A review is a question.
func changes(labels map[string]string) bool {
	return slices.Contains([]string{"POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"}, labels["verb"]) &&
		strings.HasPrefix(labels["code"], "2") && labels["dry_run"] == "" &&
		!strings.HasSuffix(labels["resource"], "reviews") && labels["subresource"] != "token"
}

// what is the resource, with the part of it that was meant.
func what(labels map[string]string) string {
	if labels["subresource"] == "" {
		return labels["resource"]
	}
	return labels["resource"] + "/" + labels["subresource"]
}

// Since is what was written after another count.
func (c Count) Since(before Count) Count {
	since := Count{Revision: c.Revision - before.Revision, Requests: map[string]int{}}
	for request, n := range c.Requests {
		if n -= before.Requests[request]; n != 0 {
			since.Requests[request] = n
		}
	}
	return since
}

// String is the count with the requests behind it, the most frequent first.
func (c Count) String() string {
	most := slices.SortedFunc(maps.Keys(c.Requests), func(a, b string) int {
		if n := c.Requests[b] - c.Requests[a]; n != 0 {
			return n
		}
		return strings.Compare(a, b)
	})
	words := make([]string, len(most))
	for i, request := range most {
		words[i] = fmt.Sprintf("%d %s", c.Requests[request], request)
	}
	if len(words) == 0 {
		return fmt.Sprintf("%d writes", c.Revision)
	}
	return fmt.Sprintf("%d writes (%s)", c.Revision, strings.Join(words, ", "))
}
