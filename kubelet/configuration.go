package kubelet

import (
	"maps"
	"net"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubeletconfig "k8s.io/kubelet/config/v1beta1"

	"github.com/podling/podling/kubelet/logs"
)

// configuration is how the node is configured in upstream's words, as far as these say something of
// this node: what people and tests look up at /configz.
func (c Config) configuration() *kubeletconfig.KubeletConfiguration {
	evict := c.Eviction.WithDefaults()
	out := &kubeletconfig.KubeletConfiguration{
		TypeMeta: metav1.TypeMeta{Kind: "KubeletConfiguration", APIVersion: kubeletconfig.SchemeGroupVersion.String()},
		Authentication: kubeletconfig.KubeletAuthentication{
			Anonymous: kubeletconfig.KubeletAnonymousAuthentication{Enabled: new(false)},
			Webhook:   kubeletconfig.KubeletWebhookAuthentication{Enabled: new(true)},
		},
		Authorization:                    kubeletconfig.KubeletAuthorization{Mode: kubeletconfig.KubeletAuthorizationModeWebhook},
		StaticPodPath:                    c.PodManifestPath,
		ClusterDNS:                       c.ClusterDNS,
		ClusterDomain:                    c.ClusterDomain,
		MaxPods:                          int32(c.MaxPods),
		ContainerLogMaxSize:              strconv.Itoa(logs.MaxSize),
		ContainerLogMaxFiles:             new(int32(logs.MaxFiles)),
		EvictionHard:                     maps.Clone(evict.Hard),
		EvictionSoft:                     maps.Clone(evict.Soft),
		EvictionSoftGracePeriod:          maps.Clone(evict.SoftGrace),
		EvictionMinimumReclaim:           maps.Clone(evict.MinimumReclaim),
		EvictionPressureTransitionPeriod: metav1.Duration{Duration: evict.Transition},
		EvictionMaxPodGracePeriod:        int32(evict.MaxPodGrace),
		SystemReserved:                   words(c.Reserved),
		ImageGCHighThresholdPercent:      new(int32(c.ImageGC.High)),
		ImageGCLowThresholdPercent:       new(int32(c.ImageGC.Low)),
		ImageMinimumGCAge:                metav1.Duration{Duration: c.ImageGC.MinAge},
		ImageMaximumGCAge:                metav1.Duration{Duration: c.ImageGC.MaxAge},
		ShutdownGracePeriodByPodPriority: c.Shutdown,
		EnableServer:                     new(true),
	}
	if address, port, err := net.SplitHostPort(c.Listen); err == nil {
		out.Address = address
		if n, err := strconv.ParseInt(port, 10, 32); err == nil {
			out.Port = int32(n)
		}
	}
	return out
}
