package manifest

import (
	"strconv"
	"strings"

	yaml "go.yaml.in/yaml/v3"
)

// line is the line on which the field that path leads to stands below node. A path that leads on to
// where the file has nothing ends at the last field that is there.
func line(node *yaml.Node, path string) int {
	at := node.Line
	for path != "" {
		key, value, rest := member(resolve(node), path)
		if value == nil {
			return at
		}
		at, node, path = key.Line, value, rest
	}
	return at
}

// resolve is what an alias stands for.
func resolve(node *yaml.Node) *yaml.Node {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	return node
}

// member takes one step along path: the key (or the element itself) and the value that it leads to,
// and what is left of the path. The value is nil if the path leads nowhere.
func member(node *yaml.Node, path string) (key, value *yaml.Node, rest string) {
	path = strings.TrimPrefix(path, ".")
	switch node.Kind {
	case yaml.SequenceNode:
		index, rest, ok := strings.Cut(strings.TrimPrefix(path, "["), "]")
		i, err := strconv.Atoi(index)
		if !ok || err != nil || i < 0 || i >= len(node.Content) {
			return nil, nil, ""
		}
		return node.Content[i], node.Content[i], rest
	case yaml.MappingNode:
		// A key may hold dots itself (a label, an annotation), so that the longest that fits is meant.
		// API errors put such keys into brackets.
		for i := 0; i+1 < len(node.Content); i += 2 {
			k := node.Content[i]
			for _, written := range []string{k.Value, "[" + k.Value + "]"} {
				after, fits := strings.CutPrefix(path, written)
				if fits && (after == "" || after[0] == '.' || after[0] == '[') && (key == nil || len(k.Value) > len(key.Value)) {
					key, value, rest = k, node.Content[i+1], after
				}
			}
		}
	}
	return key, value, rest
}
