package explain

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What the API server says when it refuses a pod, in upstream's words.
func TestRefusals(t *testing.T) {
	for _, test := range []struct{ said, cause, root string }{
		{`Error creating: pods "web-x" is forbidden: exceeded quota: small, requested: pods=1, used: pods=1, limited: pods=1`, CauseQuota, "ResourceQuota small is used up"},
		{`Error creating: pods "web-x" is forbidden: failed quota: cpu: must specify limits.cpu for: main`, CauseQuotaRequires, "say limits.cpu for container main"},
		{`Error creating: pods "web-x" is forbidden: violates PodSecurity "restricted:latest": privileged (container "main" must not set securityContext.privileged=true)`, CausePodSecurity, `"restricted:latest"`},
		{`Error creating: pods "web-" is forbidden: error looking up service account shop/bot: serviceaccount "bot" not found`, CauseServiceAccount, "ServiceAccount bot does not exist"},
		{`Error creating: admission webhook "policy.example.com" denied the request: no latest tag`, CauseWebhook, "policy.example.com refuses it: no latest tag"},
		{`Error creating: Internal error occurred: failed calling webhook "w.example.com": failed to call webhook: Post "https://w": dial tcp: connect: connection refused`, CauseWebhook, "w.example.com does not answer"},
		{`Error creating: pods "web-x" is forbidden: ValidatingAdmissionPolicy 'no-root' with binding 'all' denied request: run as somebody`, CausePolicy, "no-root refuses it: run as somebody"},
		{`Error creating: Pod "web-x" is invalid: spec.containers[0].image: Required value`, CauseInvalidPod, "spec.containers[0].image"},
		{`Error creating: pods "web-x" is forbidden: unable to create new content in namespace shop because it is being terminated`, CauseNamespace, "namespace is being deleted"},
		{`Error creating: something else`, CauseUnclear, "I cannot tell"},
	} {
		f := refused("shop", test.said)
		if f.cause != test.cause || !strings.Contains(f.root, test.root) {
			t.Errorf("%s\ngives %s: %s", test.said, f.cause, f.root)
		}
	}
}

// A Deployment has its pods' trouble, if it could make them; and is healthy with all of them ready.
func TestDeployments(t *testing.T) {
	n := int32(2)
	d := func(change func(*Controller)) Explanation {
		c := Controller{Now: noon, Deployment: &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "default"}, Spec: appsv1.DeploymentSpec{Replicas: &n},
			Status: appsv1.DeploymentStatus{Replicas: 2, UpdatedReplicas: 2}}}
		change(&c)
		return Of(c)
	}
	for _, test := range []struct {
		change  func(*Controller)
		cause   string
		health  Health
		verdict string
	}{
		{func(c *Controller) { c.Deployment.Status.ReadyReplicas = 2 }, CauseNone, Healthy, "healthy: 2 of 2"},
		{func(c *Controller) { *c.Deployment.Spec.Replicas = 0 }, CauseScaledToZero, Healthy, "spec.replicas is 0"},
		{func(c *Controller) {
			*c.Deployment.Spec.Replicas = 2
			c.Pods = []Explanation{{Name: "a", Health: Starting, Cause: CausePulling, Verdict: "Pod a is being started."}, {Name: "b", Health: Unhealthy, Cause: CauseExit, Verdict: "Pod b crashes: because."}}
		}, CauseExit, Unhealthy, "has 0 of 2 pods ready: pod b crashes: because."},
		{func(c *Controller) {
			c.Events = []v1.Event{{Reason: "SuccessfulCreate", LastTimestamp: metav1.NewTime(noon.Add(-time.Minute))}, {Reason: "FailedCreate", Message: "is forbidden: exceeded quota: q, requested: a, used: b, limited: c", LastTimestamp: metav1.NewTime(noon)}}
		}, CauseQuota, Unhealthy, "ResourceQuota q"},
		{func(c *Controller) { c.Deployment.Generation = 2 }, CauseUnclear, Starting, "controller"},
	} {
		if e := d(test.change); e.Cause != test.cause || e.Health != test.health || !strings.Contains(e.Verdict, test.verdict) {
			t.Errorf("%s, %s: %s; want %s, %s: %s", e.Cause, e.Health, e.Verdict, test.cause, test.health, test.verdict)
		}
	}
}
