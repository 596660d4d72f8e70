package environment

import (
	"fmt"
	"slices"
	"strings"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"
)

// Expand gives a command or arguments with each $(NAME) replaced by the variable
// of the environment. One that is not there stays as it is written; $$ is one $.
func Expand(words []string, env []*runtimeapi.KeyValue) []string {
	if len(words) == 0 {
		return nil
	}
	mapping := expansion.MappingFuncFor(byName(env))
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = expansion.Expand(w, mapping)
	}
	return out
}

// ExpandPath gives a mount's subPathExpr with each $(NAME) replaced, for which
// each variable must have a value.
func ExpandPath(expression string, env []*runtimeapi.KeyValue) (string, error) {
	values := byName(env)
	var missing []string
	path := expansion.Expand(expression, func(name string) string {
		value := values[name]
		if value == "" {
			missing = append(missing, name)
		}
		return value
	})
	if len(missing) > 0 {
		slices.Sort(missing)
		return "", fmt.Errorf("missing value for %s", strings.Join(slices.Compact(missing), ", "))
	}
	return path, nil
}

func byName(env []*runtimeapi.KeyValue) map[string]string {
	values := make(map[string]string, len(env))
	for _, v := range env {
		values[v.Key] = string(v.Value)
	}
	return values
}
