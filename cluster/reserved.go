package cluster

import (
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// reservable are the resources that can be set aside.
var reservable = []string{string(corev1.ResourceCPU), string(corev1.ResourceMemory), string(corev1.ResourceEphemeralStorage)}

// addReservedFlags makes flags of what is set aside for programs that are no pods. The names are upstream's.
func (o *Options) addReservedFlags(fs *pflag.FlagSet) {
	fs.StringToStringVar(&o.SystemReserved, "system-reserved", o.SystemReserved, "what of the machine is the system's and not pods', like cpu=500m,memory=1Gi,ephemeral-storage=1Gi")
	fs.StringToStringVar(&o.KubeReserved, "kube-reserved", o.KubeReserved, "the same for podling itself and its runtime")
}

// reserved is what both flags set aside together.
func (o *Options) reserved() (corev1.ResourceList, error) {
	out := corev1.ResourceList{}
	for flag, said := range map[string]map[string]string{"--system-reserved": o.SystemReserved, "--kube-reserved": o.KubeReserved} {
		for _, name := range slices.Sorted(maps.Keys(said)) {
			quantity, err := resource.ParseQuantity(said[name])
			switch {
			case !slices.Contains(reservable, name):
				return nil, UsageError{fmt.Errorf("%s: %q cannot be set aside: it is one of %q", flag, name, reservable)}
			case err != nil || quantity.Sign() < 0:
				return nil, UsageError{fmt.Errorf("%s %s=%s: want an amount, such as 500m or 1Gi", flag, name, said[name])}
			}
			sum := out[corev1.ResourceName(name)]
			sum.Add(quantity)
			out[corev1.ResourceName(name)] = sum
		}
	}
	return out, nil
}
