package volume

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/kubelet/volumemanager/cache"
	"k8s.io/kubernetes/pkg/volume"
	"k8s.io/kubernetes/pkg/volume/csi"
	"k8s.io/kubernetes/pkg/volume/fc"
	"k8s.io/kubernetes/pkg/volume/git_repo"
	"k8s.io/kubernetes/pkg/volume/hostpath"
	"k8s.io/kubernetes/pkg/volume/iscsi"
	"k8s.io/kubernetes/pkg/volume/local"
	"k8s.io/kubernetes/pkg/volume/nfs"
	volumeutil "k8s.io/kubernetes/pkg/volume/util"
	"k8s.io/kubernetes/pkg/volume/util/operationexecutor"
	volumetypes "k8s.io/kubernetes/pkg/volume/util/types"
	"k8s.io/kubernetes/pkg/volume/util/volumepathhandler"
	"k8s.io/utils/keymutex"
)

// attachPatience is how long a disk may take to be attached before its pod is told
// that it is waited for.
const attachPatience = 10 * time.Second

// operations mount what takes more than making a folder: what claims are bound to,
// file systems of other machines, disks, CSI. They are upstream's, with upstream's
// record of what is mounted where; in place of upstream's loops, which look ten
// times a second for what is to be done, each is run when a pod needs it.
type operations struct {
	m        *Manager
	plugins  volume.VolumePluginMgr
	generate operationexecutor.OperationGenerator
	actual   cache.ActualStateOfWorld
	disks    keymutex.KeyMutex // of a volume that pods share, by its name
}

// operations are made when a pod first needs them: most nodes never do.
func (m *Manager) operations() (*operations, error) {
	m.operate.Do(func() {
		o := &operations{m: m, disks: keymutex.NewHashed(0)}
		host := &host{ctx: context.Background(), m: m, reader: m.reader} // plugins keep it
		var plugins []volume.VolumePlugin
		for _, probe := range [][]volume.VolumePlugin{
			hostpath.ProbeVolumePlugins(volume.VolumeConfig{}), nfs.ProbeVolumePlugins(volume.VolumeConfig{}),
			iscsi.ProbeVolumePlugins(), fc.ProbeVolumePlugins(), local.ProbeVolumePlugins(), git_repo.ProbeVolumePlugins(), csi.ProbeVolumePlugins(),
		} {
			plugins = append(plugins, probe...)
		}
		if m.operateErr = o.plugins.InitPlugins(plugins, nil, host); m.operateErr != nil {
			return
		}
		m.drivers().Start(m.ended)
		o.generate = operationexecutor.NewOperationGenerator(m.client, &o.plugins, m.recorder, volumepathhandler.NewBlockVolumePathHandler())
		o.actual = cache.NewActualStateOfWorld(types.NodeName(m.nodeName), &o.plugins)
		m.operated.Store(o)
	})
	return m.operated.Load(), m.operateErr
}

// unknown is what upstream says of a volume that no plugin is for.
func (o *operations) unknown(spec *volume.Spec) error {
	if _, err := o.plugins.FindPluginBySpec(spec); err != nil {
		return fmt.Errorf("failed to get Plugin from volumeSpec for volume %q err=%w", spec.Name(), err)
	}
	return nil
}

// mount makes one volume ready. It records the Event itself if it fails.
func (o *operations) mount(pod *v1.Pod, v *v1.Volume, from source) (Mounted, error) {
	plugin, err := o.plugins.FindPluginBySpec(from.spec)
	if err != nil {
		return Mounted{}, err
	}
	podName := volumeutil.GetUniquePodName(pod)
	attachable, shared := volumeutil.IsAttachableVolume(from.spec, &o.plugins), volumeutil.IsDeviceMountableVolume(from.spec, &o.plugins)
	name := volumeutil.GetUniqueVolumeNameFromSpecWithPod(podName, plugin, from.spec)
	if attachable || shared {
		if name, err = volumeutil.GetUniqueVolumeNameFromSpec(plugin, from.spec); err != nil {
			return Mounted{}, err
		}
	}
	o.disks.LockKey(string(name))
	defer o.unlock(name)
	// Who attaches disks says so to the API; plugins that need to know ask there.
	if err := o.actual.MarkVolumeAsAttached(klog.Background(), name, from.spec, types.NodeName(o.m.nodeName), ""); err != nil {
		return Mounted{}, err
	}
	to := operationexecutor.VolumeToMount{
		VolumeName: name, PodName: podName, VolumeSpec: from.spec, OuterVolumeSpecNames: []string{v.Name}, Pod: pod,
		PluginIsAttachable: attachable, PluginIsDeviceMountable: shared, VolumeGIDValue: from.group,
		ReportedInUse: true, MountRequestTime: time.Now(),
	}
	if pv := from.spec.PersistentVolume; pv != nil {
		to.DesiredPersistentVolumeSize = *pv.Spec.Capacity.Storage()
	}
	operation := o.generate.GenerateMountVolumeFunc(attachPatience, to, o.actual, false)
	if from.block {
		if operation, err = o.generate.GenerateMapVolumeFunc(attachPatience, to, o.actual); err != nil {
			o.m.record(pod, v1.EventTypeWarning, failedMap, err.Error())
			return Mounted{}, err
		}
	}
	if err := run(operation); err != nil {
		return Mounted{}, err
	}
	mounted, found := o.actual.GetMountedVolumeForPod(podName, name)
	if !found {
		return Mounted{}, fmt.Errorf("volume %q was mounted and is not there", v.Name)
	}
	out := Mounted{Name: from.spec.Name(), Group: extraGroup(from.group, pod)}
	if from.block {
		dir, link := mounted.BlockVolumeMapper.GetPodDeviceMapPath()
		out.Path, out.ReadOnly = filepath.Join(dir, link), from.spec.ReadOnly
		return out, nil
	}
	out.ReadOnly = mounted.Mounter.GetAttributes().ReadOnly
	out.Path, err = volumeutil.GetPath(mounted.Mounter)
	return out, err
}

// run does what was generated and gives what users are told of its failure.
func run(operation volumetypes.GeneratedOperations) error {
	told, detailed := operation.Run()
	if told != nil {
		return told
	}
	return detailed
}

func (o *operations) unlock(name v1.UniqueVolumeName) {
	_ = o.disks.UnlockKey(string(name)) // never fails
}

// unmountPod takes the pod's volumes away, and the disks that no other pod uses.
func (o *operations) unmountPod(uid types.UID) error {
	var errs []error
	for _, v := range o.actual.GetPossiblyMountedVolumesForPod(volumetypes.UniquePodName(uid)) {
		errs = append(errs, o.unmount(v))
	}
	return errors.Join(errs...)
}

func (o *operations) unmount(v cache.MountedVolume) error {
	o.disks.LockKey(string(v.VolumeName))
	defer o.unlock(v.VolumeName)
	generate := func() (volumetypes.GeneratedOperations, error) {
		if v.BlockVolumeMapper != nil {
			return o.generate.GenerateUnmapVolumeFunc(v.MountedVolume, o.actual)
		}
		return o.generate.GenerateUnmountVolumeFunc(v.MountedVolume, o.actual, filepath.Join(o.m.root, "pods"))
	}
	operation, err := generate()
	if err == nil {
		err = run(operation)
	}
	if err != nil {
		return err
	}
	for _, disk := range o.actual.GetUnmountedVolumes() {
		if disk.VolumeName == v.VolumeName {
			return o.release(disk, v.BlockVolumeMapper != nil)
		}
	}
	return nil
}

// release lets go of a disk that no pod uses any more.
func (o *operations) release(disk cache.AttachedVolume, block bool) error {
	if disk.DeviceMayBeMounted() {
		generate := o.generate.GenerateUnmountDeviceFunc
		if block {
			generate = o.generate.GenerateUnmapDeviceFunc
		}
		operation, err := generate(disk.AttachedVolume, o.actual, (&host{}).GetHostUtil())
		if err == nil {
			err = run(operation)
		}
		if err != nil {
			return err
		}
	}
	o.actual.MarkVolumeAsDetached(disk.VolumeName, types.NodeName(o.m.nodeName))
	return nil
}

// once is what Manager keeps of its operations.
type once struct {
	operate    sync.Once
	operated   atomic.Pointer[operations] // nil: not needed yet
	operateErr error

	follow   sync.Once
	followed informers.SharedInformerFactory
}
