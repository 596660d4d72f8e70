package manifest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Apply makes what the documents describe, and hands each object that it made to made. It only makes
// what is not there: an object that exists is an error, except for a namespace, which is used.
//
// Everything is checked by a dry run of the API server before anything is made. A document whose dry
// run can only succeed once another has been made, such as a pod in a namespace that is among the
// documents, is checked as soon as what others stand on is there. If Apply fails, delete what it
// handed out.
func (c *Client) Apply(ctx context.Context, docs []*Document, made func(*unstructured.Unstructured)) error {
	ranks := ranked(docs)
	waiting := map[*Document]bool{} // for something of a lower rank
	there := map[*Document]bool{}   // namespaces that exist
	if err := c.settle(ctx, docs); err != nil {
		return err
	}
	var errs []error
	for rank, group := range ranks {
		for _, d := range group {
			_, err := c.create(ctx, d, true)
			switch {
			case apierrors.IsAlreadyExists(err) && isNamespace(d):
				there[d] = true
			case err != nil && rank > 0 && c.mayFollow(err, d, ranks[:rank]):
				waiting[d] = true
			case err != nil:
				errs = append(errs, refusal(d, err))
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for rank, group := range ranks {
		if err := c.apply(ctx, group, slices.Concat(ranks[:rank]...), waiting, there, made); err != nil {
			return err
		}
	}
	return nil
}

// apply makes the documents of one rank, once those whose dry run had to wait for lower ones have passed it.
func (c *Client) apply(ctx context.Context, group, lower []*Document, waiting, there map[*Document]bool, made func(*unstructured.Unstructured)) error {
	group = slices.DeleteFunc(slices.Clone(group), func(d *Document) bool { return there[d] })
	late := slices.DeleteFunc(slices.Clone(group), func(d *Document) bool { return !waiting[d] })
	if err := c.settle(ctx, late); err != nil {
		return err
	}
	var errs []error
	for _, d := range late {
		var refused error
		if err := poll(ctx, func() (bool, error) {
			_, refused = c.create(ctx, d, true)
			return !unheard(refused, lower), nil
		}); err != nil {
			return err
		}
		if refused != nil {
			errs = append(errs, refusal(d, refused))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, d := range group {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		object, err := c.make(ctx, d)
		if err != nil {
			return refusal(d, err)
		}
		made(object)
		if isDefinition(d) {
			if err := c.established(ctx, object); err != nil {
				return err
			}
		}
	}
	return nil
}

// make creates the document's object. Once the request is on its way, the answer is waited for even if
// ctx ends: otherwise something could be there that nobody deletes.
func (c *Client) make(ctx context.Context, d *Document) (*unstructured.Unstructured, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	return c.create(ctx, d, false)
}

// ranked sorts documents by what stands on what: namespaces and definitions, then what pods refer to
// and admission looks for, then the rest; within a rank as they were written.
func ranked(docs []*Document) [3][]*Document {
	var ranks [3][]*Document
	for _, d := range docs {
		rank := 2
		switch {
		case isNamespace(d) || isDefinition(d):
			rank = 0
		case slices.Contains([]string{"ServiceAccount", "PriorityClass", "RuntimeClass"}, d.Object.GetKind()):
			rank = 1
		}
		ranks[rank] = append(ranks[rank], d)
	}
	return ranks
}

func isNamespace(d *Document) bool {
	return d.Object.GroupVersionKind().GroupKind() == schema.GroupKind{Kind: "Namespace"}
}

// mayFollow says that a refusal may be due to what is yet to be made: a namespace, a kind, something
// that admission looks for.
func (c *Client) mayFollow(err error, d *Document, lower [][]*Document) bool {
	if meta.IsNoMatchError(err) {
		return defined(slices.Concat(lower...), d.Object.GroupVersionKind())
	}
	return len(slices.Concat(lower...)) > 0 && (apierrors.IsNotFound(err) || apierrors.IsForbidden(err))
}

// unheard says that something is refused for want of a priority class that was made a moment ago: admission
// asks for those an informer that may not have heard of it yet (plugin/pkg/admission/priority).
func unheard(refused error, made []*Document) bool {
	return apierrors.IsForbidden(refused) && slices.ContainsFunc(made, func(d *Document) bool {
		return d.Object.GetKind() == "PriorityClass" && strings.Contains(refused.Error(), "PriorityClass with name "+d.Object.GetName()+" ")
	})
}

// settle waits until admission lets pods into the namespaces of docs that exist: a namespace gets its
// service account, without which no pod is made in it, from a controller a moment after it was made.
func (c *Client) settle(ctx context.Context, docs []*Document) error {
	made := map[string]bool{}
	for _, d := range docs {
		if isNamespace(d) {
			made[d.Object.GetName()] = true
		}
	}
	for _, namespace := range c.Namespaces(docs) {
		if made[namespace] {
			continue
		}
		if err := c.serviceAccount(ctx, namespace); err != nil {
			return fmt.Errorf("namespace %s: %w", namespace, err)
		}
	}
	return nil
}

// Namespaces are those that documents go to, each once.
func (c *Client) Namespaces(docs []*Document) []string {
	var all []string
	for _, d := range docs {
		gvk := d.Object.GroupVersionKind()
		mapping, err := c.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
		if err == nil && mapping.Scope.Name() == meta.RESTScopeNameRoot {
			continue
		}
		if namespace := c.NamespaceOf(d); !slices.Contains(all, namespace) {
			all = append(all, namespace)
		}
	}
	return all
}

// serviceAccount waits for a namespace's default service account. A cluster that has none in time, or
// does not let us look, is asked what it says to pods.
func (c *Client) serviceAccount(ctx context.Context, namespace string) error {
	return poll(ctx, func() (bool, error) {
		account, err := c.Get(ctx, schema.GroupVersionKind{Version: "v1", Kind: "ServiceAccount"}, namespace, "default")
		if account != nil || apierrors.IsForbidden(err) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		// The API server itself makes this one, a moment after it has started.
		if namespace == metav1.NamespaceDefault {
			return false, nil
		}
		there, err := c.Get(ctx, schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}, "", namespace)
		return there == nil, err
	})
}

// established waits until the API server serves each version of the kind that a definition defines,
// and says so: its discovery follows the condition Established a moment later.
func (c *Client) established(ctx context.Context, definition *unstructured.Unstructured) error {
	kind, versions := definedKind(definition), servedVersions(definition)
	return poll(ctx, func() (bool, error) {
		now, err := c.Get(ctx, definition.GroupVersionKind(), "", definition.GetName())
		if err != nil || now == nil {
			return false, err
		}
		status, _ := now.Object["status"].(map[string]any) // there is none yet in the first moments
		conditions, _ := status["conditions"].([]any)
		if !slices.ContainsFunc(conditions, func(condition any) bool {
			c, ok := condition.(map[string]any)
			return ok && c["type"] == "Established" && c["status"] == "True"
		}) {
			return false, nil
		}
		c.mapper.Reset()
		for _, version := range versions {
			if _, err := c.mapper.RESTMapping(kind, version); meta.IsNoMatchError(err) {
				return false, nil
			} else if err != nil {
				return false, err
			}
		}
		return true, nil
	})
}

// servedVersions are those in which a definition lets the API server serve its kind.
func servedVersions(definition *unstructured.Unstructured) []string {
	spec, _ := definition.Object["spec"].(map[string]any)
	versions, _ := spec["versions"].([]any)
	var names []string
	for _, v := range versions {
		if version, ok := v.(map[string]any); ok && version["served"] == true {
			name, _ := version["name"].(string)
			names = append(names, name)
		}
	}
	return names
}

// refusal is what the API server said about a document, at the lines that it is about.
func refusal(d *Document, err error) error {
	if meta.IsNoMatchError(err) {
		return d.unknownKind()
	}
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok {
		return d.errorf("", "%s: %w", d, err)
	}
	details := status.ErrStatus.Details
	switch {
	case apierrors.IsAlreadyExists(err):
		return d.errorf("metadata.name", "%s exists already, and what is there is not changed: delete it first, or use another name or namespace", d)
	case apierrors.IsNotFound(err) && details != nil && details.Kind == "namespaces":
		return d.errorf("metadata.namespace", "namespace %q does not exist: create it first, or describe it in the files", details.Name)
	case apierrors.IsBadRequest(err):
		if unknown := d.fields(status.ErrStatus.Message); unknown != nil {
			return unknown
		}
	case apierrors.IsInvalid(err) && details != nil && len(details.Causes) > 0:
		var errs []error
		for _, cause := range details.Causes {
			errs = append(errs, d.errorf(cause.Field, "%s: %s: %s", d, cause.Field, cause.Message))
		}
		return errors.Join(errs...)
	}
	return d.errorf("", "%s is refused: %s", d, status.ErrStatus.Message)
}
