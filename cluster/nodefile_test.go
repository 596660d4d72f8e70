package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func nodeFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "nodes.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestNodeFile(t *testing.T) {
	nodes, err := readNodes(nodeFile(t, `# two racks
apiVersion: v1
kind: Node
metadata: {generateName: rack-a-, labels: {topology.kubernetes.io/zone: a}, annotations: {podling.dev/replicas: "3"}}
status: {capacity: {cpu: "64", memory: 256Gi, example.com/gpu: "8"}}
---
apiVersion: v1
kind: Node
metadata: {name: single}
spec: {taints: [{key: dedicated, effect: NoSchedule}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, n := range nodes {
		names = append(names, n.Name)
	}
	if got := strings.Join(names, " "); got != "rack-a-0 rack-a-1 rack-a-2 single" {
		t.Errorf("the nodes are %s", got)
	}
	gpus := nodes[2].Status.Capacity["example.com/gpu"]
	if nodes[2].Labels[corev1.LabelTopologyZone] != "a" || gpus.Value() != 8 || nodes[2].Annotations[replicas] != "" {
		t.Errorf("the third of them is %+v", nodes[2])
	}
	if len(nodes[3].Spec.Taints) != 1 {
		t.Errorf("the last is %+v", nodes[3])
	}
}

func TestNodeFileThatIsWrong(t *testing.T) {
	const node = "apiVersion: v1\nkind: Node\n"
	for _, test := range []struct{ text, want string }{
		{"", "there is no Node in it"},
		{"apiVersion: v1\nkind: Pod\nmetadata: {name: a}", `document 1: apiVersion "v1", kind "Pod": want v1 and Node`},
		{node + "metadata: {name: a}\n---\n" + node + "metadata: {name: a}", `document 2: metadata.name "a" is there twice`},
		{node + "metadata: {name: A_b}", `metadata.name "A_b"`},
		{node + "metadata: {name: a, lables: {}}", `unknown field "metadata.lables"`},
		{node + `metadata: {generateName: a-, annotations: {podling.dev/replicas: "0"}}`, `metadata.annotations[podling.dev/replicas]: "0"`},
		{node + `metadata: {name: a, annotations: {podling.dev/replicas: "2"}}`, "metadata.generateName is missing"},
		{node + "metadata: {name: a}\nstatus: {capacity: {cpu: -1}}", "status.capacity[cpu]: -1 is negative"},
	} {
		if _, err := readNodes(nodeFile(t, test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v, want …%s…", test.text, err, test.want)
		}
	}
}
