package volume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/record"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/kubelet/clustertrustbundle"
	"k8s.io/mount-utils"

	"github.com/podling/podling/kubelet/reference"
)

// The reasons of Events for what could not be made ready (upstream:
// FailedMountVolume and FailedToMakePodDataDirectories in pkg/kubelet/events).
const (
	failedMount    = "FailedMount"
	failedMap      = "FailedMapVolume"
	failedMakeDirs = "Failed"
)

// trustBundles is how many ClusterTrustBundles are kept ready (upstream's number).
const trustBundles = 256

// podDirMode keeps everybody but root away from pods' folders, as upstream does.
const podDirMode = 0o750

// Manager minds the volumes of all pods of a node.
type Manager struct {
	root     string
	client   kubernetes.Interface
	nodeName string
	known    func() *v1.Node
	recorder record.EventRecorder

	simulated bool // nothing is made on disk
	leadsOut  LeadsOut

	once
	trust    clustertrustbundle.Manager
	ended    chan struct{} // closed when Run returns
	reader   *reference.Reader
	tokens   *tokens
	mounts   mount.Interface
	noNoswap atomic.Bool // the kernel's tmpfs does not know noswap

	mu   sync.Mutex
	pods map[types.UID]*podVolumes
}

// podVolumes is what was made ready for one pod. Its lock is held while the
// pod's volumes are worked on.
type podVolumes struct {
	sync.Mutex
	gone  bool // unmounted; a later mount begins with a fresh one
	pod   *v1.Pod
	ready map[string]Mounted
}

// Mounted is a volume that is ready.
type Mounted struct {
	Path     string // on the host, of the volume or of the block device that it is
	Name     string // the volume's own, for one that is bound to a claim
	ReadOnly bool   // containers cannot write to it, whatever their mounts say
	Group    *int64 // the pod's processes need it for the volume's files; nil for none

	contents map[string][]byte // of a simulated volume
}

// New makes a manager of the pod folders below root. The client is the node's;
// known gives the node as far as it is known without an API server, nil if it is
// not; recorder takes the Events of volumes that fail.
func New(root string, client kubernetes.Interface, nodeName string, known func() *v1.Node, recorder record.EventRecorder) *Manager {
	return &Manager{
		root: root, client: client, nodeName: nodeName, known: known, recorder: recorder,
		reader: reference.New(client),
		trust:  clustertrustbundle.NewLazyInformerManager(context.Background(), client, trustBundles),
		ended:  make(chan struct{}),
		tokens: newTokens(),
		mounts: mounter{&mount.Mounter{}},
		pods:   map[types.UID]*podVolumes{},
	}
}

// record is an Event about the pod.
func (m *Manager) record(pod *v1.Pod, eventType, reason, message string) {
	m.recorder.Event(pod, eventType, reason, message)
}

// Mount makes ready the volumes that the pod's containers use, those of them
// that are not yet, and gives each by its name. Contents made from the pod itself
// follow its labels, annotations and resources. Each volume that fails is an
// Event; the error names all of them.
func (m *Manager) Mount(ctx context.Context, pod *v1.Pod) (map[string]Mounted, error) {
	if err := checkUID(pod.UID); err != nil {
		return nil, err
	}
	p := m.claim(pod.UID)
	defer p.Unlock()
	if p.ready == nil {
		if err := m.makePodDirs(pod.UID); err != nil {
			err = fmt.Errorf("error making pod data directories: %w", err)
			m.record(pod, v1.EventTypeWarning, failedMakeDirs, err.Error())
			return nil, err
		}
		p.ready = map[string]Mounted{}
	}
	if err := m.setUpAll(ctx, p, pod, m.reader, p.pod != nil && shown(p.pod, pod)); err != nil {
		return nil, err
	}
	p.pod = pod
	return maps.Clone(p.ready), nil
}

// shown: a downward API volume may have other contents for now than for was.
func shown(was, now *v1.Pod) bool {
	return was.Generation != now.Generation ||
		!maps.Equal(was.Labels, now.Labels) || !maps.Equal(was.Annotations, now.Annotations)
}

// Orphans are the pods that have a folder and are not known.
func (m *Manager) Orphans(known func(types.UID) bool) []types.UID {
	if m.simulated {
		return nil
	}
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
	if m.simulated {
		return nil
	}
	return os.MkdirAll(filepath.Join(m.podDir(uid), "volumes"), podDirMode)
}

// checkUID: a UID becomes a folder's name and must not lead out of the pods' folder.
func checkUID(uid types.UID) error {
	if name := string(uid); name == "" || name == "." || name == ".." || filepath.Base(name) != name {
		return fmt.Errorf("the pod's UID %q cannot be the name of a folder", uid)
	}
	return nil
}
