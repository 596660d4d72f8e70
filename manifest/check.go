package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	strict "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/client-go/kubernetes/scheme"
)

// Check finds, without a cluster, kinds and fields that a cluster of this version does not know and
// values of the wrong type. It is for a cluster that is yet to be started: one that runs, and may
// be of another version, is asked itself, by Apply.
func Check(docs []*Document) error {
	var errs []error
	for _, d := range docs {
		gvk := d.Object.GroupVersionKind()
		switch {
		case scheme.Scheme.Recognizes(gvk):
			errs = append(errs, d.decode())
		case gvk.Group == "apiextensions.k8s.io" || gvk.Group == "apiregistration.k8s.io" || defined(docs, gvk):
			// Kinds that the API server checks: they are not in the scheme.
		default:
			errs = append(errs, d.unknownKind())
		}
	}
	return errors.Join(errs...)
}

// defined says that a custom resource definition among docs makes the kind.
func defined(docs []*Document, gvk schema.GroupVersionKind) bool {
	return slices.ContainsFunc(docs, func(d *Document) bool {
		return isDefinition(d) && definedKind(d.Object) == gvk.GroupKind()
	})
}

// definedKind is the kind that a definition defines.
func definedKind(definition *unstructured.Unstructured) schema.GroupKind {
	spec, _ := definition.Object["spec"].(map[string]any)
	names, _ := spec["names"].(map[string]any)
	group, _ := spec["group"].(string)
	kind, _ := names["kind"].(string)
	return schema.GroupKind{Group: group, Kind: kind}
}

func isDefinition(d *Document) bool {
	return d.Object.GroupVersionKind().GroupKind() == schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}
}

// unknownKind says that there is no such kind, and which was meant if that is plain.
func (d *Document) unknownKind() error {
	gvk := d.Object.GroupVersionKind()
	var meant []string
	for known := range scheme.Scheme.AllKnownTypes() {
		versions := scheme.Scheme.VersionsForGroupKind(known.GroupKind())
		// extensions is long gone, and only known for converting what is old.
		if strings.EqualFold(known.Kind, gvk.Kind) && known.Group != "extensions" && versions[0] == known.GroupVersion() {
			meant = append(meant, fmt.Sprintf("%s is in %q", known.Kind, known.GroupVersion()))
		}
	}
	if len(meant) == 0 {
		meant = []string{"`podling kubectl api-resources` lists the kinds that there are"}
	}
	slices.Sort(meant)
	return d.errorf("kind", "no kind %q in %q: %s", gvk.Kind, gvk.GroupVersion(), strings.Join(slices.Compact(meant), ", "))
}

// decode reads the document into its Go type, refusing fields that the type does not have.
func (d *Document) decode() error {
	_, err := decode(d.Object.Object)
	if err == nil {
		return nil
	}
	if strictError, ok := runtime.AsStrictDecodingError(err); ok {
		return d.fields(strictError.Error())
	}
	path := culprit(d.Object.Object, err)
	return d.errorf(path, "%s: %s", path, inWords(err))
}

func decode(object map[string]any) (runtime.Object, error) {
	text, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	decoder := strict.NewSerializerWithOptions(strict.DefaultMetaFactory, scheme.Scheme, scheme.Scheme, strict.SerializerOptions{Strict: true})
	decoded, _, err := decoder.Decode(text, nil, nil)
	return decoded, err
}

var field = regexp.MustCompile(`(unknown|duplicate) field "((?:[^"\\]|\\.)*)"`)

// fields makes an error out of each field that strict decoding, here or in an API server, named; nil
// if it named none.
func (d *Document) fields(said string) error {
	var errs []error
	for _, m := range field.FindAllStringSubmatch(said, -1) {
		errs = append(errs, d.errorf(m[2], "%s field %q", m[1], m[2]))
	}
	return errors.Join(errs...)
}

// culprit is the path of the deepest value without which decoding does not fail with err any more:
// decoders do not say which element of a list they could not read, and some not even which field.
func culprit(object map[string]any, err error) string {
	var search func(path string, value any, set func(any)) string
	search = func(path string, value any, set func(any)) string {
		set(nil)
		_, without := decode(object)
		set(value)
		if without != nil && without.Error() == err.Error() {
			return ""
		}
		switch v := value.(type) {
		case map[string]any:
			for k, e := range v {
				if found := search(path+"."+k, e, func(e any) { v[k] = e }); found != "" {
					return found
				}
			}
		case []any:
			for i, e := range v {
				if found := search(fmt.Sprintf("%s[%d]", path, i), e, func(e any) { v[i] = e }); found != "" {
					return found
				}
			}
		}
		return path
	}
	for _, k := range sections(object) {
		if found := search(k, object[k], func(e any) { object[k] = e }); found != "" {
			return found
		}
	}
	return ""
}

// sections are the fields of an object apart from those that say what it is.
func sections(object map[string]any) []string {
	var out []string
	for k := range object {
		if k != "apiVersion" && k != "kind" {
			out = append(out, k)
		}
	}
	return out
}

// inWords is what a decoder said, without Go's names for things.
func inWords(err error) string {
	e, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return err.Error()
	}
	wanted := e.Type.String()
	switch e.Type.Kind() {
	case reflect.Slice, reflect.Array:
		wanted = "a list"
	case reflect.Map, reflect.Struct:
		wanted = "a map of fields"
	case reflect.String:
		wanted = "a string"
	case reflect.Bool:
		wanted = "true or false"
	case reflect.Int, reflect.Int32, reflect.Int64:
		wanted = "a whole number"
	}
	got := map[string]string{"object": "a map of fields", "array": "a list", "bool": "true or false", "string": "a string", "number": "a number"}[e.Value]
	if got == "" {
		got = e.Value
	}
	return fmt.Sprintf("%s is wanted here, not %s", wanted, got)
}
