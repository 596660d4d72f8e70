package explain

import (
	"fmt"
	"regexp"
	"strings"
)

// refusal explains why the API server did not let a pod be made; what it says stands in a controller's
// Event FailedCreate, or in its condition.
var refusals = []struct {
	find  *regexp.Regexp
	cause string
	root  func(m []string) string
	fix   string
	ask   string // a command
}{
	{regexp.MustCompile(`exceeded quota: ([^,]+), requested: (.*), used: (.*), limited: (.*)`), CauseQuota,
		func(m []string) string {
			return fmt.Sprintf("ResourceQuota %s is used up: a pod asks for %s, %s are used, and %s is the limit", m[1], m[2], m[3], m[4])
		}, "raise the quota, ask for less, or end other pods", "describe resourcequota"},
	{regexp.MustCompile(`failed quota: ([^:]+): must specify (.*)`), CauseQuotaRequires,
		func(m []string) string {
			return fmt.Sprintf("ResourceQuota %s wants every pod to say %s, and this one does not", m[1], strings.ReplaceAll(m[2], " for: ", " for container "))
		}, "add these resources to the template, or a LimitRange that sets defaults", "describe resourcequota"},
	{regexp.MustCompile(`((?:maximum|minimum) \S+ usage per \S+ is .*|\S+ max limit to request ratio per .*)`), CauseLimitRange,
		func(m []string) string { return "a LimitRange of the namespace does not allow it: " + m[1] }, "keep to the range in the template's resources, or change the LimitRange", "describe limitrange"},
	{regexp.MustCompile(`violates PodSecurity "([^"]+)": (.*)`), CausePodSecurity,
		func(m []string) string {
			return fmt.Sprintf("the namespace enforces Pod Security \"%s\", which the pod violates: %s", m[1], m[2])
		}, "correct securityContext of the template, or the namespace's label pod-security.kubernetes.io/enforce", "get namespace --show-labels"},
	{regexp.MustCompile(`(?:error looking up service account [^:]*: )?serviceaccount "([^"]+)" not found`), CauseServiceAccount,
		func(m []string) string { return "its ServiceAccount " + m[1] + " does not exist" }, "make the ServiceAccount, or correct serviceAccountName in the template", "get serviceaccount"},
	{regexp.MustCompile(`no PriorityClass with name (\S+) was found`), CausePriorityClass,
		func(m []string) string { return "its PriorityClass " + m[1] + " does not exist" }, "make the PriorityClass, or correct priorityClassName in the template", "get priorityclass"},
	{regexp.MustCompile(`RuntimeClass "?([^" ]+)"? not found`), CauseRuntimeClass,
		func(m []string) string { return "its RuntimeClass " + m[1] + " does not exist" }, "make the RuntimeClass, or correct runtimeClassName in the template", "get runtimeclass"},
	{regexp.MustCompile(`admission webhook "([^"]+)" denied the request(?:: (.*))?`), CauseWebhook,
		func(m []string) string { return fmt.Sprintf("the admission webhook %s refuses it: %s", m[1], m[2]) }, "do what the webhook asks for, or look at who runs it", "get validatingwebhookconfigurations,mutatingwebhookconfigurations"},
	{regexp.MustCompile(`failed calling webhook "([^"]+)": (.*)`), CauseWebhook,
		func(m []string) string {
			return fmt.Sprintf("the admission webhook %s does not answer: %s", m[1], m[2])
		}, "does the webhook's own pod run?", "get validatingwebhookconfigurations,mutatingwebhookconfigurations"},
	{regexp.MustCompile(`ValidatingAdmissionPolicy '([^']+)' with binding '([^']+)' denied request: (.*)`), CausePolicy,
		func(m []string) string {
			return fmt.Sprintf("the ValidatingAdmissionPolicy %s refuses it: %s", m[1], m[3])
		}, "do what the policy asks for, or change it", "get validatingadmissionpolicies"},
	{regexp.MustCompile(`because it is being terminated`), CauseNamespace,
		func([]string) string { return "its namespace is being deleted" }, "nothing can be made in a namespace that is being deleted", "get namespace"},
	{regexp.MustCompile(` is invalid: (.*)`), CauseInvalidPod,
		func(m []string) string { return "a pod of its template is not valid: " + m[1] }, "correct the template", ""},
	{regexp.MustCompile(`is forbidden: (.*)`), CauseForbidden,
		func(m []string) string { return "the API server forbids it: " + m[1] }, "the message says who refuses", ""},
}

// refused explains a message about a pod that was not made.
func refused(namespace, message string) *finding {
	message = short(strings.TrimPrefix(message, "Error creating: "), 500)
	f := &finding{health: Unhealthy, cause: CauseUnclear, state: "cannot make its pods"}
	for _, r := range refusals {
		m := r.find.FindStringSubmatch(message)
		if m == nil {
			continue
		}
		f.cause, f.root = r.cause, r.root(m)
		command := ""
		if r.ask != "" {
			command = kubectl(namespace, r.ask)
		}
		return f.link("a pod was not created").link(f.root).do(r.fix, command)
	}
	f.health, f.root = Unclear, "I cannot tell what this means: "+message
	return f.link("a pod was not created").link(f.root)
}
