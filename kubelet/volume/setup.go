package volume

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	v1 "k8s.io/api/core/v1"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/kubernetes/pkg/volume"
	volumeutil "k8s.io/kubernetes/pkg/volume/util"

	"github.com/podling/podling/kubelet/reference"
)

// setUpAll sets up each volume that is not ready, and with again also those
// whose contents may have changed. A ready volume that cannot be brought up to
// date keeps its contents, and the pod goes on with them. Image volumes are the
// runtime's to mount (KEP-4639).
func (m *Manager) setUpAll(ctx context.Context, p *podVolumes, pod *v1.Pod, reader *reference.Reader, again bool) error {
	mounts, devices, _ := volumeutil.GetPodVolumeNames(pod, false)
	h := &host{ctx: ctx, m: m, reader: reader}
	var (
		wait    sync.WaitGroup
		mu      sync.Mutex
		made    = map[string]Mounted{}
		wanted  []string
		errs    = make([]error, len(pod.Spec.Volumes)) // in their order: the same failures are the same error
		sources = map[string]error{}                   // what could not even be found, by the volume's name
	)
	for i := range pod.Spec.Volumes {
		v := &pod.Spec.Volumes[i]
		_, ready := p.ready[v.Name]
		if v.Image != nil || !mounts.Has(v.Name) && !devices.Has(v.Name) || ready && !(again && changes(v)) {
			continue
		}
		wanted = append(wanted, v.Name)
		wait.Go(func() {
			setUp := func() (Mounted, error) { return m.setUp(h, pod, v, ready) }
			if !plain(v) {
				from, err := h.source(pod, v, mounts, devices)
				var o *operations
				if err == nil && !m.simulated {
					if o, err = m.operations(); err == nil {
						err = o.unknown(from.spec)
					}
				}
				if err != nil {
					mu.Lock()
					defer mu.Unlock()
					sources[v.Name] = err
					return
				}
				if !m.simulated {
					setUp = func() (Mounted, error) { return o.mount(pod, v, from) }
				}
			}
			volume, err := setUp()
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				made[v.Name] = volume
			case !ready:
				errs[i] = err
			}
		})
	}
	wait.Wait()
	maps.Copy(p.ready, made)
	if len(sources) > 0 {
		unmounted := slices.DeleteFunc(wanted, func(name string) bool { _, is := p.ready[name]; return is })
		errs = append(errs, m.notFound(ctx, pod, unmounted, sources))
	}
	return utilerrors.NewAggregate(errs)
}

// notFound tells of volumes that nothing is known to make them from (upstream:
// WaitForAttachAndMount in pkg/kubelet/volumemanager and its caller).
func (m *Manager) notFound(ctx context.Context, pod *v1.Pod, unmounted []string, failed map[string]error) error {
	slices.Sort(unmounted)
	names := slices.Sorted(maps.Keys(failed))
	var why []string
	for _, name := range names {
		why = append(why, failed[name].Error())
	}
	err := fmt.Errorf("unmounted volumes=%v, unattached volumes=[], failed to process volumes=%v: %s", unmounted, names, strings.Join(why, "; "))
	if !errors.Is(ctx.Err(), context.Canceled) {
		m.record(pod, v1.EventTypeWarning, failedMount, "Unable to attach or mount volumes: "+err.Error())
	}
	return err
}

// setUp makes one volume ready in the pod's own folder. The words of the Event are
// upstream's (pkg/volume/util/operationexecutor/operation_generator.go).
func (m *Manager) setUp(h *host, pod *v1.Pod, v *v1.Volume, again bool) (Mounted, error) {
	ready, err := func() (Mounted, error) {
		if m.simulated {
			return h.pretend(pod, v)
		}
		mounter, err := h.mounter(pod, v)
		if err != nil {
			return Mounted{}, err
		}
		args := volume.MounterArgs{FsUser: volumeutil.FsUserFrom(pod), IsRemount: again}
		if sc := pod.Spec.SecurityContext; sc != nil {
			args.FsGroup, args.FSGroupChangePolicy = sc.FSGroup, sc.FSGroupChangePolicy
		}
		if err := mounter.SetUp(args); err != nil {
			return Mounted{}, err
		}
		path, err := volumeutil.GetPath(mounter)
		return Mounted{Path: path, Name: v.Name, ReadOnly: mounter.GetAttributes().ReadOnly}, err
	}()
	if err != nil {
		err = fmt.Errorf("MountVolume.SetUp failed for volume %q : %w", v.Name, err)
		if errors.Is(h.ctx.Err(), context.Canceled) {
			return Mounted{}, err // nobody wants the volume any more
		}
		m.record(pod, v1.EventTypeWarning, failedMount, err.Error())
	}
	return ready, err
}
