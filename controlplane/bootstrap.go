package controlplane

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/kubernetes"
	"k8s.io/component-helpers/auth/rbac/reconciliation"
	"k8s.io/klog/v2"
	schedulingv1 "k8s.io/kubernetes/pkg/apis/scheduling/v1"
	rbacrest "k8s.io/kubernetes/pkg/registry/rbac/rest"
	schedulingrest "k8s.io/kubernetes/pkg/registry/scheduling/rest"
	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac/bootstrappolicy"
)

const (
	// As long, and as often, as upstream tries.
	bootstrapTimeout  = 30 * time.Second
	bootstrapInterval = time.Second
	// bootstrapWriters write side by side, so that etcd makes one write to the disk of many.
	bootstrapWriters = 16
)

// bootstrap replaces the two post-start hooks that everything waits for: upstream's sleep for a
// second before their first try, and then write some 150 objects one after the other. What they
// write, and when /readyz takes them for done, stays the same.
//
// The set of disabled hooks is the one that the server chain was built with.
//
//lint:ignore SA1019 it is what the API server's options have
func bootstrap(s *server.GenericAPIServer, disabled sets.String) error {
	disabled.Delete(bootstrapHooks...)
	return errors.Join(
		s.AddPostStartHook(rbacrest.PostStartHookName, untilDone(ensureRoles)),
		s.AddPostStartHook(schedulingrest.PostStartHookName, untilDone(ensurePriorityClasses)),
	)
}

// bootstrapHooks are those that bootstrap replaces.
var bootstrapHooks = []string{rbacrest.PostStartHookName, schedulingrest.PostStartHookName}

// untilDone is a hook that tries until it succeeds.
func untilDone(ensure func(context.Context, kubernetes.Interface) error) server.PostStartHookFunc {
	return func(hook server.PostStartHookContext) error {
		client, err := kubernetes.NewForConfig(internal(hook.LoopbackClientConfig))
		if err != nil {
			return err
		}
		err = wait.PollUntilContextTimeout(hook, bootstrapInterval, bootstrapTimeout, true, func(ctx context.Context) (bool, error) {
			err := ensure(ctx, client)
			if err != nil {
				klog.Warningf("Bootstrap is tried again: %v", err)
			}
			return err == nil, nil
		})
		if err != nil && hook.Err() != nil {
			return nil // the server stops: nothing to complain of
		}
		return err
	}
}

// ensureRoles writes the roles and bindings that Kubernetes comes with, or adds what is missing in
// them (as upstream's PolicyData.EnsureRBACPolicy, pkg/registry/rbac/rest).
func ensureRoles(ctx context.Context, client kubernetes.Interface) error {
	rbac, namespaces := client.RbacV1(), client.CoreV1().Namespaces()
	var writes errgroup.Group
	writes.SetLimit(bootstrapWriters)
	role := func(owner reconciliation.RuleOwner, modifier reconciliation.RuleOwnerModifier) {
		writes.Go(func() error {
			options := reconciliation.ReconcileRoleOptions{Role: owner, Client: modifier, Confirm: true}
			if _, err := options.Run(); err != nil {
				return fmt.Errorf("role %s: %w", owner.GetName(), err)
			}
			return nil
		})
	}
	binding := func(owner reconciliation.RoleBinding, modifier reconciliation.RoleBindingModifier) {
		writes.Go(func() error {
			options := reconciliation.ReconcileRoleBindingOptions{RoleBinding: owner, Client: modifier, Confirm: true}
			if _, err := options.Run(); err != nil {
				return fmt.Errorf("role binding %s: %w", owner.GetName(), err)
			}
			return nil
		})
	}
	for _, r := range slices.Concat(bootstrappolicy.ClusterRoles(), bootstrappolicy.ControllerRoles(), joiningClusterRoles()) {
		role(reconciliation.ClusterRoleRuleOwner{ClusterRole: &r}, reconciliation.ClusterRoleModifier{Client: rbac.ClusterRoles()})
	}
	for _, b := range slices.Concat(bootstrappolicy.ClusterRoleBindings(), bootstrappolicy.ControllerRoleBindings(), joiningClusterRoleBindings()) {
		binding(reconciliation.ClusterRoleBindingAdapter{ClusterRoleBinding: &b}, reconciliation.ClusterRoleBindingClientAdapter{Client: rbac.ClusterRoleBindings()})
	}
	for r := range inNamespaces(bootstrappolicy.NamespaceRoles(), joiningRoles()) {
		role(reconciliation.RoleRuleOwner{Role: &r}, reconciliation.RoleModifier{Client: rbac, NamespaceClient: namespaces})
	}
	for b := range inNamespaces(bootstrappolicy.NamespaceRoleBindings(), joiningRoleBindings()) {
		binding(reconciliation.RoleBindingAdapter{RoleBinding: &b}, reconciliation.RoleBindingClientAdapter{Client: rbac, NamespaceClient: namespaces})
	}
	return writes.Wait()
}

// inNamespaces goes through the objects of all namespaces.
func inNamespaces[T rbacv1.Role | rbacv1.RoleBinding](several ...map[string][]T) func(yield func(T) bool) {
	return func(yield func(T) bool) {
		for _, byNamespace := range several {
			for _, objects := range byNamespace {
				for _, o := range objects {
					if !yield(o) {
						return
					}
				}
			}
		}
	}
}

// ensurePriorityClasses writes system-node-critical and system-cluster-critical.
func ensurePriorityClasses(ctx context.Context, client kubernetes.Interface) error {
	classes := client.SchedulingV1().PriorityClasses()
	for _, class := range schedulingv1.SystemPriorityClasses() {
		_, err := classes.Get(ctx, class.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			_, err = classes.Create(ctx, class, metav1.CreateOptions{})
		}
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("priority class %s: %w", class.Name, err)
		}
	}
	return nil
}
