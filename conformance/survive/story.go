package survive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// answerLimit is how long an API server with a full disk may think about pods.
const answerLimit = 10 * time.Second

// A Story is a fault that is no matter of steps: it has a ground of its own, and a way that it goes.
type Story struct {
	Name, Did, Step string

	play func(ctx context.Context, c Campaign, folder string) (problems []string, err error)
}

// Stories are those there are.
var Stories = []Story{
	{Name: "compaction", Step: "pods run", Did: "etcd cut off, a pod taken out of it, its past compacted away, and let in again", play: compaction},
	{Name: "disk", Step: "pods run, others start", Did: "the disk with podling's folder full, podling started again where it ended, and then space made", play: fullDisk},
}

// tell plays a story in a folder of its own.
func (c Campaign) tell(ctx context.Context, s Story) ([]string, error) {
	folder, remove, err := c.folder()
	if err != nil {
		return nil, err
	}
	problems, err := s.play(ctx, c, folder)
	if err != nil {
		problems = append(problems, err.Error())
	}
	return problems, errors.Join(remove(len(problems) == 0), ctx.Err())
}

// finish ends the pods of a story.
func (a *attempt) finish(ctx context.Context) error {
	if err := a.delete(ctx); err != nil {
		return err
	}
	return a.end(ctx)
}

// fullDisk fills the file system that podling's folder is on while pods run and others are made.
// Nothing is evicted for it: that is another rule, which would make room.
func fullDisk(ctx context.Context, c Campaign, folder string) (problems []string, err error) {
	small := filepath.Join(folder, "small")
	if err := os.Mkdir(small, 0o755); err != nil { // #nosec G301 -- containers write into one of its folders
		return nil, err
	}
	if err := unix.Mount("tmpfs", small, "tmpfs", 0, "size=400m"); err != nil {
		return nil, fmt.Errorf("a small file system at %s: %w", small, err)
	}
	defer func() { err = errors.Join(err, unix.Unmount(small, unix.MNT_DETACH)) }()
	g, err := Prepare(ctx, c.Binary, small, false, "--eviction-hard=")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, g.Close()) }()
	early := &attempt{Ground: g, number: 1}
	if err := errors.Join(early.referred(ctx), early.create(ctx)); err != nil {
		return nil, err
	}
	if err := early.settle(ctx, held{}); err != nil {
		return early.problems, err
	}
	had, err := g.held(ctx, early.number)
	if err != nil {
		return nil, err
	}
	filler := filepath.Join(small, "filler")
	if err := fill(filler); err != nil {
		return nil, err
	}
	late := &attempt{Ground: g, number: 2}
	asking, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	refused := late.create(asking) // they may be, or may not
	late.uids = nil
	select {
	case <-time.After(5 * time.Second):
	case <-ctx.Done():
	}
	if err := os.Remove(filler); err != nil {
		return nil, err
	}
	// Where etcd could not write, podling says so and ends; it is started again, as by systemd.
	if err := until(ctx, "podling takes pods again", func() (bool, error) {
		if ended(g.plane) {
			g.plane.Wait()
			if err := g.upPlane(ctx); err != nil {
				return false, err
			}
		}
		asking, cancel := context.WithTimeout(ctx, answerLimit)
		defer cancel()
		err := late.complete(asking)
		return err == nil, err
	}); err != nil {
		return nil, errors.Join(err, refused)
	}
	for _, a := range []*attempt{early, late} {
		if err := a.settle(ctx, held{}); err != nil {
			return append(early.problems, late.problems...), err
		}
		a.check(ctx, had)
	}
	err = errors.Join(early.finish(ctx), late.finish(ctx))
	problems = append(early.problems, late.problems...)
	if err == nil {
		late.uids = append(late.uids, early.uids...)
		err = late.empty(ctx)
	}
	return problems, err
}

// fill writes zeros until there is no room for more.
func fill(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	zeros := make([]byte, 1<<20)
	for size := len(zeros); size > 0; {
		if _, err := f.Write(zeros[:size]); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return f.Close()
}

// A passage lets connections through to an address, until it is cut.
type passage struct {
	to       string
	listener net.Listener

	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]bool
}

func newPassage(to string) (*passage, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &passage{to: to, listener: listener, conns: map[net.Conn]bool{}}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed
			}
			go p.pass(conn)
		}
	}()
	return p, nil
}

func (p *passage) pass(conn net.Conn) {
	defer conn.Close()
	other, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer other.Close()
	p.mu.Lock()
	if p.cut {
		p.mu.Unlock()
		return
	}
	p.conns[conn], p.conns[other] = true, true
	p.mu.Unlock()
	go func() {
		defer conn.Close()
		io.Copy(conn, other) // until either is closed
	}()
	io.Copy(other, conn) // likewise
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, conn)
	delete(p.conns, other)
}

// set cuts it, or lets connections through again.
func (p *passage) set(cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = cut
	if cut {
		for conn := range p.conns {
			conn.Close()
		}
	}
}
