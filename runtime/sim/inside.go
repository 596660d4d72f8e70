package sim

import (
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/podling/podling/runtime/sim/shell"
)

// sharedFirst is the number of a container's first process where the pod's
// containers share their processes: those before it are not its own.
const sharedFirst = 7

// machine is the container's inside, made when it is first asked for.
func (c *container) machine() *shell.Machine {
	r := c.r
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.inside != nil {
		return c.inside
	}
	s := c.sandbox
	if s.net == nil {
		s.net = &shell.Net{}
	}
	if s.pod.volumes == nil {
		s.pod.volumes = shell.NewVolumes()
	}
	config := shell.Config{
		Clock: r.clk, Hostname: s.config.GetHostname(), Dir: c.config.GetWorkingDir(), Memory: c.resources.GetMemoryLimitInBytes(),
		Net: s.net, Volumes: s.pod.volumes, Contents: r.cfg.Contents, Foreign: c.image.foreign(), Out: c.output, Waits: c.waits, Stdin: c.config.GetStdin(),
		ReadOnly: c.config.GetLinux().GetSecurityContext().GetReadonlyRootfs(),
		OOM: func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			c.oom = true
		},
	}
	if config.Hostname == "" {
		config.Hostname = r.cfg.Node
	}
	if s.ip.IsValid() {
		config.IP = s.ip.String()
	}
	config.UID, config.GID, _ = c.user()
	for _, e := range c.config.GetEnvs() {
		config.Env = append(config.Env, e.GetKey()+"="+string(e.GetValue()))
	}
	for _, m := range c.config.GetMounts() {
		if m.GetImage().GetImage() == "" {
			config.Mounts = append(config.Mounts, shell.Mount{HostPath: m.HostPath, Path: m.ContainerPath, ReadOnly: m.Readonly, Through: m.ContainerPath == c.messagePath()})
		}
	}
	switch c.processes() {
	case runtimeapi.NamespaceMode_POD:
		config.FirstPID = sharedFirst
		config.Init = func(signal int) { r.initSignal(s, signal) }
	case runtimeapi.NamespaceMode_NODE, runtimeapi.NamespaceMode_TARGET:
		config.FirstPID = sharedFirst
	}
	c.inside = shell.New(config)
	return c.inside
}

// processes says with whom the container shares them.
func (c *container) processes() runtimeapi.NamespaceMode {
	if o := c.config.GetLinux().GetSecurityContext().GetNamespaceOptions(); o != nil {
		return o.GetPid()
	}
	return c.sandbox.config.GetLinux().GetSecurityContext().GetNamespaceOptions().GetPid()
}

// LeadsOut says whether a path below one of a pod's volumes leads out of it, by the
// links that the pod's containers have made there.
func (r *Runtime) LeadsOut(uid, hostPath, below string) bool {
	r.mu.Lock()
	p := r.pods[uid]
	r.mu.Unlock()
	return p != nil && p.volumes != nil && p.volumes.LeadsOut(hostPath, below)
}
