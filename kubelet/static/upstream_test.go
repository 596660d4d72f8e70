package static

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/kubelet/config"
	kubetypes "k8s.io/kubernetes/pkg/kubelet/types"
)

// manifests are some that upstream takes and some that it does not.
var manifests = map[string]string{
	"plain.yaml": pod(`name: plain`, `containers: [{name: c, image: busybox}]`),
	"plain.json": `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "json", "namespace": "kube-system"}, "spec": {"containers": [{"name": "c", "image": "busybox"}]}}`,
	"no-suffix":  pod(`name: no-suffix`, `containers: [{name: c, image: busybox}]`),
	"full.yaml": `
apiVersion: v1
kind: Pod
metadata:
  name: full
  labels: {a: b}
  annotations: {c: d}
spec:
  hostNetwork: true
  priorityClassName: system-node-critical
  terminationGracePeriodSeconds: 7
  tolerations: [{key: x, operator: Exists, effect: NoExecute}]
  nodeName: another
  nodeSelector: {kubernetes.io/os: linux}
  initContainers: [{name: i, image: busybox, command: [sh, -c, "true"]}]
  containers:
  - name: c
    image: busybox:1.36
    ports: [{containerPort: 80}]
    livenessProbe: {httpGet: {path: /, port: 80}}
    resources: {requests: {cpu: 100m}, limits: {memory: 64Mi}}
    env: [{name: "N", valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
    volumeMounts: [{name: h, mountPath: /h}, {name: d, mountPath: /d}]
  volumes:
  - {name: h, hostPath: {path: /var/log}}
  - {name: d, projected: {sources: [{downwardAPI: {items: [{path: l, fieldRef: {fieldPath: metadata.labels}}]}}]}}
`,
	"tolerates.yaml":     pod(`name: tolerates`, `tolerations: [{operator: Exists, effect: NoExecute, tolerationSeconds: 5}], containers: [{name: c, image: busybox}]`),
	"uid.yaml":           pod(`name: uid, uid: chosen`, `containers: [{name: c, image: busybox}]`),
	"ephemeral.yaml":     pod(`name: claims`, `containers: [{name: c, image: busybox}], volumes: [{name: v, emptyDir: {}}]`),
	"unknown-field.yaml": pod(`name: unknown-field`, `containers: [{name: c, image: busybox, imgae: x}]`),
	"two.yaml":           pod(`name: first`, `containers: [{name: c, image: busybox}]`) + "---\n" + pod(`name: second`, `containers: [{name: c, image: busybox}]`),

	".hidden.yaml":         pod(`name: hidden`, `containers: [{name: c, image: busybox}]`),
	"empty.yaml":           ``,
	"not-yaml.yaml":        "a: b: c\n\t",
	"no-name.yaml":         pod(`generateName: x`, `containers: [{name: c, image: busybox}]`),
	"no-containers.yaml":   pod(`name: no-containers`, `containers: []`),
	"wrong-type.yaml":      pod(`name: wrong-type`, `containers: [{name: c, image: busybox, ports: 80}]`),
	"service.yaml":         "apiVersion: v1\nkind: Service\nmetadata: {name: service}\nspec: {ports: [{port: 80}]}",
	"deployment.yaml":      "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: deployment}",
	"list.yaml":            "apiVersion: v1\nkind: PodList\nitems: [{metadata: {name: listed}, spec: {containers: [{name: c, image: busybox}]}}]",
	"account.yaml":         pod(`name: account`, `serviceAccountName: a, containers: [{name: c, image: busybox}]`),
	"secret-env.yaml":      pod(`name: secret-env`, `containers: [{name: c, image: busybox, envFrom: [{secretRef: {name: s}}]}]`),
	"secret-pull.yaml":     pod(`name: secret-pull`, `imagePullSecrets: [{name: s}], containers: [{name: c, image: busybox}]`),
	"config-volume.yaml":   pod(`name: config-volume`, `containers: [{name: c, image: busybox}], volumes: [{name: v, configMap: {name: m}}]`),
	"config-key.yaml":      pod(`name: config-key`, `containers: [{name: c, image: busybox, env: [{name: E, valueFrom: {configMapKeyRef: {name: m, key: k}}}]}]`),
	"claim.yaml":           pod(`name: claim`, `containers: [{name: c, image: busybox}], volumes: [{name: v, persistentVolumeClaim: {claimName: p}}]`),
	"token.yaml":           pod(`name: token`, `containers: [{name: c, image: busybox}], volumes: [{name: v, projected: {sources: [{serviceAccountToken: {path: t}}]}}]`),
	"csi.yaml":             pod(`name: csi`, `containers: [{name: c, image: busybox}], volumes: [{name: v, csi: {driver: d.example.com}}]`),
	"resource-claim.yaml":  pod(`name: resource-claim`, `resourceClaims: [{name: r, resourceClaimName: x}], containers: [{name: c, image: busybox}]`),
	"bad-restart.yaml":     pod(`name: bad-restart`, `restartPolicy: Sometimes, containers: [{name: c, image: busybox}]`),
	"bad-name.yaml":        pod(`name: Bad_Name`, `containers: [{name: c, image: busybox}]`),
	"with-ephemerals.yaml": pod(`name: with-ephemerals`, `ephemeralContainers: [{name: e, image: busybox}], containers: [{name: c, image: busybox}]`),
}

// pod is a manifest with these fields.
func pod(metadata, spec string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {%s}\nspec: {%s}\n", metadata, spec)
}

// TestAsUpstream reads a folder of manifests side by side with upstream's
// kubelet: the same ones are taken, and the pods are the same to the last
// field, their UIDs included.
func TestAsUpstream(t *testing.T) {
	for _, node := range []string{"node1", "node.two"} {
		dir := t.TempDir()
		write(t, dir, manifests)
		want := upstreams(t, dir, node)
		got := map[string]*v1.Pod{}
		problems := map[string]bool{}
		read := func(pods []*v1.Pod) {
			for _, pod := range pods {
				got[pod.Name] = pod.DeepCopy()
			}
		}
		NewFolder(dir, node, read, func(problem error) { problems[problem.Error()] = true }).Read(time.Now())
		for _, pods := range []map[string]*v1.Pod{want, got} {
			for name, pod := range pods {
				if pod.Annotations[kubetypes.ConfigFirstSeenAnnotationKey] == "" {
					t.Errorf("%s: nothing says when it was first seen", name)
				}
				delete(pod.Annotations, kubetypes.ConfigFirstSeenAnnotationKey)
			}
		}
		if len(want) < 8 {
			t.Fatalf("upstream takes %v", slices.Sorted(maps.Keys(want)))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("upstream - podling:\n%s", diff)
		}
		if bad := len(manifests) - 1 - len(want); len(problems) < bad {
			t.Errorf("%d problems are told of %d manifests that cannot be run", len(problems), bad)
		}
	}
}

// upstreams are the pods that upstream's kubelet makes of the folder.
func upstreams(t *testing.T, dir, node string) map[string]*v1.Pod {
	t.Helper()
	source := config.NewPodConfig(record.NewFakeRecorder(100), nil)
	config.NewSourceFile(klog.Logger{}, dir, types.NodeName(node), time.Hour, source.Channel(t.Context(), kubetypes.FileSource))
	select {
	case update := <-source.Updates():
		out := map[string]*v1.Pod{}
		for _, pod := range update.Pods {
			out[pod.Name] = pod
		}
		return out
	case <-time.After(time.Minute):
		t.Fatal("upstream's kubelet does not read the folder")
		return nil
	}
}

// write puts files into the folder.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
