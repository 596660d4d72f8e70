package volume

import (
	"context"
	"fmt"
	"os"

	"k8s.io/apimachinery/pkg/types"
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
	p.pod, p.paths = nil, nil
	m.tokens.forget(uid)
	dir := m.podDir(uid)
	if err := unmountBelow(dir); err != nil {
		return fmt.Errorf("taking away the volumes of pod %s: %w", uid, err)
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("removing the folder of pod %s: %w", uid, err)
	}
	// Who waits for the lock meanwhile must not go on with this one.
	p.gone = true
	m.mu.Lock()
	delete(m.pods, uid)
	m.mu.Unlock()
	return nil
}
