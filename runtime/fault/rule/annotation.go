package rule

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	v1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// Annotation of a pod holds rules for the calls made for it, as a YAML list:
//
//	podling.dev/faults: |
//	  - call: ImageStatus
//	    error: the image store is damaged
const Annotation = "podling.dev/faults"

// InvalidFaults is the Event of a pod whose annotation cannot be read.
const InvalidFaults = "InvalidFaults"

// OfPod are the rules of the pod's annotation. The error names the rule by its
// place in the list, and the field; then none of them is in force.
func OfPod(pod *v1.Pod) ([]Rule, error) {
	text := pod.Annotations[Annotation]
	if text == "" {
		return nil, nil
	}
	var items []json.RawMessage
	if err := yaml.Unmarshal([]byte(text), &items); err != nil {
		return nil, fmt.Errorf("annotation %s is no YAML list of faults: %w", Annotation, err)
	}
	var rules []Rule
	var errs []error
	for i, item := range items {
		r, err := Parse(item)
		if err == nil && !r.Call.ForPod() {
			err = fmt.Errorf("call %s is not made for a pod: set it for the node with `podling fault add`", r.Call)
		}
		if err == nil && r.Pod+r.Selector != "" {
			err = fmt.Errorf("pod %q, selector %q: an annotation is about its own pod alone", r.Pod, r.Selector)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("annotation %s, fault %d: %w", Annotation, i+1, err))
			continue
		}
		if r.Name == "" {
			r.Name = fmt.Sprintf("%s-%d", r.Call, i+1)
		}
		rules = append(rules, r)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return rules, nil
}

// Parse reads one rule, in YAML or JSON; fields that do not exist are an error.
func Parse(text []byte) (Rule, error) {
	var r Rule
	if err := yaml.UnmarshalStrict(text, &r); err != nil {
		words := err.Error()
		for _, before := range []string{"error unmarshaling JSON: ", "while decoding JSON: ", "json: "} {
			words = strings.TrimPrefix(words, before)
		}
		return Rule{}, errors.New(words)
	}
	return r, r.Check()
}
