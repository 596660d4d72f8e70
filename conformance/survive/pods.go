package survive

import (
	"context"
	"fmt"
	"path/filepath"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The kinds of pods, which each trial has one of.
const (
	plain = "plain" // runs until it is ended; config map, secret, memory and token volumes; ends with 7
	hooks = "hooks" // init container, sidecar, postStart and preStop
	job   = "job"   // never restarted: one container ends with 0, one with 3
	crash = "crash" // ends with 5, again and again
)

var kinds = []string{plain, hooks, job, crash}

const (
	image = "docker.io/library/busybox:1.36"
	grace = 5 // seconds that pods have to end
	// hold keeps the pod's record in the API until the trial has read how it ended.
	hold = "podling.dev/read"
)

// begins is what each container does first: one line more in a file of its own, so that the
// number of lines is how often it began.
func begins(container string) string { return "echo >>/marks/$POD." + container + "; " }

func shell(name, script string) v1.Container {
	return v1.Container{
		Name: name, Image: image, ImagePullPolicy: v1.PullIfNotPresent, Command: []string{"sh", "-c", begins(name) + script},
		Env:          []v1.EnvVar{{Name: "POD", ValueFrom: &v1.EnvVarSource{FieldRef: &v1.ObjectFieldSelector{FieldPath: "metadata.name"}}}},
		VolumeMounts: []v1.VolumeMount{{Name: "marks", MountPath: "/marks"}},
	}
}

// pod makes the manifest of one kind. number tells one trial's pods from another's.
func (g *Ground) pod(kind string, number int) *v1.Pod {
	directory := v1.HostPathDirectory
	pod := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name(kind, number), Finalizers: []string{hold}},
		Spec: v1.PodSpec{
			TerminationGracePeriodSeconds: new(int64(grace)),
			Volumes:                       []v1.Volume{{Name: "marks", VolumeSource: v1.VolumeSource{HostPath: &v1.HostPathVolumeSource{Path: g.marks(), Type: &directory}}}},
			Tolerations:                   []v1.Toleration{{Operator: v1.TolerationOpExists}}, // a node that is away for minutes keeps its pods
		},
	}
	const rest = "sleep 3600 & wait"
	switch kind {
	case plain:
		main := shell("main", "cat /config/word /secret/word >/memory/words && [ \"$(cat /memory/words)\" = openseseame ] || exit 9; "+
			"trap 'echo >>/marks/$POD.term; sleep 0.3; exit 7' TERM; touch /disk/up; "+rest)
		main.ReadinessProbe = &v1.Probe{PeriodSeconds: 1, ProbeHandler: v1.ProbeHandler{Exec: &v1.ExecAction{Command: []string{"cat", "/disk/up"}}}}
		for _, v := range []string{"config", "secret", "memory", "disk"} {
			main.VolumeMounts = append(main.VolumeMounts, v1.VolumeMount{Name: v, MountPath: "/" + v})
		}
		pod.Spec.Volumes = append(pod.Spec.Volumes,
			v1.Volume{Name: "config", VolumeSource: v1.VolumeSource{ConfigMap: &v1.ConfigMapVolumeSource{LocalObjectReference: v1.LocalObjectReference{Name: "survive"}}}},
			v1.Volume{Name: "secret", VolumeSource: v1.VolumeSource{Secret: &v1.SecretVolumeSource{SecretName: "survive"}}},
			v1.Volume{Name: "memory", VolumeSource: v1.VolumeSource{EmptyDir: &v1.EmptyDirVolumeSource{Medium: v1.StorageMediumMemory}}},
			v1.Volume{Name: "disk", VolumeSource: v1.VolumeSource{EmptyDir: &v1.EmptyDirVolumeSource{}}})
		pod.Spec.Containers = []v1.Container{main}
	case hooks:
		always := v1.ContainerRestartPolicyAlways
		first, side, main := shell("first", "sleep 0.2"), shell("side", "trap 'exit 0' TERM; "+rest), shell("main", "trap 'exit 7' TERM; "+rest)
		side.RestartPolicy = &always
		main.Lifecycle = &v1.Lifecycle{
			PostStart: &v1.LifecycleHandler{Exec: &v1.ExecAction{Command: []string{"sh", "-c", "echo >>/marks/$POD.post; sleep 0.1"}}},
			PreStop:   &v1.LifecycleHandler{Exec: &v1.ExecAction{Command: []string{"sh", "-c", "echo >>/marks/$POD.term; sleep 0.3"}}},
		}
		pod.Spec.InitContainers, pod.Spec.Containers = []v1.Container{first, side}, []v1.Container{main}
	case job:
		pod.Spec.RestartPolicy = v1.RestartPolicyNever
		pod.Spec.Containers = []v1.Container{shell("good", "sleep 0.5"), shell("bad", "sleep 1.5; exit 3")}
	case crash:
		pod.Spec.Containers = []v1.Container{shell("main", "exit 5")}
	}
	return pod
}

func name(kind string, number int) string { return fmt.Sprintf("%s-%d", kind, number) }

// referred makes what the pods refer to.
func (g *Ground) referred(ctx context.Context) error {
	meta := metav1.ObjectMeta{Name: "survive"}
	_, err := g.client.CoreV1().ConfigMaps("default").Create(ctx, &v1.ConfigMap{ObjectMeta: meta, Data: map[string]string{"word": "open"}}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	_, err = g.client.CoreV1().Secrets("default").Create(ctx, &v1.Secret{ObjectMeta: meta, StringData: map[string]string{"word": "seseame"}}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	return nil
}

// begun is how often something wrote a line of that name; of a container, how often it began.
func (g *Ground) begun(pod, what string) (int, error) {
	files, err := filepath.Glob(filepath.Join(g.marks(), pod+"."+what))
	if err != nil || len(files) == 0 {
		return 0, err
	}
	return lines(files[0])
}
