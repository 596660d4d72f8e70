package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	yaml "go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json" // whole numbers stay whole, however large
	kyaml "sigs.k8s.io/yaml"
)

// Read reads all documents of all files, - being stdin, and checks what can be checked without a
// cluster that knows the kinds. The error holds everything that is wrong, an *Error each.
func Read(files []string, stdin io.Reader) ([]*Document, error) {
	var docs []*Document
	var errs []error
	for _, file := range files {
		name, content, err := load(file, stdin)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		found, err := parse(name, content)
		if err == nil && len(found) == 0 {
			err = &Error{File: name, Err: errors.New("is empty: there is nothing to apply")}
		}
		errs = append(errs, err)
		docs = append(docs, found...)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return docs, nil
}

func load(file string, stdin io.Reader) (name string, content []byte, err error) {
	if file == "-" {
		content, err = io.ReadAll(stdin)
		return "standard input", content, err
	}
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		return "", nil, &Error{File: file, Err: fmt.Errorf("is a folder: name its files, for example %s", filepath.Join(file, "*.yaml"))}
	}
	content, err = os.ReadFile(file)
	if pathError, ok := errors.AsType[*os.PathError](err); ok {
		return "", nil, &Error{File: file, Err: fmt.Errorf("cannot be read: %w", pathError.Err)}
	}
	return file, content, err
}

var separator = regexp.MustCompile(`(?m)^---([ \t\r].*)?$`)

// parse reads the documents of one file. The YAML is read twice: once as Kubernetes does, for the
// values (YAML 1.1: on is a boolean), and once for the lines.
func parse(file string, content []byte) ([]*Document, error) {
	var docs []*Document
	var errs []error
	starts := separator.FindAllIndex(content, -1)
	starts = append(starts, []int{len(content), len(content)})
	begin := 0
	for _, next := range starts {
		// Empty lines take the place of what came before, so that lines count from the file's beginning.
		text := append(bytes.Repeat([]byte("\n"), bytes.Count(content[:begin], []byte("\n"))), content[begin:next[0]]...)
		if begin == 0 {
			text = content[:next[0]]
		}
		begin = min(next[0]+len("---"), len(content))
		found, err := document(file, text)
		errs = append(errs, err)
		docs = append(docs, found...)
	}
	return docs, errors.Join(errs...)
}

var strictLine = regexp.MustCompile(`line (\d+): (.*)`)

// document reads one document, which is several objects if it is a list of them.
func document(file string, text []byte) ([]*Document, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, notYAML(file, text, err)
	}
	if len(root.Content) == 0 || root.Content[0].Tag == "!!null" {
		return nil, nil
	}
	node := resolve(root.Content[0])
	if node.Kind != yaml.MappingNode {
		return nil, &Error{File: file, Line: node.Line, Err: errors.New("not a manifest: fields such as apiVersion, kind and metadata are expected")}
	}
	values, err := kyaml.YAMLToJSONStrict(text)
	if err != nil {
		if m := strictLine.FindStringSubmatch(err.Error()); m != nil {
			n, _ := strconv.Atoi(m[1]) // digits, as the pattern says
			return nil, &Error{File: file, Line: n, Err: errors.New(m[2])}
		}
		return nil, &Error{File: file, Line: node.Line, Err: err}
	}
	var object map[string]any
	if err := json.Unmarshal(values, &object); err != nil {
		return nil, &Error{File: file, Line: node.Line, Err: err}
	}
	return objects(&Document{File: file, Object: &unstructured.Unstructured{Object: object}, node: node})
}

// objects checks that a document is an object, and takes a list apart.
func objects(d *Document) ([]*Document, error) {
	var errs []error
	for _, field := range []string{"apiVersion", "kind"} {
		switch value := d.Object.Object[field].(type) {
		case nil:
			errs = append(errs, d.errorf(field, "%s is missing", field))
		case string:
			if value == "" {
				errs = append(errs, d.errorf(field, "%s is empty", field))
			}
		default:
			errs = append(errs, d.errorf(field, "%s is not a string", field))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if items, ok := d.Object.Object["items"].([]any); ok && strings.HasSuffix(d.Object.GetKind(), "List") {
		return list(d, items)
	}
	metadata, ok := d.Object.Object["metadata"].(map[string]any)
	if !ok || metadata["name"] == nil && metadata["generateName"] == nil {
		return nil, d.errorf("metadata", "metadata.name is missing")
	}
	if name, given := metadata["name"]; given {
		if _, ok := name.(string); !ok {
			return nil, d.errorf("metadata.name", "metadata.name is not a string: put %v into quotes", name)
		}
	}
	return []*Document{d}, nil
}

// list is the objects of a list.
func list(d *Document, items []any) ([]*Document, error) {
	var docs []*Document
	var errs []error
	for i, item := range items {
		path := fmt.Sprintf("items[%d]", i)
		object, ok := item.(map[string]any)
		if !ok {
			errs = append(errs, d.errorf(path, "%s is not an object", path))
			continue
		}
		_, values, _ := member(d.node, "items")
		_, node, _ := member(resolve(values), fmt.Sprintf("[%d]", i))
		found, err := objects(&Document{File: d.File, Object: &unstructured.Unstructured{Object: object}, node: resolve(node)})
		errs = append(errs, err)
		docs = append(docs, found...)
	}
	return docs, errors.Join(errs...)
}
