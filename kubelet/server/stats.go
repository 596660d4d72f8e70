package server

import (
	"encoding/json"
	"fmt"
	"net/http"

	"k8s.io/component-base/metrics"
	"k8s.io/klog/v2"
	statsapi "k8s.io/kubelet/pkg/apis/stats/v1alpha1"
	"k8s.io/kubernetes/pkg/kubelet/metrics/collectors"
	"k8s.io/kubernetes/pkg/kubelet/server/stats"
)

// summary is what the node and its pods use (k8s.io/kubelet/pkg/apis/stats/v1alpha1).
func (s *Server) summary(w http.ResponseWriter, r *http.Request) {
	var said *statsapi.Summary
	var err error
	if r.FormValue("only_cpu_and_memory") == "true" {
		said, err = s.cfg.Summary.GetCPUAndMemoryStats(r.Context())
	} else {
		said, err = s.cfg.Summary.Get(r.Context(), false)
	}
	if err != nil {
		http.Error(w, fmt.Sprintf("Internal Error: failed to handle /stats/summary: %v", err), http.StatusInternalServerError)
		return
	}
	writeJSON(w, r, said)
}

// configz is how the node is configured, as upstream's kubelet says it.
func (s *Server) configz(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, r, map[string]any{"kubeletconfig": s.cfg.Configuration})
}

func writeJSON(w http.ResponseWriter, r *http.Request, object any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(object); err != nil {
		klog.FromContext(r.Context()).V(2).Info("An answer of the node's port was cut short", "path", r.URL.Path, "err", err)
	}
}

// resourceMetrics are what metrics-server reads (KEP-727), by upstream's own collector.
func resourceMetrics(summary stats.SummaryProvider) http.Handler {
	registry := metrics.NewKubeRegistry()
	registry.CustomMustRegister(collectors.NewResourceMetricsCollector(summary))
	return metrics.HandlerFor(registry, metrics.HandlerOpts{ErrorHandling: metrics.ContinueOnError})
}
