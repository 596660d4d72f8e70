package explain

import (
	"fmt"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
)

// reference is a ConfigMap or Secret, or a key of one, that the pod needs.
type reference struct {
	kind, name string
	key        string // "" if the whole is meant
	where      string // a JSONPath
	container  string // "" if a volume needs it
	volume     string
	optional   bool
}

// Referred are the names of the ConfigMaps and Secrets that an explanation of the pod asks for.
func Referred(pod *v1.Pod) (configMaps, secrets []string) {
	add := func(list *[]string, name string) {
		if name != "" && !slices.Contains(*list, name) {
			*list = append(*list, name)
		}
	}
	for _, r := range referencesOf(pod) {
		if r.kind == kindConfigMap {
			add(&configMaps, r.name)
		} else {
			add(&secrets, r.name)
		}
	}
	for _, s := range pod.Spec.ImagePullSecrets {
		add(&secrets, s.Name)
	}
	return configMaps, secrets
}

// references are all that the pod cannot do without.
func (l *look) references() []reference {
	return slices.DeleteFunc(referencesOf(l.Pod), func(r reference) bool { return r.optional })
}

func referencesOf(pod *v1.Pod) []reference {
	var out []reference
	add := func(optional *bool, r reference) {
		r.optional = optional != nil && *optional
		out = append(out, r)
	}
	for _, c := range containersOf(pod) {
		for i, e := range c.EnvFrom {
			where := fmt.Sprintf("%s.envFrom[%d]", pathOf(pod, c.Name), i)
			if r := e.ConfigMapRef; r != nil {
				add(r.Optional, reference{kind: kindConfigMap, name: r.Name, where: where, container: c.Name})
			}
			if r := e.SecretRef; r != nil {
				add(r.Optional, reference{kind: kindSecret, name: r.Name, where: where, container: c.Name})
			}
		}
		for _, e := range c.Env {
			if e.ValueFrom == nil {
				continue
			}
			where := fmt.Sprintf("%s.env[?(@.name==%q)]", pathOf(pod, c.Name), e.Name)
			if r := e.ValueFrom.ConfigMapKeyRef; r != nil {
				add(r.Optional, reference{kind: kindConfigMap, name: r.Name, key: r.Key, where: where, container: c.Name})
			}
			if r := e.ValueFrom.SecretKeyRef; r != nil {
				add(r.Optional, reference{kind: kindSecret, name: r.Name, key: r.Key, where: where, container: c.Name})
			}
		}
	}
	for _, v := range pod.Spec.Volumes {
		where := fmt.Sprintf("spec.volumes[?(@.name==%q)]", v.Name)
		items := func(kind, name string, items []v1.KeyToPath, optional *bool) {
			for _, key := range keysOf(items) {
				add(optional, reference{kind: kind, name: name, key: key, where: where, volume: v.Name})
			}
		}
		if r := v.ConfigMap; r != nil {
			items(kindConfigMap, r.Name, r.Items, r.Optional)
		}
		if r := v.Secret; r != nil {
			items(kindSecret, r.SecretName, r.Items, r.Optional)
		}
		if v.Projected == nil {
			continue
		}
		for _, s := range v.Projected.Sources {
			if r := s.ConfigMap; r != nil {
				items(kindConfigMap, r.Name, r.Items, r.Optional)
			}
			if r := s.Secret; r != nil {
				items(kindSecret, r.Name, r.Items, r.Optional)
			}
		}
	}
	return out
}

// The kinds that references are to.
const (
	kindConfigMap = "ConfigMap"
	kindSecret    = "Secret"
)

// rootCA is in the projected volume that every pod has by default; a controller makes it a moment
// after the namespace (pkg/controller/certificates/rootcacertpublisher).
const (
	rootCA         = "kube-root-ca.crt"
	rootCAPatience = time.Minute
)

// keysOf are the keys that items name; one empty one for all there are.
func keysOf(items []v1.KeyToPath) []string {
	if len(items) == 0 {
		return []string{""}
	}
	var out []string
	for _, i := range items {
		out = append(out, i.Key)
	}
	return out
}

// missing is the first reference, of those that count, to something that is not there.
func (l *look) missing(counts func(reference) bool) *finding {
	for _, r := range l.references() {
		have, part, cause := l.ConfigMaps, PartConfigMaps, CauseConfigMapMissing
		if r.kind == kindSecret {
			have, part, cause = l.Secrets, PartSecrets, CauseSecretMissing
		}
		if !counts(r) || !l.sees(part) {
			continue
		}
		object := named(have, r.name)
		f := &finding{health: Unhealthy, cause: cause}
		switch {
		case object == nil:
			f.root = fmt.Sprintf("%s %s does not exist in namespace %s%s", r.kind, r.name, l.Pod.Namespace, didYouMean(r.name, names(have)))
			if r.name == rootCA {
				f.root += ": the root CA publisher of kube-controller-manager makes it in every namespace"
				f.do("does kube-controller-manager run?", "kubectl -n kube-system get leases")
				if l.Now.Sub(l.since()) < rootCAPatience {
					f.health = Starting // a namespace that has just been made
				}
				break
			}
			f.do("make it, or correct the name "+l.where(), l.kubectl("get %s", lower(r.kind)))
		case r.key != "" && object.Keys != nil && !slices.Contains(object.Keys, r.key):
			f.cause = CauseKeyMissing
			f.root = fmt.Sprintf("%s %s has no key %s%s", r.kind, r.name, r.key, didYouMean(r.key, object.Keys))
			if near := Nearest(r.key, object.Keys); near != "" {
				f.change("correct the key "+l.where(), "-  key: "+r.key+"\n+  key: "+near)
			}
			f.do("or add the key; it has "+orNothing(object.Keys), l.kubectl("edit %s %s", lower(r.kind), r.name))
		default:
			continue
		}
		f.link(f.root)
		what := r.kind + " " + r.name
		if r.key != "" {
			what += ", key " + r.key
		}
		return f.show("spec", r.where, what, time.Time{})
	}
	return nil
}

func orNothing(keys []string) string {
	if len(keys) == 0 {
		return "no keys"
	}
	return list(slices.Sorted(slices.Values(keys)))
}

func lower(kind string) string {
	if kind == kindSecret {
		return "secret"
	}
	return "configmap"
}

// containersOf are all containers of the pod.
func containersOf(pod *v1.Pod) []v1.Container {
	out := slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers)
	for _, e := range pod.Spec.EphemeralContainers {
		out = append(out, v1.Container(e.EphemeralContainerCommon))
	}
	return out
}

// specOf is the container of that name; nil if it is not known.
func specOf(pod *v1.Pod, name string) *v1.Container {
	all := containersOf(pod)
	for i := range all {
		if all[i].Name == name {
			return &all[i]
		}
	}
	return nil
}

// pathOf is where a container's spec stands.
func pathOf(pod *v1.Pod, name string) string {
	kind := "containers"
	if slices.ContainsFunc(pod.Spec.InitContainers, func(c v1.Container) bool { return c.Name == name }) {
		kind = "initContainers"
	}
	return fmt.Sprintf("spec.%s[?(@.name==%q)]", kind, name)
}
