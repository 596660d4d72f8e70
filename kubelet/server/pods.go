package server

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	internalapi "k8s.io/cri-api/pkg/apis"
)

func healthz(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }

// ownMetrics are what this process registered with Prometheus' default registry.
func ownMetrics() http.Handler { return promhttp.Handler() }

// pods lists the node's pods, with their status.
func (s *Server) pods(w http.ResponseWriter, r *http.Request) {
	list := v1.PodList{TypeMeta: metav1.TypeMeta{Kind: "PodList", APIVersion: "v1"}, Items: []v1.Pod{}}
	for _, pod := range s.cfg.Pods() {
		list.Items = append(list.Items, *pod)
	}
	writeJSON(w, r, list)
}

// httpError is an error with the status code that it is answered with.
type httpError struct {
	code int
	error
}

func httpErrorf(code int, format string, args ...any) *httpError {
	return &httpError{code: code, error: fmt.Errorf(format, args...)}
}

// pod is the pod that the request's path names.
func (s *Server) pod(r *http.Request) (*v1.Pod, *httpError) {
	namespace, name, uid := r.PathValue("namespace"), r.PathValue("pod"), r.PathValue("uid")
	for _, pod := range s.cfg.Pods() {
		if pod.Namespace == namespace && pod.Name == name && (uid == "" || string(pod.UID) == uid) {
			return pod, nil
		}
	}
	return nil, httpErrorf(http.StatusNotFound, "pod %q does not exist", name)
}

// container is one in the runtime that has it.
type container struct {
	runtime internalapi.RuntimeService
	id      string
}

// running is the container that the request's path names, which must run.
func (s *Server) running(r *http.Request) (container, *httpError) {
	pod, err := s.pod(r)
	if err != nil {
		return container{}, err
	}
	name := r.PathValue("container")
	status := containerStatus(pod, name)
	if status == nil || status.State.Running == nil {
		return container{}, httpErrorf(http.StatusNotFound, "container not found (%q)", name)
	}
	return container{s.cfg.Runtime(pod), runtimeID(status.ContainerID)}, nil
}

// containerStatus is nil where the pod's status does not know the container yet.
func containerStatus(pod *v1.Pod, name string) *v1.ContainerStatus {
	for _, list := range [][]v1.ContainerStatus{
		pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses, pod.Status.EphemeralContainerStatuses,
	} {
		if i := slices.IndexFunc(list, func(c v1.ContainerStatus) bool { return c.Name == name }); i >= 0 {
			return &list[i]
		}
	}
	return nil
}

// hasContainer is whether the pod is to have a container of that name.
func hasContainer(pod *v1.Pod, name string) bool {
	named := func(c v1.Container) bool { return c.Name == name }
	return slices.ContainsFunc(pod.Spec.Containers, named) ||
		slices.ContainsFunc(pod.Spec.InitContainers, named) ||
		slices.ContainsFunc(pod.Spec.EphemeralContainers, func(c v1.EphemeralContainer) bool { return c.Name == name })
}

// image is the container's in the pod's spec, "" if there is no such container.
func image(pod *v1.Pod, container string) string {
	for _, list := range [][]v1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
		for i := range list {
			if list[i].Name == container {
				return list[i].Image
			}
		}
	}
	return ""
}

// runtimeID takes the runtime's id out of a status' containerd://ID.
func runtimeID(id string) string {
	if _, after, found := strings.Cut(id, "://"); found {
		return after
	}
	return id
}
