package volume

import (
	"context"
	"path/filepath"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	storagelisters "k8s.io/client-go/listers/storage/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	registerapi "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
	"k8s.io/kubernetes/pkg/kubelet/pluginmanager"
	"k8s.io/kubernetes/pkg/volume/csi"
)

// registry is the folder below the node's root where CSI drivers put the sockets
// that they register by, as below upstream's.
const registry = "plugins_registry"

// watchDrivers lets CSI drivers register, until ctx ends.
func (m *Manager) watchDrivers(ctx context.Context) {
	watcher := pluginmanager.NewPluginManager(filepath.Join(m.root, registry), m.recorder)
	watcher.AddHandler(registerapi.CSIPlugin, registrar{m})
	watcher.Run(ctx, ready{}, ctx.Done())
}

// registrar takes drivers for upstream's CSI plugin, which the first one of them
// brings to life.
type registrar struct{ m *Manager }

func (r registrar) ValidatePlugin(name, endpoint string, versions []string) error {
	if _, err := r.m.operations(); err != nil {
		return err
	}
	return csi.PluginHandler.ValidatePlugin(name, endpoint, versions)
}

func (r registrar) RegisterPlugin(name, endpoint string, versions []string, patience *time.Duration) error {
	if _, err := r.m.operations(); err != nil {
		return err
	}
	return csi.PluginHandler.RegisterPlugin(name, endpoint, versions, patience)
}

func (r registrar) DeRegisterPlugin(name, endpoint string) {
	csi.PluginHandler.DeRegisterPlugin(name, endpoint)
}

// ready: drivers need not wait for the node's pods to be known.
type ready struct{}

func (ready) AddSource(string) {}
func (ready) AllReady() bool   { return true }

// drivers follows what the API says of CSI drivers, from when it is first asked.
func (m *Manager) drivers() informers.SharedInformerFactory {
	m.follow.Do(func() { m.followed = informers.NewSharedInformerFactory(m.client, 0) })
	return m.followed
}

func (h *host) GetInformerFactory() informers.SharedInformerFactory { return h.m.drivers() }

func (h *host) CSIDriverLister() storagelisters.CSIDriverLister {
	return h.m.drivers().Storage().V1().CSIDrivers().Lister()
}

func (h *host) CSIDriversSynced() cache.InformerSynced {
	return h.m.drivers().Storage().V1().CSIDrivers().Informer().HasSynced
}

// WaitForCacheSync waits until what the API says of CSI drivers is known.
func (h *host) WaitForCacheSync() error {
	ctx, cancel := context.WithTimeout(context.Background(), attachPatience)
	defer cancel()
	if !cache.WaitForCacheSync(ctx.Done(), h.CSIDriversSynced()) {
		return context.DeadlineExceeded
	}
	return nil
}

// SetKubeletError is told why the node's CSINode is not there yet. Only volumes of
// CSI drivers need it, and they say so themselves: the node is no less ready.
func (h *host) SetKubeletError(err error) {
	if err != nil {
		klog.Background().V(1).Info("The node's CSINode is not there yet", "reason", err)
	}
}

// GetAttachedVolumesFromNodeStatus gives the disks that are attached to the node,
// with their devices.
func (h *host) GetAttachedVolumesFromNodeStatus() (map[v1.UniqueVolumeName]string, error) {
	node, err := h.node()
	if err != nil {
		return nil, err
	}
	out := map[v1.UniqueVolumeName]string{}
	for _, v := range node.Status.VolumesAttached {
		out[v.Name] = v.DevicePath
	}
	return out, nil
}
