package trace

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// What Compare lists in words of its own, or what goes with every write and says nothing.
var (
	metadataElsewhere = []string{"resourceVersion", "managedFields", "generation", "deletionTimestamp",
		"deletionGracePeriodSeconds", "finalizers"}
	statusElsewhere = []string{"phase", "reason", "message", "conditions", "initContainerStatuses", "containerStatuses",
		"ephemeralContainerStatuses", "hostIP", "hostIPs", "podIP", "podIPs", "startTime", "qosClass",
		"nominatedNodeName", "observedGeneration"}
)

// rest adds every other difference between two states of a pod, field by field, so that no change is
// hidden because nobody thought of it.
func (c *changes) rest(was, is *v1.Pod, known bool) {
	before, now := tree(was), tree(is)
	c.differences("", before["status"], now["status"])
	if known {
		c.differences("", before["metadata"], now["metadata"])
		c.differences("spec", before["spec"], now["spec"])
	}
}

// tree is a pod as plain maps and lists, without what is listed elsewhere.
func tree(pod *v1.Pod) map[string]any {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(pod)
	if err != nil {
		panic(fmt.Sprintf("a pod that the API machinery cannot convert: %v", err)) // its types are fixed
	}
	drop := func(section string, fields ...string) {
		if m, ok := content[section].(map[string]any); ok {
			for _, f := range fields {
				delete(m, f)
			}
		}
	}
	drop("metadata", metadataElsewhere...)
	drop("spec", "nodeName")
	drop("status", statusElsewhere...)
	return content
}

// differences adds what differs between two values found at the same path. What is new or gone as a
// whole is one change.
func (c *changes) differences(path string, was, is any) {
	before, now := members(was), members(is)
	if path != "" && (before == nil || now == nil) {
		c.add(Change{Part: Whole, Field: path, Was: plain(was), Is: plain(is)})
		return
	}
	all := maps.Clone(before)
	if all == nil {
		all = map[string]any{}
	}
	maps.Copy(all, now)
	for _, k := range slices.Sorted(maps.Keys(all)) {
		c.differences(step(path, k), before[k], now[k])
	}
}

// members are the fields of a map or the elements of a list; nil if v is neither. An element is called
// by its name where each has one of its own, and by its index otherwise.
func members(v any) map[string]any {
	list, ok := v.([]any)
	if !ok {
		m, _ := v.(map[string]any)
		return m
	}
	byName, byIndex := map[string]any{}, map[string]any{}
	for i, e := range list {
		byIndex[fmt.Sprintf("[%d]", i)] = e
		if m, ok := e.(map[string]any); ok && m["name"] != nil {
			byName[fmt.Sprintf("[%v]", m["name"])] = e
		}
	}
	if len(byName) == len(list) {
		return byName
	}
	return byIndex
}

var identifier = regexp.MustCompile(`^[A-Za-z0-9_]+$`)

// step is the path to a member of what path leads to.
func step(path, member string) string {
	switch {
	case path == "":
		return member
	case member[:1] == "[":
		return path + member
	case identifier.MatchString(member):
		return path + "." + member
	default:
		return path + "[" + member + "]"
	}
}

// plain is a value in one line; "" if there is nothing in it.
func plain(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	if m := members(v); m != nil && len(m) == 0 {
		return ""
	}
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("a value that came as JSON and cannot be written as JSON: %v", err))
	}
	return string(text)
}
