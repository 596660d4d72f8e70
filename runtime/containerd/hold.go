package containerd

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Containerd cancels a call whose caller is gone: a container that starts when podling is killed would be
// killed as well, and a pod that is never restarted would have failed for it. So another process, which
// is told by a pipe's end that podling has ended, keeps the connection open until what was asked for is
// done.

// holdScript waits for the pipe's end, and then for as long as calls may take that are under way.
const holdScript = "read -r _ <&3; exec sleep 10"

// A hold keeps this process's connections to a socket open.
type hold struct {
	mu       sync.Mutex
	lifeline *os.File // the pipe's other end
	holder   *exec.Cmd
}

// renew holds the connections that there are now. What was held before is let go after a while.
func (h *hold) renew(socket string) error {
	connections, err := connectionsTo(socket)
	defer func() {
		for _, c := range connections {
			c.Close() // this process has the connection itself
		}
	}()
	if err != nil {
		return err
	}
	end, lifeline, err := os.Pipe()
	if err != nil {
		return err
	}
	defer end.Close() // the holder has its own
	holder := exec.Command("sh", "-c", holdScript, "podling-hold")
	holder.ExtraFiles = append([]*os.File{end}, connections...)
	holder.Dir = "/" // keeps no other folder in use
	holder.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := holder.Start(); err != nil {
		lifeline.Close() // nobody has the other end
		return err
	}
	go func() { _ = holder.Wait() }() // it ends when it is let go
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lifeline != nil {
		h.lifeline.Close() // lets the last one go
	}
	h.lifeline, h.holder = lifeline, holder
	return nil
}

// release lets go at once.
func (h *hold) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lifeline == nil {
		return
	}
	_ = h.holder.Process.Kill() // fails only when it has ended
	h.lifeline.Close()          // nobody reads it any more
	h.lifeline, h.holder = nil, nil
}

// connectionsTo are copies of this process's connections to a Unix socket.
func connectionsTo(socket string) ([]*os.File, error) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil, err
	}
	var found []*os.File
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			return found, fmt.Errorf("/proc/self/fd: %w", err)
		}
		// What is looked at must not be closed, and its number given to another, meanwhile.
		own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			continue // closed since
		}
		if peer, err := unix.Getpeername(own); err == nil {
			if name, ok := peer.(*unix.SockaddrUnix); ok && name.Name == socket {
				found = append(found, os.NewFile(uintptr(own), socket))
				continue
			}
		}
		unix.Close(own) // nothing was written to it
	}
	return found, nil
}
