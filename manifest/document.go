package manifest

import (
	"fmt"

	yaml "go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Document is one object of a manifest.
type Document struct {
	File   string // as it was named; "standard input" for -
	Object *unstructured.Unstructured

	node *yaml.Node // the object in the file, for its lines
}

// errorf is an error at the field that a path such as spec.containers[0].image leads to, or at the
// nearest field above it that is in the file.
func (d *Document) errorf(path, format string, args ...any) error {
	return &Error{File: d.File, Line: line(d.node, path), Err: fmt.Errorf(format, args...)}
}

// String is the document's kind and name.
func (d *Document) String() string {
	name := d.Object.GetName()
	if name == "" {
		name = d.Object.GetGenerateName() + "…"
	}
	if namespace := d.Object.GetNamespace(); namespace != "" {
		name = namespace + "/" + name
	}
	return d.Object.GetKind() + " " + name
}

// Error is something wrong with a manifest.
type Error struct {
	File string
	Line int // from 1 on; 0 if it is about the whole file
	Err  error
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %v", e.File, e.Err)
	}
	return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }
