package writes

import (
	"maps"
	"testing"

	"github.com/podling/podling/bench/metrics"
)

const told = `# HELP apiserver_request_total [STABLE] Counter of apiserver requests.
# TYPE apiserver_request_total counter
apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="pods",scope="resource",subresource="status",verb="PATCH",version="v1"} 5000
apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="pods",scope="resource",subresource="",verb="GET",version="v1"} 70
apiserver_request_total{code="201",component="apiserver",dry_run="",group="",resource="pods",scope="resource",subresource="",verb="POST",version="v1"} 4000
apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="pods",scope="resource",subresource="",verb="POST",version="v1"} 1
apiserver_request_total{code="409",component="apiserver",dry_run="",group="",resource="pods",scope="resource",subresource="",verb="POST",version="v1"} 12
apiserver_request_total{code="201",component="apiserver",dry_run="All",group="",resource="pods",scope="resource",subresource="",verb="POST",version="v1"} 3
apiserver_request_total{code="201",component="apiserver",dry_run="",group="authorization.k8s.io",resource="subjectaccessreviews",scope="resource",subresource="",verb="POST",version="v1"} 9
apiserver_request_total{code="201",component="apiserver",dry_run="",group="",resource="serviceaccounts",scope="resource",subresource="token",verb="POST",version="v1"} 2
# HELP apiserver_current_inflight_requests [STABLE] Maximal number of requests.
# TYPE apiserver_current_inflight_requests gauge
apiserver_current_inflight_requests{request_kind="mutating"} 3
`

// TestRequests: those that were answered well and changed something count, once each.
func TestRequests(t *testing.T) {
	families, err := metrics.Parse(told)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := requests(families), map[string]int{"PATCH pods/status": 5000, "POST pods": 4001}; !maps.Equal(got, want) {
		t.Errorf("%v; want %v", got, want)
	}
	if got := requests(nil); len(got) != 0 {
		t.Errorf("of nothing: %v", got)
	}
	if families, err := metrics.Parse("apiserver_request_total{ 3"); err == nil {
		t.Errorf("of what is no metric: %v; want an error", families)
	}
}

func TestSince(t *testing.T) {
	before := Count{Revision: 100, Requests: map[string]int{"PUT leases": 40, "POST pods": 7}}
	after := Count{Revision: 112, Requests: map[string]int{"PUT leases": 44, "POST pods": 7, "DELETE pods": 6, "POST events": 1}}
	if got, want := after.Since(before).String(), "12 writes (6 DELETE pods, 4 PUT leases, 1 POST events)"; got != want {
		t.Errorf("%q; want %q", got, want)
	}
	if got, want := before.Since(before).String(), "0 writes"; got != want {
		t.Errorf("%q; want %q", got, want)
	}
}
