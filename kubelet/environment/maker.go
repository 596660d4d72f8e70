// Package environment makes the environment of a container: what its manifest
// declares, taken from fields, resources, config maps, secrets and files, and
// the addresses of services. It stands just before a container is created; what
// it cannot make is the container's CreateContainerConfigError.
package environment

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/cyphar/filepath-securejoin"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	kubetypes "k8s.io/kubernetes/pkg/kubelet/types"
	envfile "k8s.io/kubernetes/pkg/kubelet/util/env"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"

	"github.com/podling/podling/kubelet/reference"
)

// Maker makes environments for the containers of a node.
type Maker struct {
	node     func() *v1.Node
	reader   *reference.Reader
	services *services
}

// New makes a maker, which follows the cluster's services until ctx ends. node
// gives the node as far as it is known, nil if it is not.
func New(ctx context.Context, client kubernetes.Interface, node func() *v1.Node) (*Maker, error) {
	services, err := followServices(ctx, client)
	if err != nil {
		return nil, fmt.Errorf("following services: %w", err)
	}
	return &Maker{node: node, reader: reference.New(client), services: services}, nil
}

// For is a maker of another node in the same cluster.
func (e *Maker) For(node func() *v1.Node) *Maker {
	return &Maker{node: node, reader: e.reader, services: e.services}
}

// Make is the container's environment: what it declares in the order of its
// manifest (upstream has no order), then the services by name. Hosts and pods
// have their IPs, the primary one first; volumes are the host paths of the pod's
// volumes by name. Errors have upstream's words (makeEnvironmentVariables in
// pkg/kubelet/kubelet_pods.go) and are what the container waits with.
func (e *Maker) Make(ctx context.Context, pod *v1.Pod, c *v1.Container, podIPs, hostIPs []string, nodeName string, volumes map[string]string) ([]*runtimeapi.KeyValue, error) {
	if pod.Spec.EnableServiceLinks == nil {
		return nil, fmt.Errorf("nil pod.spec.enableServiceLinks encountered, cannot construct envvars")
	}
	if !kubetypes.IsStaticPod(pod) { // which wait for nothing in the API
		if err := e.services.wait(ctx); err != nil {
			return nil, err
		}
	}
	links, err := e.services.variables(pod.Namespace, *pod.Spec.EnableServiceLinks)
	if err != nil {
		return nil, err
	}
	b := &builder{
		ctx: ctx, reader: e.reader, node: e.node,
		pod: pod, container: c, podIPs: podIPs, hostIPs: hostIPs, nodeName: nodeName, volumes: volumes,
		values:     map[string]string{},
		configMaps: map[string]*v1.ConfigMap{},
		secrets:    map[string]*v1.Secret{},
	}
	for i := range c.EnvFrom {
		if err := b.addAll(&c.EnvFrom[i]); err != nil {
			return nil, err
		}
	}
	services := map[string]string{}
	for _, v := range links {
		services[v.Name] = v.Value
	}
	mapping := expansion.MappingFuncFor(b.values, services)
	for i := range c.Env {
		v := &c.Env[i]
		value, set := v.Value, true
		switch {
		case value != "":
			value = expansion.Expand(value, mapping)
		case v.ValueFrom != nil:
			if value, set, err = b.from(v.ValueFrom); err != nil {
				return nil, err
			}
		}
		if set {
			b.set(v.Name, value)
		}
	}
	out := make([]*runtimeapi.KeyValue, 0, len(b.order)+len(links))
	for _, name := range b.order {
		out = append(out, &runtimeapi.KeyValue{Key: name, Value: []byte(b.values[name])})
	}
	for _, v := range links {
		if _, declared := b.values[v.Name]; !declared {
			out = append(out, &runtimeapi.KeyValue{Key: v.Name, Value: []byte(services[v.Name])})
			b.values[v.Name] = v.Value
		}
	}
	return out, nil
}

// builder collects the variables of one container.
type builder struct {
	ctx    context.Context
	reader *reference.Reader
	node   func() *v1.Node

	pod             *v1.Pod
	container       *v1.Container
	podIPs, hostIPs []string
	nodeName        string
	volumes         map[string]string

	values     map[string]string
	order      []string
	configMaps map[string]*v1.ConfigMap
	secrets    map[string]*v1.Secret
}

func (b *builder) set(name, value string) {
	if _, again := b.values[name]; !again {
		b.order = append(b.order, name)
	}
	b.values[name] = value
}

// addAll adds everything of one envFrom source, by key.
func (b *builder) addAll(from *v1.EnvFromSource) error {
	switch {
	case from.ConfigMapRef != nil:
		cm, err := b.configMap(from.ConfigMapRef.Name, from.ConfigMapRef.Optional)
		if cm == nil {
			return err
		}
		for _, key := range slices.Sorted(maps.Keys(cm.Data)) {
			b.set(from.Prefix+key, cm.Data[key])
		}
	case from.SecretRef != nil:
		s, err := b.secret(from.SecretRef.Name, from.SecretRef.Optional)
		if s == nil {
			return err
		}
		for _, key := range slices.Sorted(maps.Keys(s.Data)) {
			b.set(from.Prefix+key, string(s.Data[key]))
		}
	}
	return nil
}

// from gives a variable's value from its source, and whether it has one: an
// optional source that is not there leaves the variable unset.
func (b *builder) from(source *v1.EnvVarSource) (string, bool, error) {
	switch {
	case source.FieldRef != nil:
		value, err := b.field(source.FieldRef)
		return value, err == nil, err
	case source.ResourceFieldRef != nil:
		value, err := b.resource(source.ResourceFieldRef)
		return value, err == nil, err
	case source.ConfigMapKeyRef != nil:
		ref := source.ConfigMapKeyRef
		cm, err := b.configMap(ref.Name, ref.Optional)
		if cm == nil {
			return "", false, err
		}
		value, ok := cm.Data[ref.Key]
		if !ok && !truth(ref.Optional) {
			return "", false, fmt.Errorf("couldn't find key %v in ConfigMap %v/%v", ref.Key, b.pod.Namespace, ref.Name)
		}
		return value, ok, nil
	case source.SecretKeyRef != nil:
		ref := source.SecretKeyRef
		s, err := b.secret(ref.Name, ref.Optional)
		if s == nil {
			return "", false, err
		}
		value, ok := s.Data[ref.Key]
		if !ok && !truth(ref.Optional) {
			return "", false, fmt.Errorf("couldn't find key %v in Secret %v/%v", ref.Key, b.pod.Namespace, ref.Name)
		}
		return string(value), ok, nil
	case source.FileKeyRef != nil:
		return b.file(source.FileKeyRef)
	}
	return "", true, nil
}

// configMap gives nil without an error for an optional one that is not there.
func (b *builder) configMap(name string, optional *bool) (*v1.ConfigMap, error) {
	if cm, ok := b.configMaps[name]; ok {
		return cm, nil
	}
	cm, err := b.reader.ConfigMap(b.ctx, b.pod.Namespace, name)
	if err != nil {
		return nil, unless(truth(optional) && apierrors.IsNotFound(err), err)
	}
	b.configMaps[name] = cm
	return cm, nil
}

// secret gives nil without an error for an optional one that is not there.
func (b *builder) secret(name string, optional *bool) (*v1.Secret, error) {
	if s, ok := b.secrets[name]; ok {
		return s, nil
	}
	s, err := b.reader.Secret(b.ctx, b.pod.Namespace, name)
	if err != nil {
		return nil, unless(truth(optional) && apierrors.IsNotFound(err), err)
	}
	b.secrets[name] = s
	return s, nil
}

// file reads a variable from a file of one of the pod's volumes (KEP-3721).
func (b *builder) file(ref *v1.FileKeySelector) (string, bool, error) {
	volume, ok := b.volumes[ref.VolumeName]
	if !ok {
		return "", false, fmt.Errorf("cannot find the volume %q referenced by FileKeyRef", ref.VolumeName)
	}
	path, err := securejoin.SecureJoin(volume, ref.Path)
	if err != nil {
		return "", false, err
	}
	value, err := envfile.ParseEnv(path, ref.Key)
	if err != nil {
		return "", false, fmt.Errorf("couldn't parse env file")
	}
	if value == "" && !truth(ref.Optional) {
		return "", false, fmt.Errorf("environment variable key %q not found in file %q", ref.Key, path)
	}
	return value, value != "", nil
}

func truth(b *bool) bool { return b != nil && *b }

func unless(ignored bool, err error) error {
	if ignored {
		return nil
	}
	return err
}
