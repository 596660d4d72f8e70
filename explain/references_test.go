package explain

import (
	"slices"
	"testing"

	v1 "k8s.io/api/core/v1"
)

// TestReferred: whatever a pod may need is asked for, once, and what an ephemeral container needs too.
func TestReferred(t *testing.T) {
	from := func(name string) []v1.EnvFromSource {
		return []v1.EnvFromSource{{ConfigMapRef: &v1.ConfigMapEnvSource{LocalObjectReference: v1.LocalObjectReference{Name: name}}}}
	}
	optional := true
	pod := &v1.Pod{Spec: v1.PodSpec{
		Containers:          []v1.Container{{Name: "main", EnvFrom: slices.Concat(from("settings"), from("settings"))}},
		EphemeralContainers: []v1.EphemeralContainer{{EphemeralContainerCommon: v1.EphemeralContainerCommon{Name: "debug", EnvFrom: from("tools")}}},
		Volumes: []v1.Volume{{Name: "tls", VolumeSource: v1.VolumeSource{Secret: &v1.SecretVolumeSource{SecretName: "certificate", Optional: &optional,
			Items: []v1.KeyToPath{{Key: "tls.crt"}, {Key: "tls.key"}}}}}},
		ImagePullSecrets: []v1.LocalObjectReference{{Name: "registry"}, {}},
	}}
	configMaps, secrets := Referred(pod)
	if want := []string{"settings", "tools"}; !slices.Equal(configMaps, want) {
		t.Errorf("ConfigMaps %q, want %q", configMaps, want)
	}
	if want := []string{"certificate", "registry"}; !slices.Equal(secrets, want) {
		t.Errorf("Secrets %q, want %q", secrets, want)
	}
	needs := (&look{World: World{Pod: pod}}).references()
	if slices.ContainsFunc(needs, func(r reference) bool { return r.kind == kindSecret }) {
		t.Errorf("what is optional is needed: %+v", needs)
	}
}
