package cluster

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	kubeletapis "k8s.io/kubelet/pkg/apis"
	"k8s.io/kubernetes/pkg/util/taints"
)

// taints are those that the node registers with.
func (o *Options) taints() ([]corev1.Taint, error) {
	add, remove, err := taints.ParseTaints(o.Taints)
	if err != nil {
		return nil, UsageError{fmt.Errorf("--register-with-taints %s: %w: a taint is KEY=VALUE:EFFECT", strings.Join(o.Taints, ","), err)}
	}
	if len(remove) > 0 {
		return nil, UsageError{fmt.Errorf("--register-with-taints %s: a node that is new has no taints to be taken away", strings.Join(o.Taints, ","))}
	}
	return add, nil
}

// checkLabels refuses labels that no node may have, and those that the API server lets no node give
// itself (admission plugin NodeRestriction; upstream: cmd/kubelet/app/options).
func (o *Options) checkLabels() error {
	for _, name := range slices.Sorted(maps.Keys(o.Labels)) {
		problems := append(validation.IsQualifiedName(name), validation.IsValidLabelValue(o.Labels[name])...)
		if len(problems) > 0 {
			return UsageError{fmt.Errorf("--node-labels %s=%s: %s", name, o.Labels[name], strings.Join(problems, "; "))}
		}
		domain, _, _ := strings.Cut(name, "/")
		kubernetes := func(of string) bool { return domain == of || strings.HasSuffix(domain, "."+of) }
		if strings.Contains(name, "/") && (kubernetes("kubernetes.io") || kubernetes("k8s.io")) && !kubeletapis.IsKubeletLabel(name) {
			return UsageError{fmt.Errorf("--node-labels %s: a node may not give itself that label of Kubernetes' own: put it on the node with kubectl label", name)}
		}
	}
	return nil
}
