package volume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/volume"
	volumeutil "k8s.io/kubernetes/pkg/volume/util"
	"k8s.io/mount-utils"

	"github.com/podling/podling/kubelet/reference"
)

// The reasons of Events for what could not be made ready (upstream:
// FailedMountVolume and FailedToMakePodDataDirectories in pkg/kubelet/events).
const (
	failedMount    = "FailedMount"
	failedMakeDirs = "Failed"
)

// podDirMode keeps everybody but root away from pods' folders, as upstream does.
const podDirMode = 0o750

// Manager minds the volumes of all pods of a node.
type Manager struct {
	root     string
	client   kubernetes.Interface
	nodeName string
	record   func(pod *v1.Pod, eventType, reason, message string)

	reader      *reference.Reader
	tokens      *tokens
	mounts      mount.Interface
	allocatable allocatable
	noNoswap    atomic.Bool // the kernel's tmpfs does not know noswap

	mu   sync.Mutex
	pods map[types.UID]*podVolumes
}

// podVolumes is what was made ready for one pod. Its lock is held while the
// pod's volumes are worked on.
type podVolumes struct {
	sync.Mutex
	gone  bool // unmounted; a later mount begins with a fresh one
	pod   *v1.Pod
	paths map[string]string
}

// New makes a manager of the pod folders below root. The client is the node's;
// recorder takes the Events of volumes that fail.
func New(root string, client kubernetes.Interface, nodeName string, recorder func(pod *v1.Pod, eventType, reason, message string)) *Manager {
	reader := reference.New(client)
	return &Manager{
		root: root, client: client, nodeName: nodeName, record: recorder,
		reader: reader,
		tokens: newTokens(),
		mounts: mounter{&mount.Mounter{}},
		pods:   map[types.UID]*podVolumes{},
	}
}

// Mount makes ready the volumes that the pod's containers use, those of them
// that are not yet, and gives the host path of each by its name. Contents made
// from the pod itself follow its labels, annotations and resources. Each volume
// that fails is one Event; the error names all of them.
func (m *Manager) Mount(ctx context.Context, pod *v1.Pod) (map[string]string, error) {
	if err := checkUID(pod.UID); err != nil {
		return nil, err
	}
	p := m.claim(pod.UID)
	defer p.Unlock()
	if p.paths == nil {
		if err := m.makePodDirs(pod.UID); err != nil {
			err = fmt.Errorf("error making pod data directories: %w", err)
			m.record(pod, v1.EventTypeWarning, failedMakeDirs, err.Error())
			return nil, err
		}
		p.paths = map[string]string{}
	}
	if err := m.setUpAll(ctx, p, pod, m.reader, p.pod != nil && shown(p.pod, pod)); err != nil {
		return nil, err
	}
	p.pod = pod
	return maps.Clone(p.paths), nil
}

// shown: a downward API volume may have other contents for now than for was.
func shown(was, now *v1.Pod) bool {
	return was.Generation != now.Generation ||
		!maps.Equal(was.Labels, now.Labels) || !maps.Equal(was.Annotations, now.Annotations)
}

// ReadOnly: containers get the pod's volume of that name read-only, whatever
// their mount of it says: the node writes its contents, or it is an image.
func ReadOnly(pod *v1.Pod, name string) bool {
	return slices.ContainsFunc(pod.Spec.Volumes, func(v v1.Volume) bool { return v.Name == name && (changes(&v) || v.Image != nil) })
}

// setUpAll sets up each volume that is not ready, and with again also those
// whose contents may have changed. A ready volume that cannot be brought up to
// date keeps its contents, and the pod goes on with them. Image volumes are the
// runtime's to mount (KEP-4639).
func (m *Manager) setUpAll(ctx context.Context, p *podVolumes, pod *v1.Pod, reader *reference.Reader, again bool) error {
	used, devices, _ := volumeutil.GetPodVolumeNames(pod, false)
	h := &host{ctx: ctx, m: m, reader: reader}
	var (
		wait sync.WaitGroup
		mu   sync.Mutex
		made = map[string]string{}
		errs = make([]error, len(pod.Spec.Volumes)) // in their order: the same failures are the same error
	)
	for i := range pod.Spec.Volumes {
		v := &pod.Spec.Volumes[i]
		_, ready := p.paths[v.Name]
		if v.Image != nil || !used.Has(v.Name) && !devices.Has(v.Name) || ready && !(again && changes(v)) {
			continue
		}
		wait.Go(func() {
			path, err := m.setUp(h, pod, v, ready)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				made[v.Name] = path
			case !ready:
				errs[i] = err
			}
		})
	}
	wait.Wait()
	maps.Copy(p.paths, made)
	return utilerrors.NewAggregate(errs)
}

// setUp makes one volume ready and gives its path. The words of the Event are
// upstream's (pkg/volume/util/operationexecutor/operation_generator.go).
func (m *Manager) setUp(h *host, pod *v1.Pod, v *v1.Volume, again bool) (string, error) {
	path, err := func() (string, error) {
		mounter, err := h.mounter(pod, v)
		if err != nil {
			return "", err
		}
		args := volume.MounterArgs{FsUser: volumeutil.FsUserFrom(pod), IsRemount: again}
		if sc := pod.Spec.SecurityContext; sc != nil {
			args.FsGroup, args.FSGroupChangePolicy = sc.FSGroup, sc.FSGroupChangePolicy
		}
		if err := mounter.SetUp(args); err != nil {
			return "", err
		}
		return volumeutil.GetPath(mounter)
	}()
	if err != nil {
		err = fmt.Errorf("MountVolume.SetUp failed for volume %q : %w", v.Name, err)
		if errors.Is(h.ctx.Err(), context.Canceled) {
			return "", err // nobody wants the volume any more
		}
		m.record(pod, v1.EventTypeWarning, failedMount, err.Error())
	}
	return path, err
}

// Orphans are the pods that have a folder and are not known.
func (m *Manager) Orphans(known func(types.UID) bool) []types.UID {
	dir := filepath.Join(m.root, "pods")
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		klog.ErrorS(err, "Cannot look for folders of pods that are gone", "folder", dir)
	}
	var orphans []types.UID
	for _, e := range entries {
		if uid := types.UID(e.Name()); e.IsDir() && !known(uid) {
			orphans = append(orphans, uid)
		}
	}
	return orphans
}

// claim gives the pod's volumes, locked.
func (m *Manager) claim(uid types.UID) *podVolumes {
	for {
		m.mu.Lock()
		p, ok := m.pods[uid]
		if !ok {
			p = &podVolumes{}
			m.pods[uid] = p
		}
		m.mu.Unlock()
		p.Lock()
		if !p.gone {
			return p
		}
		p.Unlock()
	}
}

func (m *Manager) podDir(uid types.UID) string { return filepath.Join(m.root, "pods", string(uid)) }

func (m *Manager) makePodDirs(uid types.UID) error {
	return os.MkdirAll(filepath.Join(m.podDir(uid), "volumes"), podDirMode)
}

// checkUID: a UID becomes a folder's name and must not lead out of the pods' folder.
func checkUID(uid types.UID) error {
	if name := string(uid); name == "" || name == "." || name == ".." || filepath.Base(name) != name {
		return fmt.Errorf("the pod's UID %q cannot be the name of a folder", uid)
	}
	return nil
}
