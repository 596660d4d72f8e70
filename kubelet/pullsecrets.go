package kubelet

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/distribution/reference"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/klog/v2"
)

// dockerConfig is the part of ~/.docker/config.json that imagePullSecrets carry.
type dockerConfig map[string]struct {
	Username, Password, Auth string
}

// pullSecrets finds pods' credentials for registries.
type pullSecrets struct {
	client   kubernetes.Interface
	recorder *recorder
}

// of are the credentials among the pod's imagePullSecrets that fit the
// image's registry. A secret that is missing or broken is passed over, as
// upstream does: the pull may work without it, and says so if it does not.
func (k pullSecrets) of(ctx context.Context, pod *v1.Pod, image string) []*runtimeapi.AuthConfig {
	if len(pod.Spec.ImagePullSecrets) == 0 {
		return nil
	}
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return nil
	}
	var out []*runtimeapi.AuthConfig
	for _, s := range pod.Spec.ImagePullSecrets {
		secret, err := k.client.CoreV1().Secrets(pod.Namespace).Get(ctx, s.Name, metav1.GetOptions{})
		if err != nil {
			k.recorder.pod(pod, v1.EventTypeWarning, "FailedToRetrieveImagePullSecret",
				"Unable to retrieve some image pull secrets ("+s.Name+"); attempting to pull the image may not succeed.")
			continue
		}
		config, err := credentials(secret)
		if err != nil {
			klog.FromContext(ctx).Info("An image pull secret cannot be read", "secret", klog.KObj(secret), "err", err)
			continue
		}
		for host, c := range config {
			if !fits(host, named) {
				continue
			}
			auth := &runtimeapi.AuthConfig{Username: c.Username, Password: c.Password}
			if raw, err := base64.StdEncoding.DecodeString(c.Auth); err == nil && c.Auth != "" {
				auth.Username, auth.Password, _ = strings.Cut(string(raw), ":")
			}
			out = append(out, auth)
		}
	}
	return out
}

func credentials(s *v1.Secret) (dockerConfig, error) {
	var old dockerConfig
	if raw, ok := s.Data[v1.DockerConfigKey]; ok {
		return old, json.Unmarshal(raw, &old)
	}
	var now struct{ Auths dockerConfig }
	return now.Auths, json.Unmarshal(s.Data[v1.DockerConfigJsonKey], &now)
}

// fits: the key of a credential, a registry with or without scheme and path, is
// that of the image.
func fits(key string, image reference.Named) bool {
	key = strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(key, "https://"), "http://"), "/")
	host, path, _ := strings.Cut(key, "/")
	domain := reference.Domain(image)
	if domain == "docker.io" && (host == "index.docker.io" || host == "registry-1.docker.io") {
		return true
	}
	return host == domain && (path == "" || path == "v1" || path == "v2" || strings.HasPrefix(reference.Path(image), path))
}
