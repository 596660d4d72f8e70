package fault

import (
	"context"

	v1 "k8s.io/api/core/v1"
)

// target is for whom a call is made.
type target struct {
	pod              *v1.Pod
	container, image string
	node             string
}

type targetKey struct{}

// For says that what is called with the context is called for that pod and, if
// it is for one of its containers, for that container and the image that the spec
// gives it.
func For(ctx context.Context, pod *v1.Pod, container, image string) context.Context {
	return context.WithValue(ctx, targetKey{}, target{pod, container, image, pod.Spec.NodeName})
}

func targetOf(ctx context.Context) target {
	t, _ := ctx.Value(targetKey{}).(target)
	return t
}

// Container is the name of the container that a call is made for; "" if it is for none.
func Container(ctx context.Context) string { return targetOf(ctx).container }
