package cluster

import (
	"slices"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"

	"github.com/podling/podling/runtime/containerd"
)

// A node that may not see where Services lead leaves them to its cluster, says so once, and gives pods the
// resolvers that were named.
func TestJoinedNodeThatMayNotSeeServices(t *testing.T) {
	for _, test := range []struct {
		may        string // the resource that the node may list
		said, want []string
	}{
		{may: "services", said: []string{"10.96.0.10"}, want: []string{"10.96.0.10"}},
		{may: "services"},
		{may: "endpointslices", said: []string{"none"}},
	} {
		client := fake.NewClientset()
		client.PrependReactor("create", "selfsubjectaccessreviews", func(action clienttesting.Action) (bool, runtime.Object, error) {
			review := action.(clienttesting.CreateAction).GetObject().(*authorizationv1.SelfSubjectAccessReview).DeepCopy()
			asked := review.Spec.ResourceAttributes
			review.Status.Allowed = asked.Verb == "list" && asked.Resource == test.may
			return true, review, nil
		})
		var lines []string
		o := Options{Network: Network{ProxyMode: ProxyIPTables, ClusterDNS: test.said}, Lacks: func(line string) { lines = append(lines, line) }}
		n, err := joinPodNetwork(t.Context(), &rest.Config{}, client, o, t.TempDir(), containerd.Network{})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(n.dns, test.want) {
			t.Errorf("--cluster-dns %v: pods ask %v, want %v", test.said, n.dns, test.want)
		}
		if len(lines) != 1 || !strings.Contains(lines[0], "kube-proxy") {
			t.Errorf("it said %q, want one line about the cluster's kube-proxy", lines)
		}
		if err := n.end(false); err != nil {
			t.Error(err)
		}
	}
}
