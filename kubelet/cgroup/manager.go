package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/manager"
	"golang.org/x/sys/unix"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	resourcehelper "k8s.io/component-helpers/resource"
	v1qos "k8s.io/kubernetes/pkg/apis/core/v1/helper/qos"
)

const (
	allPods   = "kubepods"
	podPrefix = "pod"

	// killRounds is how often the processes of a group are killed before its removal is given up:
	// they may fork while they are counted.
	killRounds = 5
)

// Manager makes and removes the groups of one node's pods. Its methods may be called at any time
// from any goroutine.
type Manager struct {
	hierarchies hierarchies
	root        string // of the node: ROOT
	missing     []string

	mu   sync.Mutex
	pods map[types.UID]podGroup
}

// podGroup is a pod's group that exists.
type podGroup struct {
	name      string             // from the hierarchies' roots
	resources *cgroups.Resources // nil where they are not known: an earlier process made the group
	milliCPU  int64              // requested
}

// New prepares the groups below root (an absolute name such as "/podling-1a2b", from the
// hierarchies' roots), and finds the pods' groups that an earlier process left there. It needs to be
// allowed to write to the cgroup file systems.
func New(root string) (*Manager, error) {
	if !path.IsAbs(root) || path.Clean(root) != root || root == "/" {
		return nil, fmt.Errorf("cgroup root %q: want a clean absolute name below /", root)
	}
	h, err := findHierarchies()
	if err != nil {
		return nil, err
	}
	m := &Manager{hierarchies: h, root: root, pods: map[types.UID]podGroup{}}
	for class, resources := range map[v1.PodQOSClass]*cgroups.Resources{
		v1.PodQOSGuaranteed: {},
		v1.PodQOSBurstable:  {HugetlbLimit: classHugePages()},
		v1.PodQOSBestEffort: {HugetlbLimit: classHugePages(), CpuShares: minShares},
	} {
		if err := m.apply(m.class(class), resources); err != nil {
			return nil, err
		}
		if err := m.adopt(m.class(class)); err != nil {
			return nil, err
		}
	}
	available, err := h.available(m.class(v1.PodQOSGuaranteed))
	if err != nil {
		return nil, err
	}
	m.missing = slices.DeleteFunc(slices.Clone(controllers), func(name string) bool { return available[name] })
	return m, nil
}

// Bound holds all pods together to so much memory, in bytes, and where processors are short to so many
// thousandths of one; 0 is no bound (upstream: enforceNodeAllocatableCgroups in pkg/kubelet/cm). The error is
// ErrLimit where the pods that are there use more memory.
func (m *Manager) Bound(milliCPU, memory int64) error {
	whole, pods := &cgroups.Resources{CpuShares: sharesOfCPU}, &cgroups.Resources{Memory: unlimited}
	switch {
	case milliCPU > 0:
		whole.CpuShares = shares(milliCPU)
	case m.hierarchies.unified:
		whole.CpuShares = sharesOfWeight(defaultWeight)
	}
	if memory > 0 {
		pods.Memory = memory
	}
	return errors.Join(m.limit(m.root, whole), m.limit(m.class(v1.PodQOSGuaranteed), pods))
}

// Missing are the controllers (cpu, memory, pids, hugetlb) that this machine does not offer. What
// pods ask of them is not enforced.
func (m *Manager) Missing() []string { return slices.Clone(m.missing) }

// ErrLimit: the group is there, but the kernel refuses the limits that it is to have.
var ErrLimit = errors.New("limit cgroup")

// Ensure makes the pod's group, or gives it other limits where the pod asks for others than before,
// and returns its name: the cgroup parent that the runtime is to put the sandbox into. It has one
// even if the error is an ErrLimit.
func (m *Manager) Ensure(pod *v1.Pod) (parent string, err error) {
	class := v1qos.GetPodQOS(pod)
	requests := resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{})
	group := podGroup{
		name:      path.Join(m.class(class), podPrefix+string(pod.UID)),
		resources: podResources(pod),
		milliCPU:  requests.Cpu().MilliValue(),
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	old, found := m.pods[pod.UID]
	if found && reflect.DeepEqual(old, group) {
		return group.name, nil
	}
	m.pods[pod.UID] = group
	// The class first, so that the pod's weight counts from its first moment.
	if class == v1.PodQOSBurstable && old.milliCPU != group.milliCPU {
		err = m.weighBurstable()
	}
	if err == nil {
		err = m.apply(group.name, group.resources)
	}
	if err != nil {
		group.resources = nil // to be tried again, or removed
		m.pods[pod.UID] = group
		return group.name, err
	}
	return group.name, nil
}

// Remove ends what still runs in the pod's group and removes the group. A pod that has none is no
// error.
func (m *Manager) Remove(uid types.UID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	group, found := m.pods[uid]
	if !found {
		return nil
	}
	if err := m.remove(group.name); err != nil {
		return err
	}
	delete(m.pods, uid)
	if group.milliCPU != 0 && path.Dir(group.name) == m.class(v1.PodQOSBurstable) {
		return m.weighBurstable()
	}
	return nil
}

// Orphans are the pods that have a group and that the caller does not know (any more).
func (m *Manager) Orphans(known func(types.UID) bool) []types.UID {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(slices.Sorted(maps.Keys(m.pods)), known)
}

// RemoveAll removes every group below the root, and the root, with whatever still runs in them.
func (m *Manager) RemoveAll() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.pods)
	return m.remove(m.root)
}

// class is the name of a class's group.
func (m *Manager) class(class v1.PodQOSClass) string {
	if class == v1.PodQOSGuaranteed {
		return path.Join(m.root, allPods)
	}
	return path.Join(m.root, allPods, strings.ToLower(string(class)))
}

// adopt takes over the pods' groups that are below a class's group already.
func (m *Manager) adopt(class string) error {
	for _, folder := range m.hierarchies.paths(class) {
		entries, err := os.ReadDir(folder)
		if errors.Is(err, fs.ErrNotExist) {
			continue // the runtime makes it, when there is a container
		}
		if err != nil {
			return fmt.Errorf("look for pods' cgroups: %w", err)
		}
		for _, entry := range entries {
			if uid, isPod := strings.CutPrefix(entry.Name(), podPrefix); isPod && entry.IsDir() {
				group := path.Join(class, entry.Name())
				m.pods[types.UID(uid)] = podGroup{name: group, milliCPU: m.hierarchies.milliCPU(group)}
			}
		}
	}
	return nil
}

// weighBurstable gives the Burstable class the shares that its pods ask for together (upstream's
// qos_container_manager_linux.go).
func (m *Manager) weighBurstable() error {
	class := m.class(v1.PodQOSBurstable)
	var milliCPU int64
	for _, group := range m.pods {
		if path.Dir(group.name) == class {
			milliCPU += group.milliCPU
		}
	}
	return m.limit(class, &cgroups.Resources{CpuShares: shares(milliCPU)})
}

// apply makes a group and limits it.
func (m *Manager) apply(group string, resources *cgroups.Resources) error {
	if err := m.create(group); err != nil {
		return err
	}
	return m.limit(group, resources)
}

// create makes a group, unless it is there.
func (m *Manager) create(group string) error {
	library, err := m.library(group)
	if err != nil {
		return err
	}
	// No process is -1: the folders are made and nobody moves in.
	if err := library.Apply(-1); err != nil {
		return fmt.Errorf("make cgroup %s: %w", group, err)
	}
	return nil
}

// limit holds a group that is there to what resources say.
func (m *Manager) limit(group string, resources *cgroups.Resources) error {
	library, err := m.library(group)
	if err != nil {
		return err
	}
	available, err := m.hierarchies.available(group)
	if err != nil {
		return err
	}
	if err := library.Set(fit(resources, available, m.hierarchies.unified)); err != nil {
		return fmt.Errorf("%w %s: %w", ErrLimit, group, err)
	}
	return nil
}

// library is what knows the files of either version of cgroups.
func (m *Manager) library(group string) (cgroups.Manager, error) {
	config := &cgroups.Cgroup{Path: group, Resources: &cgroups.Resources{SkipDevices: true}}
	library, err := manager.NewWithPaths(config, m.hierarchies.limiting(group))
	if err != nil {
		return nil, fmt.Errorf("cgroup %s: %w", group, err)
	}
	return library, nil
}

// remove kills what runs in a group and below it, and removes its folders.
func (m *Manager) remove(group string) error {
	if err := kill(m.hierarchies.folder(group)); err != nil {
		return fmt.Errorf("end the processes of cgroup %s: %w", group, err)
	}
	if err := cgroups.RemovePaths(m.hierarchies.paths(group)); err != nil {
		return fmt.Errorf("remove cgroup %s: %w", group, err)
	}
	return nil
}

// kill ends the processes in a group's folder and below it.
func kill(folder string) error {
	for range killRounds {
		pids, err := cgroups.GetAllPids(folder)
		if errors.Is(err, fs.ErrNotExist) || err == nil && len(pids) == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		for _, pid := range pids {
			if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("kill process %d: %w", pid, err)
			}
		}
	}
	return nil // the removal says so if one is left
}
