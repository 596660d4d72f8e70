// Package metrics reads what an API server counts of itself.
package metrics

import (
	"context"
	"fmt"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"k8s.io/client-go/kubernetes"
)

// Families are metrics by their names.
type Families map[string]*dto.MetricFamily

// Of asks the API server for its metrics.
func Of(ctx context.Context, client kubernetes.Interface) (Families, error) {
	text, err := client.Discovery().RESTClient().Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return nil, fmt.Errorf("the API server's metrics: %w", err)
	}
	return Parse(string(text))
}

// Parse reads the format in which Prometheus asks for them.
func Parse(text string) (Families, error) {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("the API server's metrics: %w", err)
	}
	return families, nil
}
