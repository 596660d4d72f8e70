package volume

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	authenticationv1 "k8s.io/api/authentication/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/record"
	"k8s.io/kubernetes/pkg/volume"
	"k8s.io/kubernetes/pkg/volume/configmap"
	"k8s.io/kubernetes/pkg/volume/downwardapi"
	"k8s.io/kubernetes/pkg/volume/emptydir"
	"k8s.io/kubernetes/pkg/volume/hostpath"
	"k8s.io/kubernetes/pkg/volume/projected"
	"k8s.io/kubernetes/pkg/volume/secret"
	"k8s.io/kubernetes/pkg/volume/util/hostutil"
	"k8s.io/kubernetes/pkg/volume/util/subpath"
	"k8s.io/mount-utils"

	"github.com/podling/podling/kubelet/reference"
)

// host is what upstream's plugins see of the node (volume.VolumeHost and
// volume.KubeletVolumeHost), for one round of setting volumes up.
type host struct {
	ctx    context.Context // the plugins' interfaces have none
	m      *Manager
	reader *reference.Reader
}

// changes: the volume's contents can change while the pod runs.
func changes(v *v1.Volume) bool {
	return v.ConfigMap != nil || v.Secret != nil || v.Projected != nil || v.DownwardAPI != nil
}

// plain: the volume is made in the pod's own folder, or is a path of the host's.
// All others need operations.
func plain(v *v1.Volume) bool {
	return changes(v) || v.EmptyDir != nil || v.HostPath != nil
}

// mounter gives what sets a plain volume up.
func (h *host) mounter(pod *v1.Pod, v *v1.Volume) (volume.Mounter, error) {
	var plugins []volume.VolumePlugin
	switch {
	case v.EmptyDir != nil && (v.EmptyDir.Medium == v1.StorageMediumDefault || v.EmptyDir.Medium == v1.StorageMediumMemory):
		return h.newEmptyDir(pod, v.Name, v.EmptyDir)
	case v.EmptyDir != nil: // huge pages
		plugins = emptydir.ProbeVolumePlugins()
	case v.ConfigMap != nil:
		plugins = configmap.ProbeVolumePlugins()
	case v.Secret != nil:
		plugins = secret.ProbeVolumePlugins()
	case v.Projected != nil:
		plugins = projected.ProbeVolumePlugins()
	case v.DownwardAPI != nil:
		plugins = downwardapi.ProbeVolumePlugins()
	default:
		plugins = hostpath.ProbeVolumePlugins(volume.VolumeConfig{})
	}
	plugin := plugins[0]
	if err := plugin.Init(h); err != nil {
		return nil, err
	}
	return plugin.NewMounter(volume.NewSpecFromVolume(v), pod)
}

func (h *host) GetPodVolumeDir(uid types.UID, plugin, name string) string {
	return filepath.Join(h.m.podDir(uid), "volumes", plugin, name)
}

func (h *host) GetPodPluginDir(uid types.UID, plugin string) string {
	return filepath.Join(h.m.podDir(uid), "plugins", plugin)
}

func (h *host) GetPodVolumeDeviceDir(uid types.UID, plugin string) string {
	return filepath.Join(h.m.podDir(uid), "volumeDevices", plugin)
}

func (h *host) GetPodsDir() string { return filepath.Join(h.m.root, "pods") }

func (h *host) GetPluginDir(plugin string) string {
	return filepath.Join(h.m.root, "plugins", plugin)
}

func (h *host) GetVolumeDevicePluginDir(plugin string) string {
	return filepath.Join(h.m.root, "plugins", plugin, "volumeDevices")
}

func (h *host) GetNodeName() types.NodeName            { return types.NodeName(h.m.nodeName) }
func (h *host) GetEventRecorder() record.EventRecorder { return h.m.recorder }
func (h *host) GetSubpather() subpath.Interface        { return subpath.New(h.m.mounts) }

func (h *host) GetNodeLabels() (map[string]string, error) {
	node, err := h.node()
	if err != nil {
		return nil, err
	}
	return node.Labels, nil
}

// node is the node as the API has it.
func (h *host) node() (*v1.Node, error) {
	node, err := h.m.client.CoreV1().Nodes().Get(h.ctx, h.m.nodeName, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("error retrieving node: %w", err)
	}
	return node, nil
}

func (h *host) GetKubeClient() kubernetes.Interface { return h.m.client }
func (h *host) GetMounter() mount.Interface         { return h.m.mounts }
func (h *host) GetHostUtil() hostutil.HostUtils     { return hostutil.NewHostUtil() }

// NewWrapperMounter gives the emptyDir that another kind of volume is made in.
func (h *host) NewWrapperMounter(name string, spec volume.Spec, pod *v1.Pod) (volume.Mounter, error) {
	return h.newEmptyDir(pod, name, spec.Volume.EmptyDir)
}

// NewWrapperUnmounter takes away what NewWrapperMounter's emptyDir made.
func (h *host) NewWrapperUnmounter(string, volume.Spec, types.UID) (volume.Unmounter, error) {
	return &emptyDirRemover{}, nil
}

func (h *host) GetNodeAllocatable() (v1.ResourceList, error) {
	node := h.m.known()
	if node == nil {
		return nil, errors.New("error retrieving node: it is not known yet")
	}
	return node.Status.Allocatable, nil
}

func (h *host) GetSecretFunc() func(namespace, name string) (*v1.Secret, error) {
	return func(namespace, name string) (*v1.Secret, error) { return h.reader.Secret(h.ctx, namespace, name) }
}

func (h *host) GetConfigMapFunc() func(namespace, name string) (*v1.ConfigMap, error) {
	return func(namespace, name string) (*v1.ConfigMap, error) {
		return h.reader.ConfigMap(h.ctx, namespace, name)
	}
}

func (h *host) GetServiceAccountTokenFunc() func(namespace, name string, tr *authenticationv1.TokenRequest) (*authenticationv1.TokenRequest, error) {
	return func(namespace, name string, tr *authenticationv1.TokenRequest) (*authenticationv1.TokenRequest, error) {
		return h.m.tokens.get(h.ctx, h.reader, namespace, name, tr)
	}
}

func (h *host) DeleteServiceAccountTokenFunc() func(types.UID) { return h.m.tokens.forget }

func (h *host) GetTrustAnchorsByName(name string, allowMissing bool) ([]byte, error) {
	return h.m.trust.GetTrustAnchorsByName(name, allowMissing)
}

func (h *host) GetTrustAnchorsBySigner(signer string, selector *metav1.LabelSelector, allowMissing bool) ([]byte, error) {
	return h.m.trust.GetTrustAnchorsBySigner(signer, selector, allowMissing)
}

func (h *host) GetPodCertificateCredentialBundle(context.Context, string, string, string, string, int) ([]byte, []byte, error) {
	return nil, nil, errors.New("podling does not have podCertificate sources yet")
}
