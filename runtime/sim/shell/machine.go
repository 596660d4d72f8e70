package shell

import (
	"maps"
	"slices"
	"sync"

	"github.com/podling/podling/clock"
)

// Config is what a container is made of.
type Config struct {
	Clock clock.Clock
	// Hostname of the pod.
	Hostname string
	// Env of the container, as NAME=VALUE.
	Env []string
	// Dir is where its programs begin.
	Dir string
	// UID and GID that its programs run as.
	UID, GID int64
	// Mounts are what is mounted into its files.
	Mounts []Mount
	// Volumes of the pod; nil are its own.
	Volumes *Volumes
	// Contents are the files that the node has put into what is mounted from a path of
	// its own, by their paths in it, where they are not on its disk; nil: none.
	Contents func(hostPath string) map[string][]byte
	// ReadOnly: its own files cannot be changed.
	ReadOnly bool
	// Memory limit in bytes; 0 is none.
	Memory int64
	// OOM is called when the container uses more than it may.
	OOM func()
	// Net is the pod's, and IP its address.
	Net *Net
	IP  string
	// Foreign: the image is somebody's, with programs that are not known here. They
	// are taken to be there and to do well.
	Foreign bool
	// FirstPID is the number of the container's first process: 1, unless the pod's
	// containers share their processes.
	FirstPID int
	// Init is told of signals for process 1 where that is not the container's.
	Init func(signal int)
	// Out gets what the processes write to the container's log.
	Out func(stream string, b []byte)
	// Waits is called whenever the first process has come to where it waits for something;
	// nil: nobody is told.
	Waits func()
	// Stdin: the container's standard input is held open, and nothing comes.
	Stdin bool
}

// Machine is one container's inside.
type Machine struct {
	Config
	once  sync.Once
	files *Files

	mu    sync.Mutex
	procs map[int]*Proc
	last  int // process number that was given away
	held  int64
	dead  bool
}

// New gives a machine on which nothing runs yet.
func New(c Config) *Machine {
	if c.FirstPID == 0 {
		c.FirstPID = 1
	}
	if c.Dir == "" {
		c.Dir = "/"
	}
	return &Machine{Config: c, procs: map[int]*Proc{}, last: c.FirstPID - 1}
}

// Files are made when the first program asks for them.
func (m *Machine) Files() *Files {
	m.once.Do(func() { m.files = newFiles(m) })
	return m.files
}

// Kill ends all processes, with SIGKILL.
func (m *Machine) Kill() {
	m.mu.Lock()
	m.dead = true
	list := slices.Collect(maps.Values(m.procs))
	m.mu.Unlock()
	for _, p := range list {
		p.die(128 + sigKill)
	}
}

// add gives p its number and enters it; false if all is over.
func (m *Machine) add(p *Proc) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last++
	p.pid = m.last
	if m.dead {
		return false
	}
	m.procs[p.pid] = p
	return true
}

func (m *Machine) remove(p *Proc) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.procs, p.pid)
}

func (m *Machine) find(pid int) *Proc {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.procs[pid]
}

// list is every process, by number.
func (m *Machine) list() []*Proc {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []*Proc
	for _, pid := range slices.Sorted(maps.Keys(m.procs)) {
		out = append(out, m.procs[pid])
	}
	return out
}

// most is what a container without a limit may hold.
const most = 256 << 20

// hold takes n bytes of memory, or gives them back (n < 0); false if there are
// not so many: then the container is being killed.
func (m *Machine) hold(n int64) bool {
	m.mu.Lock()
	m.held += n
	limit := m.Memory
	if limit <= 0 || limit > most {
		limit = most
	}
	over := m.held > limit
	m.mu.Unlock()
	if over && n > 0 {
		if m.OOM != nil {
			m.OOM()
		}
		m.Kill()
		return false
	}
	return true
}

// SetMemory changes the limit.
func (m *Machine) SetMemory(limit int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.Memory = limit
}

// Signal hands a signal from outside to a process: SIGKILL always ends it.
func (m *Machine) Signal(p *Proc, signal int) { p.signal(signal, true) }

// kill is a process's own kill: pid 0 is the caller, -1 all but it and the first.
func (m *Machine) kill(from *Proc, pid, signal int) bool {
	if pid == 0 {
		pid = from.pid
	}
	if pid == -1 {
		for _, p := range m.list() {
			if p != from && p.pid != m.FirstPID {
				p.signal(signal, false)
			}
		}
		return true
	}
	if pid == 1 && m.FirstPID != 1 {
		if m.Init != nil && signal != 0 {
			m.Init(signal)
		}
		return true
	}
	p := m.find(pid)
	if p == nil {
		return false
	}
	if signal != 0 {
		p.signal(signal, false)
	}
	return true
}
