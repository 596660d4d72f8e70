package script

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// The header of a profile.
const (
	APIVersion = "podling.dev/v1alpha1"
	Kind       = "SimProfile"
)

// Profile says what pods do that it matches, and what the registries have. Of
// several that match a pod, the first holds.
//
//	apiVersion: podling.dev/v1alpha1
//	kind: SimProfile
//	metadata: {name: slow-workers}
//	spec:
//	  podSelector: {matchLabels: {app: worker}}
//	  script: {start: {took: 20s}}
type Profile struct {
	Name string
	ProfileSpec

	selector labels.Selector
	image    *regexp.Regexp
}

// ProfileSpec is a profile's spec.
type ProfileSpec struct {
	// PodSelector chooses pods by their labels; none is all.
	PodSelector *metav1.LabelSelector `json:"podSelector,omitempty"`
	// Namespaces that the pods are in; none is all.
	Namespaces []string `json:"namespaces,omitempty"`
	// Image of the containers, as the pod names it: a pattern with * and ?; none is all.
	Image string `json:"image,omitempty"`
	// Script of the containers that were chosen.
	Script *PodScript `json:"script,omitempty"`
	// Images are what the pretended registries have, whatever pod asks. Without
	// them every image exists and arrives at once.
	Images []Image `json:"images,omitempty"`
}

// Image is what the registries say when they are asked for an image. At most one
// of Error, NotFound and Unreachable is given.
type Image struct {
	// Image, as it is asked for: a pattern with * and ?. The first that matches holds.
	Image string `json:"image"`
	// Error fails the pull, with these words.
	Error string `json:"error,omitempty"`
	// NotFound: no registry has it.
	NotFound bool `json:"notFound,omitempty"`
	// Unreachable: its registry does not answer.
	Unreachable bool `json:"unreachable,omitempty"`
	// OnNode: every node has it, and need not pull it.
	OnNode bool `json:"onNode,omitempty"`
	// NoCommand: it can be pulled, and names no program to run.
	NoCommand bool `json:"noCommand,omitempty"`
	// Pull is how long it takes.
	Pull Duration `json:"pull,omitempty"`
	// Size of the image.
	Size *resource.Quantity `json:"size,omitempty"`

	pattern *regexp.Regexp
}

// document is a profile as it is written.
type document struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec ProfileSpec `json:"spec"`
}

// ParseProfiles reads a file of profiles, one a document. The error names the
// file, and every field that is wrong with its line.
func ParseProfiles(file string, data []byte) ([]Profile, error) {
	p := &problems{where: file}
	var out []Profile
	d := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var doc yaml.Node
		err := d.Decode(&doc)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, errors.Join(p.err(), fmt.Errorf("%s: %w", file, err))
		}
		root := doc.Content[0]
		if root.Tag == "!!null" {
			continue // nothing between two lines of dashes
		}
		var read document
		p.decode(root, "", reflect.ValueOf(&read).Elem())
		one := Profile{Name: read.Metadata.Name, ProfileSpec: read.Spec}
		if read.APIVersion != APIVersion || read.Kind != Kind {
			p.add(root, "", "want apiVersion %s and kind %s, not %q and %q", APIVersion, Kind, read.APIVersion, read.Kind)
		}
		if one.Name == "" {
			p.add(root, "metadata.name", "is missing")
		}
		if slices.ContainsFunc(out, func(other Profile) bool { return one.Name != "" && other.Name == one.Name }) {
			p.add(root, "metadata.name", "there are two profiles %q", one.Name)
		}
		one.check(p, root)
		out = append(out, one)
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	return out, nil
}

// NewProfile gives a profile made as a Go value, checked.
func NewProfile(name string, spec ProfileSpec) (Profile, error) {
	p := &problems{where: "profile " + name}
	one := Profile{Name: name, ProfileSpec: spec}
	one.check(p, &yaml.Node{})
	return one, p.err()
}

func (one *Profile) check(p *problems, n *yaml.Node) {
	n = &yaml.Node{Line: n.Line}
	one.selector = labels.Everything()
	if one.PodSelector != nil {
		var err error
		if one.selector, err = metav1.LabelSelectorAsSelector(one.PodSelector); err != nil {
			p.add(n, "spec.podSelector", "%v", err)
		}
	}
	one.image = pattern(one.Image)
	if one.Script != nil {
		one.Script.check(p, n, "spec.script")
	}
	for i := range one.Images {
		r := &one.Images[i]
		at := fmt.Sprintf("spec.images[%d]", i)
		r.pattern = pattern(r.Image)
		if r.Image == "" {
			p.add(n, at+".image", "is missing")
		}
		ways := 0
		for _, given := range []bool{r.Error != "", r.NotFound, r.Unreachable} {
			if given {
				ways++
			}
		}
		if ways > 1 {
			p.add(n, at, "error, notFound and unreachable are different failures: give one of them")
		}
		if r.OnNode && ways > 0 {
			p.add(n, at, "an image that is onNode is there: it cannot fail to be pulled")
		}
	}
}

// pattern is an image's pattern as a regular expression; nil matches all.
func pattern(text string) *regexp.Regexp {
	if text == "" {
		return nil
	}
	quoted := regexp.QuoteMeta(text)
	quoted = strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(quoted)
	return regexp.MustCompile(`^` + quoted + `$`)
}

// Matches says whether the profile is for a container of such a pod. names are
// those that its image goes by.
func (one *Profile) Matches(namespace string, podLabels map[string]string, names ...string) bool {
	if one.Script == nil {
		return false
	}
	if len(one.Namespaces) > 0 && !slices.Contains(one.Namespaces, namespace) {
		return false
	}
	return matches(one.image, names) && one.selector.Matches(labels.Set(podLabels))
}

// Matches says whether the rule is for an image with one of the names.
func (i *Image) Matches(names ...string) bool { return matches(i.pattern, names) }

func matches(pattern *regexp.Regexp, names []string) bool {
	return pattern == nil || slices.ContainsFunc(names, pattern.MatchString)
}
