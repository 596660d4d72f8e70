package explain

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"

	"github.com/podling/podling/lifecycle"
	"github.com/podling/podling/lifecycle/reason"
)

// image is the container's as the spec has it.
func (l *look) image(s *v1.ContainerStatus) string {
	if c := specOf(l.Pod, s.Name); c != nil {
		return c.Image
	}
	return s.Image
}

// split takes an image's name apart: where it is, and its tag.
func split(image string) (repository, tag string) {
	repository, _, _ = strings.Cut(image, "@")
	if i := strings.LastIndexByte(repository, ':'); i > strings.LastIndexByte(repository, '/') {
		return repository[:i], repository[i+1:]
	}
	return repository, "latest"
}

// familiar is a repository without what is added to it by default.
func familiar(repository string) string {
	return strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(repository, "index."), "docker.io/"), "library/")
}

// similarImage is an image that is known to exist and may have been meant.
func (l *look) similarImage(image string) string {
	repository, tag := split(image)
	var tags, repositories []string
	for _, known := range l.Images {
		if strings.Contains(known, "@") || known == image {
			continue
		}
		r, t := split(known)
		if familiar(r) == familiar(repository) {
			tags = append(tags, t)
		} else {
			repositories = append(repositories, familiar(r))
		}
	}
	if len(tags) > 0 {
		slices.Sort(tags)
		tags = slices.Compact(tags)
		if near := Nearest(tag, tags); near != "" {
			return repository + ":" + near
		}
		if !slices.Contains(tags, tag) {
			return repository + ":" + tags[len(tags)-1]
		}
		return ""
	}
	if near := Nearest(familiar(repository), repositories); near != "" {
		return near + ":" + tag
	}
	return ""
}

func (f *finding) suggestImage(l *look, s *v1.ContainerStatus, better string) *finding {
	if o := l.owner(); o != "" {
		return f.change("correct the image "+l.where(), fmt.Sprintf("-    image: %s\n+    image: %s", l.image(s), better))
	}
	return f.do("correct the image", l.kubectl("set image pod/%s %s=%s", l.Pod.Name, s.Name, better))
}

// imageName is the form of an image's name, as far as a suggestion has to keep to it.
var imageName = regexp.MustCompile(`^[a-z0-9]+([._:/-]+[a-z0-9]+)*(:[A-Za-z0-9_][\w.-]*)?$`)

// invalidImage: the name is none.
func (l *look) invalidImage(s *v1.ContainerStatus, w *v1.ContainerStateWaiting) *finding {
	image := l.image(s)
	f := &finding{health: Unhealthy, cause: CauseImageName, state: "does not start"}
	why, better := "it cannot be read as one", "NAME:TAG"
	switch {
	case strings.ContainsAny(image, "${}"):
		why = "a template's value is missing in it"
	case strings.Contains(image, "://"):
		_, rest, _ := strings.Cut(image, "://")
		why, better = "an image has no scheme in front", rest
	case strings.ContainsAny(image, " \t"):
		why, better = "there is a blank in it", strings.Join(strings.Fields(image), "")
	case strings.HasSuffix(image, ":"):
		why, better = "nothing follows its last colon", strings.TrimSuffix(image, ":")
	case strings.HasSuffix(image, "@"):
		why, better = "nothing follows its @", strings.TrimSuffix(image, "@")
	case image != strings.ToLower(image):
		r, tag := split(image)
		why, better = "it has to be in lower case", strings.ToLower(r)
		if r != image {
			better += ":" + tag
		}
	case strings.Contains(image, "__") || strings.Contains(image, "..") || strings.Contains(image, "//"):
		why = "two separators follow each other in it"
	}
	f.root = fmt.Sprintf("\"%s\" is no valid image name for container %s: %s", image, s.Name, why)
	if better != "NAME:TAG" && !imageName.MatchString(better) {
		better = "NAME:TAG" // more is wrong with it
	}
	if better != "NAME:TAG" {
		f.root += " (did you mean \"" + better + "\"?)"
	}
	f.link(f.root).show("spec", pathOf(l.Pod, s.Name)+".image", image, time.Time{})
	f.showEvent(l.eventOf(s.Name, "InspectFailed"))
	return f.suggestImage(l, s, better).then("It never works with this name; it starts once the image is corrected.")
}

// neverPull: the image is not there, and is not to be fetched.
func (l *look) neverPull(s *v1.ContainerStatus, _ *v1.ContainerStateWaiting) *finding {
	image := l.image(s)
	f := &finding{health: Unhealthy, cause: CauseImageNeverPull, state: "does not start"}
	f.root = fmt.Sprintf("image %s of container %s is not on node %s, and imagePullPolicy Never forbids to pull it", image, s.Name, l.Pod.Spec.NodeName)
	if near := l.similarImage(image); near != "" {
		f.root += " (did you mean \"" + near + "\"?)"
	}
	f.link(f.root).show("spec", pathOf(l.Pod, s.Name)+".imagePullPolicy", "Never", time.Time{}).showEvent(l.eventOf(s.Name, "ErrImageNeverPull"))
	f.change("let it be pulled, "+l.where(), "-    imagePullPolicy: Never\n+    imagePullPolicy: IfNotPresent")
	f.do("or load it on the node (podling: --image FILE.tar)", "ctr -n k8s.io images import FILE.tar")
	return f.then("Looked at again after 1 s, doubling to every 10 s.")
}

// pullFaults are what registries and runtimes say, and what it means. The first that fits holds.
var pullFaults = []struct {
	texts []string
	cause string
	root  string
	fix   string
}{
	{[]string{"no match for platform", "no matching manifest", "does not match the specified platform", "exec format error"}, CauseImageArchitecture, "is not built for the architecture of the node", "build it for the node's architecture (docker buildx build --platform), or select nodes that it is built for (nodeSelector: kubernetes.io/arch)"},
	{[]string{"SignatureValidationFailed", "signature"}, CauseImageSignature, "is refused: its signature is not what the node's policy asks for", "sign the image (cosign sign IMAGE), or correct the node's policy"},
	{[]string{"toomanyrequests", "429 Too Many Requests", "rate limit"}, CauseRegistryLimit, "cannot be pulled now: the registry limits how often one may pull", "log in (imagePullSecrets), or use a mirror; it works again when the limit is over"},
	{[]string{"x509:", "HTTP response to HTTPS client", "tls:", "certificate"}, CauseRegistryTLS, "cannot be pulled: the registry does not speak TLS as the node expects", "make the registry's authority known to the node, or configure it as plain HTTP in the runtime"},
	{[]string{"no such host", "server misbehaving", "connection refused", "i/o timeout", "no route to host", "network is unreachable", "502 Bad Gateway", "503 Service Unavailable", "RegistryUnavailable", "connection reset", "deadline exceeded"}, CauseRegistryDown, "cannot be pulled: its registry cannot be reached", "is the registry's host name right? Look at DNS, proxy and firewall of the node: curl -v https://REGISTRY/v2/"},
	{[]string{"401 Unauthorized", "403 Forbidden", "unauthorized", "authentication required", "no basic auth credentials", "access denied", "insufficient_scope", "denied"}, CauseImageUnauthorized, "cannot be pulled: the registry asks for credentials, or has no such image (registries do not tell which)", "kubectl create secret docker-registry NAME ..., and imagePullSecrets: [{name: NAME}]"},
	{[]string{"no space left on device"}, CauseNodePressure, "cannot be pulled: the node's disk is full", "crictl rmi --prune on the node"},
	{[]string{"not found", "manifest unknown", "NotFound", "name unknown", "does not exist"}, CauseImageMissing, "does not exist in its registry", "correct the name or the tag, or push the image"},
}

// pulling: the image does not come.
func (l *look) pulling(s *v1.ContainerStatus, w *v1.ContainerStateWaiting) *finding {
	image := l.image(s)
	e := l.eventOf(s.Name, "Failed", "Failed to pull image", "pull")
	if e == nil {
		e = l.eventOf(s.Name, "Failed", "image")
	}
	said := w.Message
	if e != nil && (w.Reason == "ImagePullBackOff" || said == "") {
		said += " " + e.Message
	}
	for _, m := range l.Timeline { // what was said before the back-off
		for _, was := range statuses(m.Pod) {
			if was.Name == s.Name && was.State.Waiting != nil && was.State.Waiting.Reason == "ErrImagePull" && w.Reason == "ImagePullBackOff" {
				said += " " + was.State.Waiting.Message
			}
		}
	}
	f := &finding{health: Unhealthy, cause: CausePull, state: "does not start"}
	subject := fmt.Sprintf("image %s of container %s ", image, s.Name)
	found := false
	for _, fault := range pullFaults {
		// An image's own name is not what is said of it.
		if hasAny(strings.ReplaceAll(said, image, ""), fault.texts...) {
			found = true
			f.cause, f.root = fault.cause, subject+fault.root
			f.do(fault.fix, "")
			break
		}
	}
	switch {
	case w.Reason == "RegistryUnavailable" && f.cause != CauseRegistryDown:
		f.cause, f.root, f.fix, found = CauseRegistryDown, subject+"cannot be pulled: its registry cannot be reached", nil, true
		f.do("is the registry's host name right? Look at DNS, proxy and firewall of the node", "")
	case w.Reason == "SignatureValidationFailed":
		f.cause, f.root, found = CauseImageSignature, subject+"is refused: its signature is not what the node's policy asks for", true
	case w.Reason == "ImageInspectError":
		f.cause, f.root, found = CauseImageStore, "the runtime of node "+l.Pod.Spec.NodeName+" cannot say whether it has image "+image+": "+short(w.Message, 200), true
		f.fix = nil
		f.do("look at the runtime on the node; let the image be pulled again", "crictl rmi "+image)
	}
	if !found {
		f.root = subject + "cannot be pulled"
		said = strings.TrimSpace(backingOff.ReplaceAllString(said, ""))
		if said == "" && !l.sees(PartEvents) {
			f.root += "; why could not be seen: its Events tell"
		} else if said == "" {
			f.root += ", and nobody says why: look at its Events"
		} else {
			f.root += ": " + lastWords(said)
		}
	}
	switch f.cause {
	case CauseImageMissing, CauseImageUnauthorized, CausePull:
		if near := l.similarImage(image); near != "" {
			f.root += " (did you mean \"" + near + "\"?)"
			f.suggestImage(l, s, near)
		}
	case CauseImageArchitecture:
		if n := l.node(l.Pod.Spec.NodeName); n != nil {
			f.root += ", " + n.Status.NodeInfo.Architecture
			f.show("node", n.Name, "status.nodeInfo.architecture: "+n.Status.NodeInfo.Architecture, time.Time{})
		}
	case CauseRegistryDown:
		if r, _ := split(image); strings.Contains(r, "/") && strings.ContainsAny(strings.Split(r, "/")[0], ".:") {
			f.root += ": " + strings.Split(r, "/")[0]
		}
	}
	if secret := l.event("FailedToRetrieveImagePullSecret"); secret != nil {
		f.root += "; and " + l.pullSecretText(secret)
		f.showEvent(secret)
	}
	f.link("its image cannot be pulled", word{reason.Waiting, "ErrImagePull"}).link(f.root)
	f.show("spec", pathOf(l.Pod, s.Name)+".image", image, time.Time{}).showEvent(e)
	return l.nextPull(f, s, w, e)
}

// backingOff is the part of a message that says nothing but that it is not yet time.
var backingOff = regexp.MustCompile(`Back-off pulling image "[^"]*":?`)

// missingSecrets is the list in upstream's message about pull secrets.
var missingSecrets = regexp.MustCompile(`\(([^)]+)\)`)

func (l *look) pullSecretText(e *v1.Event) string {
	name := ""
	if m := missingSecrets.FindStringSubmatch(e.Message); m != nil {
		name = m[1]
	}
	hint := ""
	if l.sees(PartSecrets) && name != "" && !strings.Contains(name, ",") {
		hint = didYouMean(name, names(l.Secrets))
	}
	return "its imagePullSecret " + name + " does not exist in namespace " + l.Pod.Namespace + hint
}

// nextPull says when it is tried again.
func (l *look) nextPull(f *finding, s *v1.ContainerStatus, w *v1.ContainerStateWaiting, failed *v1.Event) *finding {
	pulls := l.eventOf(s.Name, "Pulling")
	if w.Reason == "ImageInspectError" {
		return f.then("Tried again after 1 s, doubling to every 10 s.")
	}
	if pulls == nil || w.Reason != "ImagePullBackOff" {
		return f.then("Pulled again after 10 s, 20 s, 40 s and so on to every 5 minutes, until it works or the pod is deleted.")
	}
	since := eventTime(pulls)
	if failed != nil && eventTime(failed).After(since) {
		since = eventTime(failed)
	}
	return f.backoff(l.Now, since, times(pulls), "The image is pulled again")
}

// backoff says when the wait after the n-th failure at since is over, and how long the one after it is.
func (f *finding) backoff(now, since time.Time, n int32, what string) *finding {
	var b lifecycle.Backoff
	for range min(max(n, 1), 20) {
		b = b.Next("", since, since)
	}
	end, _ := b.Until("", since, now)
	then := b.Next("", since, end)
	text := fmt.Sprintf("%s; if that fails, the back-off is then %s.", what, span(then.Delay))
	if end.Before(now) {
		return f.then(fmt.Sprintf("%s now: its back-off of %s is over; if that fails, the next is %s.", what, span(b.Delay), span(then.Delay)))
	}
	return f.at(now, end, text)
}

// lastWords is the end of a chain of errors, which is nearest to what went wrong.
func lastWords(said string) string {
	said = harmless(said)
	if i := strings.LastIndex(said, "desc = "); i >= 0 {
		said = said[i+len("desc = "):]
	}
	return short(said, 300)
}
