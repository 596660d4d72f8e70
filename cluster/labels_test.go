package cluster

import (
	"strings"
	"testing"
)

// Labels and taints that no node may have, or give itself, are refused before anything is started.
func TestLabelsAndTaints(t *testing.T) {
	for name, test := range map[string]struct {
		labels map[string]string
		taints []string
		want   string
	}{
		"good":            {map[string]string{"zone": "a", "node.kubernetes.io/instance-type": "small"}, []string{"a=b:NoSchedule", "c:NoExecute"}, ""},
		"a bad name":      {map[string]string{"a b": "c"}, nil, "--node-labels a b=c"},
		"a bad value":     {map[string]string{"a": "b c"}, nil, "--node-labels a=b c"},
		"Kubernetes' own": {map[string]string{"node-role.kubernetes.io/control-plane": ""}, nil, "kubectl label"},
		"no effect":       {nil, []string{"a=b"}, "--register-with-taints a=b"},
		"a bad effect":    {nil, []string{"a=b:Never"}, "--register-with-taints a=b:Never"},
		"taken away":      {nil, []string{"a:NoSchedule-"}, "no taints to be taken away"},
	} {
		o := Options{Runtime: RuntimeNone, Labels: test.labels, Taints: test.taints}
		err := o.complete()
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v; want %q", name, err, test.want)
		}
	}
}
