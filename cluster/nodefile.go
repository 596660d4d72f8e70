package cluster

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// replicas is the annotation by which one manifest stands for many nodes, each named by its
// generateName and a number.
const replicas = "podling.dev/replicas"

// readNodes reads a file of Nodes: YAML documents of kind Node, of which the names, labels,
// annotations, spec.taints and status.capacity count.
func readNodes(file string) ([]*corev1.Node, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--node-file: %w", err)
	}
	var out []*corev1.Node
	var errs []error
	names := map[string]bool{}
	for i, text := range strings.Split("\n"+string(data), "\n---") {
		if strings.TrimSpace(text) == "" {
			continue
		}
		nodes, err := parseNode([]byte(text))
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: document %d: %w", file, i+1, err))
		}
		for _, n := range nodes {
			if names[n.Name] {
				errs = append(errs, fmt.Errorf("%s: document %d: metadata.name %q is there twice", file, i+1, n.Name))
			}
			names[n.Name] = true
		}
		out = append(out, nodes...)
	}
	switch {
	case len(errs) > 0:
		return nil, errors.Join(errs...)
	case len(out) == 0:
		return nil, fmt.Errorf("%s: there is no Node in it", file)
	case len(out) > maxNodes:
		return nil, fmt.Errorf("%s: %d nodes: there can be at most %d in one process", file, len(out), maxNodes)
	}
	return out, nil
}

// parseNode reads one document, which may stand for many nodes.
func parseNode(text []byte) ([]*corev1.Node, error) {
	node := &corev1.Node{}
	data, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return nil, err
	}
	unknown, err := json.UnmarshalStrict(data, node)
	if err := errors.Join(append(unknown, err)...); err != nil {
		return nil, err
	}
	if node.Kind != "Node" || node.APIVersion != "v1" {
		return nil, fmt.Errorf("apiVersion %q, kind %q: want v1 and Node", node.APIVersion, node.Kind)
	}
	for name, quantity := range node.Status.Capacity {
		if quantity.Sign() < 0 {
			return nil, fmt.Errorf("status.capacity[%s]: %s is negative", name, quantity.String())
		}
	}
	n, many := 1, node.Annotations[replicas]
	if many != "" {
		var err error
		if n, err = strconv.Atoi(many); err != nil || n < 1 || n > maxNodes {
			return nil, fmt.Errorf("metadata.annotations[%s]: %q: want a number from 1 to %d", replicas, many, maxNodes)
		}
		if node.GenerateName == "" {
			return nil, fmt.Errorf("metadata.generateName is missing: the names of %d nodes begin with it", n)
		}
	}
	delete(node.Annotations, replicas)
	name := node.Name
	if many != "" {
		name = node.GenerateName + "0"
	}
	if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 {
		return nil, fmt.Errorf("metadata.name %q: %s", name, strings.Join(problems, "; "))
	}
	if many != "" {
		return numbered(node, node.GenerateName, n), nil
	}
	return []*corev1.Node{node}, nil
}
