package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"
)

// detail are the fields of a container's status that are compared apart from its
// state: "to the last detail".
var detail = []string{"resources", "allocatedResources", "user", "stopSignal", "image"}

// extrasOf takes the detail of each container's status from a pod status as it came
// over the wire, each as one line of JSON.
func extrasOf(status []byte) (map[string]string, error) {
	var lists struct {
		Init []map[string]any `json:"initContainerStatuses"`
		Main []map[string]any `json:"containerStatuses"`
	}
	decoder := json.NewDecoder(bytes.NewReader(status))
	decoder.UseNumber() // a user id must not come out as 1e+06
	if err := decoder.Decode(&lists); err != nil {
		return nil, fmt.Errorf("container statuses: %w", err)
	}
	extras := map[string]string{}
	for _, c := range slices.Concat(lists.Init, lists.Main) {
		kept := map[string]any{"volumeMounts": mountPaths(c["volumeMounts"])}
		for _, f := range detail {
			if v := c[f]; !isEmpty(v) {
				kept[f] = v
			}
		}
		line, err := oneLine(kept)
		if err != nil {
			return nil, fmt.Errorf("container %v: %w", c["name"], err)
		}
		extras[fmt.Sprint(c["name"])] = line
	}
	return extras, nil
}

func isEmpty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case map[string]any:
		return len(v) == 0
	}
	return false
}

func mountPaths(mounts any) []string {
	paths := []string{}
	list, _ := mounts.([]any) // absent in most statuses
	for _, m := range list {
		if m, ok := m.(map[string]any); ok {
			paths = append(paths, fmt.Sprint(m["mountPath"]))
		}
	}
	slices.Sort(paths)
	return paths
}

// oneLine is v as JSON with sorted keys, a space after each comma and colon, and
// nothing beyond ASCII: the recordings compare these lines as text.
func oneLine(v any) (string, error) {
	var compact bytes.Buffer
	encoder := json.NewEncoder(&compact)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return "", err
	}
	var out strings.Builder
	quoted, escaped := false, false
	for _, r := range strings.TrimSuffix(compact.String(), "\n") {
		switch {
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		case r > 0x7e:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			out.WriteRune(r)
		}
		if !quoted && (r == ',' || r == ':') {
			out.WriteByte(' ')
		}
		if r == '"' && !escaped {
			quoted = !quoted
		}
		escaped = r == '\\' && !escaped
	}
	return out.String(), nil
}
