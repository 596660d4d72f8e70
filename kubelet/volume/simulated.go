package volume

import (
	"errors"
	"maps"
	"path/filepath"
	"strings"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/record"
	"k8s.io/kubernetes/pkg/volume/configmap"
	"k8s.io/kubernetes/pkg/volume/downwardapi"
	"k8s.io/kubernetes/pkg/volume/secret"
	volumeutil "k8s.io/kubernetes/pkg/volume/util"

	"github.com/podling/podling/kubelet/reference"
)

// NewSimulated makes a manager for pods whose containers only exist in memory. What
// a volume is made from is looked up and checked as ever, and fails as ever; but
// nothing is made of it on disk. Claims have to be bound, to whatever it is. leadsOut
// may be nil: no path does.
func NewSimulated(root string, client kubernetes.Interface, reader *reference.Reader, nodeName string, known func() *v1.Node, recorder record.EventRecorder, leadsOut LeadsOut) *Manager {
	m := New(root, client, nodeName, known, recorder)
	m.reader, m.simulated, m.leadsOut = reader, true, leadsOut
	return m
}

// LeadsOut says whether the path below a simulated volume leads out of it, by the links
// that the pod's containers have made there.
type LeadsOut func(podUID, volumePath, below string) bool

// Contents are the files of the simulated volume at that path, by their paths in
// it; nil if there is no such volume, or nothing in it.
func (m *Manager) Contents(path string) map[string][]byte {
	below, found := strings.CutPrefix(path, filepath.Join(m.root, "pods")+"/")
	if !found {
		return nil
	}
	uid, _, _ := strings.Cut(below, "/")
	m.mu.Lock()
	p := m.pods[types.UID(uid)]
	m.mu.Unlock()
	if p == nil {
		return nil
	}
	p.Lock()
	defer p.Unlock()
	for _, v := range p.ready {
		if v.Path == path {
			return v.contents
		}
	}
	return nil
}

// pretend finds what the volume is made from, and makes nothing of it.
func (h *host) pretend(pod *v1.Pod, v *v1.Volume) (Mounted, error) {
	if err := h.possible(pod, v); err != nil {
		return Mounted{}, err
	}
	files, err := h.files(pod, v)
	if err != nil {
		return Mounted{}, err
	}
	out := Mounted{Path: h.GetPodVolumeDir(pod.UID, "kubernetes.io~"+kindOf(v), v.Name), Name: v.Name}
	if v.HostPath != nil {
		out.Path = v.HostPath.Path
	}
	if len(files) > 0 {
		out.contents = make(map[string][]byte, len(files))
		for name, f := range files {
			out.contents[name] = f.Data
		}
	}
	return out, nil
}

// kindOf is how the volume's plugin is called, as far as a path needs it.
func kindOf(v *v1.Volume) string {
	switch {
	case v.ConfigMap != nil:
		return "configmap"
	case v.Secret != nil:
		return "secret"
	case v.Projected != nil:
		return "projected"
	case v.DownwardAPI != nil:
		return "downward-api"
	case v.EmptyDir != nil:
		return "empty-dir"
	}
	return "simulated"
}

// files are what a volume that is made by the node itself has in it.
func (h *host) files(pod *v1.Pod, v *v1.Volume) (map[string]volumeutil.FileProjection, error) {
	switch {
	case v.ConfigMap != nil:
		return h.configMapFiles(pod, v.ConfigMap.Name, v.ConfigMap.Items, v.ConfigMap.DefaultMode, v.ConfigMap.Optional)
	case v.Secret != nil:
		return h.secretFiles(pod, v.Secret.SecretName, v.Secret.Items, v.Secret.DefaultMode, v.Secret.Optional)
	case v.DownwardAPI != nil:
		return downwardapi.CollectData(v.DownwardAPI.Items, pod, h, v.DownwardAPI.DefaultMode)
	case v.Projected == nil:
		return nil, nil
	}
	out := map[string]volumeutil.FileProjection{}
	var errs []error
	for i := range v.Projected.Sources {
		files, err := h.projected(pod, &v.Projected.Sources[i], v.Projected.DefaultMode)
		if err != nil {
			errs = append(errs, err)
		}
		maps.Copy(out, files)
	}
	return out, utilerrors.NewAggregate(errs)
}

// projected are the files of one of a projected volume's sources. A token is a
// placeholder: nobody in the pod can ask the API server anything with it.
func (h *host) projected(pod *v1.Pod, s *v1.VolumeProjection, mode *int32) (map[string]volumeutil.FileProjection, error) {
	switch {
	case s.ConfigMap != nil:
		return h.configMapFiles(pod, s.ConfigMap.Name, s.ConfigMap.Items, mode, s.ConfigMap.Optional)
	case s.Secret != nil:
		return h.secretFiles(pod, s.Secret.Name, s.Secret.Items, mode, s.Secret.Optional)
	case s.DownwardAPI != nil:
		return downwardapi.CollectData(s.DownwardAPI.Items, pod, h, mode)
	case s.ServiceAccountToken != nil:
		return map[string]volumeutil.FileProjection{s.ServiceAccountToken.Path: {Data: []byte("simulated")}}, nil
	}
	return nil, errors.New("a simulated node projects config maps, secrets, the downward API and tokens, and nothing else yet")
}

func (h *host) configMapFiles(pod *v1.Pod, name string, items []v1.KeyToPath, mode *int32, optional *bool) (map[string]volumeutil.FileProjection, error) {
	may := optional != nil && *optional
	cm, err := h.reader.ConfigMap(h.ctx, pod.Namespace, name)
	if apierrors.IsNotFound(err) && may {
		cm, err = &v1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: name}}, nil
	}
	if err != nil {
		return nil, err
	}
	return configmap.MakePayload(items, cm, mode, may)
}

func (h *host) secretFiles(pod *v1.Pod, name string, items []v1.KeyToPath, mode *int32, optional *bool) (map[string]volumeutil.FileProjection, error) {
	may := optional != nil && *optional
	s, err := h.reader.Secret(h.ctx, pod.Namespace, name)
	if apierrors.IsNotFound(err) && may {
		s, err = &v1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: name}}, nil
	}
	if err != nil {
		return nil, err
	}
	return secret.MakePayload(items, s, mode, may)
}
