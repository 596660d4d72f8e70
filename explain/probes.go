package explain

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"

	"github.com/podling/podling/lifecycle/reason"
)

// probeKind is which of a container's probes.
type probeKind string

const (
	startup   probeKind = "startup"
	liveness  probeKind = "liveness"
	readiness probeKind = "readiness"
)

func (k probeKind) of(c *v1.Container) *v1.Probe {
	switch k {
	case startup:
		return c.StartupProbe
	case liveness:
		return c.LivenessProbe
	}
	return c.ReadinessProbe
}

func (k probeKind) cause() string {
	switch k {
	case startup:
		return CauseStartup
	case liveness:
		return CauseLiveness
	}
	return CauseReadiness
}

// asked is what a probe does.
func (l *look) asked(c *v1.Container, p *v1.Probe) string {
	switch {
	case p == nil:
		return "not in the spec any more"
	case p.HTTPGet != nil:
		scheme := strings.ToLower(string(p.HTTPGet.Scheme))
		if scheme == "" {
			scheme = "http"
		}
		path := p.HTTPGet.Path
		if path == "" {
			path = "/"
		}
		return fmt.Sprintf("GET %s://%s:%s%s", scheme, orPod(p.HTTPGet.Host), l.port(c, p.HTTPGet.Port.String()), path)
	case p.TCPSocket != nil:
		return fmt.Sprintf("TCP %s:%s", orPod(p.TCPSocket.Host), l.port(c, p.TCPSocket.Port.String()))
	case p.GRPC != nil:
		return fmt.Sprintf("gRPC health check at port %d", p.GRPC.Port)
	case p.Exec != nil:
		return "command " + short(strings.Join(p.Exec.Command, " "), 80)
	}
	return "nothing"
}

func orPod(host string) string {
	if host == "" {
		return "POD"
	}
	return host
}

// port resolves a port's name.
func (l *look) port(c *v1.Container, port string) string {
	for _, p := range c.Ports {
		if p.Name == port {
			return fmt.Sprint(p.ContainerPort)
		}
	}
	return port
}

// probed is the port that a probe asks, "" if it asks none.
func (l *look) probed(c *v1.Container, p *v1.Probe) string {
	switch {
	case p == nil:
	case p.HTTPGet != nil:
		return l.port(c, p.HTTPGet.Port.String())
	case p.TCPSocket != nil:
		return l.port(c, p.TCPSocket.Port.String())
	case p.GRPC != nil:
		return fmt.Sprint(p.GRPC.Port)
	}
	return ""
}

// answer is the Event with a probe's last failure.
func (l *look) answer(name string, k probeKind) *v1.Event {
	title := strings.ToUpper(string(k[:1])) + string(k[1:])
	return l.eventOf(name, "Unhealthy", title+" probe")
}

// probe explains a container that runs and whose probe has not succeeded.
func (l *look) probe(c *v1.Container, s *v1.ContainerStatus, r *v1.ContainerStateRunning, k probeKind) *finding {
	p := k.of(c)
	period := time.Duration(max(p.PeriodSeconds, 1)) * time.Second
	threshold := max(p.FailureThreshold, 1)
	f := l.probeFault(c, s, k)
	f.state = "is not ready"
	if k == startup {
		f.state = "has not started yet"
	}
	f.before(Link{Text: fmt.Sprintf("container %s runs, its %s probe has not succeeded", s.Name, k)})
	e := l.answer(s.Name, k)
	first := r.StartedAt.Add(time.Duration(p.InitialDelaySeconds) * time.Second)
	age := l.Now.Sub(r.StartedAt.Time)
	patience := time.Duration(p.InitialDelaySeconds)*time.Second + time.Duration(threshold)*period
	ofThisRun := e != nil && !eventTime(e).Before(r.StartedAt.Truncate(time.Second))
	switch {
	case !ofThisRun && l.Now.Before(first):
		f.health, f.state = Starting, "is being started"
		f.root = fmt.Sprintf("the %s probe of container %s first asks %s after its start", k, s.Name, span(first.Sub(r.StartedAt.Time)))
		f.chain = f.chain[:1]
		return f.link(f.root).at(l.Now, first, "The probe asks for the first time.")
	case age < patience && (e == nil || k == startup || !ofThisRun || times(e) < threshold):
		f.health = Starting
	}
	if k == startup {
		if dead := first.Add(time.Duration(threshold) * period); dead.After(l.Now) {
			f.at(l.Now, dead, "If it has not succeeded by then, the container is killed, and restarted by restartPolicy.")
		}
		return f.then(fmt.Sprintf("It asks again every %s.", span(period)))
	}
	return f.then(fmt.Sprintf("It asks again every %s; the pod is ready, and gets traffic, as soon as it succeeds. A readiness probe never restarts a container.", span(period)))
}

var (
	statusCode = regexp.MustCompile(`statuscode: (\d+)`)
	listening  = regexp.MustCompile(`(?i)(?:listen|serv|start|bound|port|running)[^\n]*?[: ](\d{2,5})\b`)
)

// probeFault says what a probe asked, what came back, and what that means.
func (l *look) probeFault(c *v1.Container, s *v1.ContainerStatus, k probeKind) *finding {
	f := &finding{health: Unhealthy, cause: k.cause()}
	if c == nil || k.of(c) == nil {
		f.root = fmt.Sprintf("the %s probe of container %s failed", k, s.Name)
		return f.link(f.root).showEvent(l.answer(s.Name, k))
	}
	p := k.of(c)
	asked := l.asked(c, p)
	f.about(word{reason.Event, "Unhealthy"})
	e := l.answer(s.Name, k)
	f.show("spec", pathOf(l.Pod, s.Name)+"."+string(k)+"Probe", fmt.Sprintf("%s, every %d s, timeout %d s, failureThreshold %d", asked, p.PeriodSeconds, p.TimeoutSeconds, p.FailureThreshold), time.Time{})
	if e == nil {
		f.root = fmt.Sprintf("the %s probe of container %s (%s) has not succeeded", k, s.Name, asked)
		if !l.sees(PartEvents) {
			f.root += "; what came back could not be seen"
		} else if hint := l.portHint(c, p); hint != "" {
			f.root += hint
		}
		f.link(f.root)
		return l.mendProbe(f, c, p, k)
	}
	said := e.Message
	for _, prefix := range []string{" probe failed: ", " probe errored: ", " probe errored and resulted in unknown state: "} {
		if _, rest, ok := strings.Cut(said, prefix); ok {
			said = rest
			break
		}
	}
	said = short(strings.TrimSuffix(strings.TrimSpace(said), "probe failed:"), 200)
	f.root = fmt.Sprintf("the %s probe of container %s (%s) fails", k, s.Name, asked)
	code := statusCode.FindStringSubmatch(said)
	port := l.probed(c, p)
	switch {
	case code != nil && code[1] == "404":
		f.root += ": the server answers 404, so the path does not exist there"
	case code != nil && (code[1] == "401" || code[1] == "403"):
		f.root += ": the server answers " + code[1] + ": it wants a login"
	case code != nil:
		f.root += ": the server answers " + code[1]
	case hasAny(said, "connection refused"):
		f.root += ": connection refused, nothing listens on port " + port + l.portHint(c, p)
	case hasAny(said, "couldn't find port", "invalid syntax", "strconv", "port") && p.HTTPGet != nil && p.HTTPGet.Port.String() == port && !isNumber(port),
		p.TCPSocket != nil && !isNumber(port):
		f.root += fmt.Sprintf(": no port of the container is called %s%s", port, didYouMean(port, portNames(c)))
	case hasAny(said, "HTTP response to HTTPS client", "malformed HTTP", "tls:"):
		f.root += ": one side speaks TLS and the other does not; look at scheme"
	case hasAny(said, "timed out", "timeout", "deadline exceeded"):
		f.root += fmt.Sprintf(": no answer within timeoutSeconds (%d)", max(p.TimeoutSeconds, 1)) + l.portHint(c, p)
	case hasAny(said, "executable file not found", "no such file or directory") && p.Exec != nil && hasAny(said, "exec"):
		f.root += ": its command does not exist in the image: " + said
	case said == "":
		f.root += ": the command ends with another exit code than 0, and writes nothing"
	default:
		f.root += ": " + said
	}
	f.link(f.root).showEvent(e)
	return l.mendProbe(f, c, p, k)
}

func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func portNames(c *v1.Container) []string {
	var out []string
	for _, p := range c.Ports {
		if p.Name != "" {
			out = append(out, p.Name)
		}
	}
	return out
}

// portHint is the port that the container has instead of the probed one: declared, or by its own words.
func (l *look) portHint(c *v1.Container, p *v1.Probe) string {
	port := l.probed(c, p)
	if port == "" {
		return ""
	}
	var declared []string
	for _, d := range c.Ports {
		declared = append(declared, fmt.Sprint(d.ContainerPort))
	}
	if slices.Contains(declared, port) {
		declared = nil
	}
	if g := l.log(c.Name); g != nil {
		for _, line := range slices.Backward(g.Lines) {
			if m := listening.FindStringSubmatch(harmless(line)); m != nil && m[1] != port {
				return fmt.Sprintf("; its log says \"%s\" (did you mean port %s?)", short(line, 80), m[1])
			}
		}
	}
	switch len(declared) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("; the container declares port %s (did you mean that?)", declared[0])
	}
	return "; the container declares the ports " + list(declared)
}

func (l *look) mendProbe(f *finding, c *v1.Container, p *v1.Probe, k probeKind) *finding {
	f.do("correct the probe "+l.where()+": port, path, command, scheme, timeoutSeconds; or the program, if the probe is right", "")
	if p.HTTPGet != nil {
		f.do("ask yourself", l.kubectl("exec %s -c %s -- wget -qO- http://127.0.0.1:%s%s", l.Pod.Name, c.Name, l.probed(c, p), p.HTTPGet.Path))
	}
	if k == liveness {
		f.do("a program that starts slowly wants a startupProbe", "")
	}
	l.lastLines(f, c.Name)
	return f
}

// liveFailing: the liveness probe of a container that runs has begun to fail.
func (l *look) liveFailing(c *v1.Container, s *v1.ContainerStatus, r *v1.ContainerStateRunning) *finding {
	e := l.answer(s.Name, liveness)
	p := c.LivenessProbe
	period := time.Duration(max(p.PeriodSeconds, 1)) * time.Second
	if e == nil || eventTime(e).Before(r.StartedAt.Time) || l.Now.Sub(eventTime(e)) > 2*period+time.Second {
		return nil
	}
	f := l.probeFault(c, s, liveness)
	f.state = "is about to be restarted"
	f.before(Link{Text: "container " + s.Name + " runs, its liveness probe fails"})
	return f.then(fmt.Sprintf("After %d failures in a row, %s apart, the container is killed and started again.", max(p.FailureThreshold, 1), span(period)))
}
