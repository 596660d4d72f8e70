package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// nearest is the object among others that differs from x in the fewest of its
// fields, or nil where x is no object or there is no other.
func nearest(x any, others []any) any {
	object, ok := x.(map[string]any)
	if !ok {
		return nil
	}
	var best any
	fewest := -1
	for _, other := range others {
		o, ok := other.(map[string]any)
		if !ok {
			continue
		}
		n := 0
		for key := range eitherKeys(object, o) {
			if !reflect.DeepEqual(object[key], o[key]) {
				n++
			}
		}
		if fewest < 0 || n < fewest {
			best, fewest = other, n
		}
	}
	return best
}

// compare names each field in which two values differ, by its path.
func compare(got, reference any) []string { return compareAt("", got, reference) }

func compareAt(path string, got, reference any) []string {
	g, gok := got.(map[string]any)
	r, rok := reference.(map[string]any)
	if !gok || !rok {
		return []string{fmt.Sprintf("%s: %s, the reference has %s", path, show(got), show(reference))}
	}
	var fields []string
	for _, key := range slices.Sorted(maps.Keys(eitherKeys(g, r))) {
		if reflect.DeepEqual(g[key], r[key]) {
			continue
		}
		fields = append(fields, compareAt(strings.TrimPrefix(path+"."+key, "."), g[key], r[key])...)
	}
	return fields
}

// eitherKeys is the keys of a or b.
func eitherKeys(a, b map[string]any) map[string]bool {
	keys := map[string]bool{}
	for k := range a {
		keys[k] = true
	}
	for k := range b {
		keys[k] = true
	}
	return keys
}

func list(fields []string) string { return strings.Join(fields, "; ") }

// show is a value as a person reads it: JSON on one line, "nothing" for none.
func show(v any) string {
	if v == nil {
		return "nothing"
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return fmt.Sprint(v) // not reached by what encoding/json decoded
	}
	return strings.TrimSpace(b.String())
}
