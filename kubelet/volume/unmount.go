package volume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kubernetes/pkg/volume/csi"
)

// Unmount takes everything of the pod from disk. What is there is read from the
// disk and the kernel's list of mounts, so that it works for pods of an earlier
// run too; after an error it can be called again.
func (m *Manager) Unmount(ctx context.Context, uid types.UID) error {
	if err := checkUID(uid); err != nil {
		return err
	}
	p := m.claim(uid)
	defer p.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	// Whatever comes of it, the volumes are in no state to be used.
	p.pod, p.ready = nil, nil
	if m.simulated {
		m.drop(uid, p)
		return nil
	}
	m.tokens.forget(uid)
	if o := m.operated.Load(); o != nil {
		if err := o.unmountPod(uid); err != nil {
			return fmt.Errorf("taking away the volumes of pod %s: %w", uid, err)
		}
	}
	dir := m.podDir(uid)
	if err := m.unpublish(uid); err != nil {
		return fmt.Errorf("taking away the volumes of pod %s: %w", uid, err)
	}
	if err := unmountBelow(dir); err != nil {
		return fmt.Errorf("taking away the volumes of pod %s: %w", uid, err)
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("removing the folder of pod %s: %w", uid, err)
	}
	m.drop(uid, p)
	return nil
}

// drop forgets the pod's volumes; who waits for the lock meanwhile must not go on
// with this one. Called with p locked.
func (m *Manager) drop(uid types.UID, p *podVolumes) {
	p.gone = true
	m.mu.Lock()
	delete(m.pods, uid)
	m.mu.Unlock()
}

// unpublish has CSI drivers take away the volumes that an earlier run of the node
// left in the pod's folder: unmounting alone is not enough for them.
func (m *Manager) unpublish(uid types.UID) error {
	left, err := os.ReadDir(filepath.Join(m.podDir(uid), "volumes", "kubernetes.io~csi"))
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(left) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	o, err := m.operations()
	if err != nil {
		return err
	}
	plugin, err := o.plugins.FindPluginByName(csi.CSIPluginName)
	if err != nil {
		return err
	}
	for _, e := range left {
		unmounter, err := plugin.NewUnmounter(e.Name(), uid)
		if err == nil {
			err = unmounter.TearDown()
		}
		if err != nil {
			return err
		}
	}
	return nil
}
