package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const (
	// A single member elects itself after at most one election timeout, which is most of what a
	// start of etcd takes with its defaults (1 s), made for members that are far apart.
	etcdHeartbeat = 20  // milliseconds
	etcdElection  = 100 // milliseconds; etcd wants five heartbeats

	// etcd keeps in memory what it has logged since its last snapshot, and more for followers that
	// lag behind. There are none, so it can do with fewer than its default of 10,000 and 5,000.
	etcdSnapshotCount  = 1000
	etcdCatchUpEntries = 100

	// maxSocketPath is what fits into a socket's address (sun_path) on Linux and the BSDs.
	maxSocketPath = 100

	// etcdProbeTimeout bounds the first question to an etcd that is not ours.
	etcdProbeTimeout = 5 * time.Second

	// etcdBrokenTimeout is how long an etcd that gave up has to end.
	etcdBrokenTimeout = time.Second
)

// etcd is the embedded etcd: one member, reachable through a socket that only this user can open,
// and without a port for peers.
type etcd struct {
	server    *embed.Etcd
	endpoint  string
	socketDir string // to be removed with it, where the data folder's path is too long for a socket
	release   func() // ends what calls it in this process
	gaveUp    *gaveUp
}

// gaveUp is where etcd gives up: it would end the process, because it cannot write its files (the disk is
// full) or they are damaged. Only the goroutine ends that found out; the rest of etcd answers nobody.
type gaveUp struct {
	once sync.Once
	done chan struct{} // closed then; err is written before
	err  error
}

// OnWrite is called with what etcd said last.
func (g *gaveUp) OnWrite(entry *zapcore.CheckedEntry, fields []zapcore.Field) {
	g.once.Do(func() {
		g.err = fmt.Errorf("etcd gave up: %s", entry.Message)
		for _, f := range fields {
			if err, ok := f.Interface.(error); ok && f.Type == zapcore.ErrorType {
				g.err = fmt.Errorf("%w: %w", g.err, err)
			}
		}
		close(g.done)
	})
	runtime.Goexit()
}

// startEtcd starts it on the folder dir. It is not yet ready to answer, but can be connected to.
func startEtcd(dir string, fsync bool, log *os.File, level zapcore.Level) (*etcd, error) {
	e := &etcd{release: func() {}, gaveUp: &gaveUp{done: make(chan struct{})}}
	socket := filepath.Join(dir, "client.sock")
	if len(socket) > maxSocketPath {
		short, err := os.MkdirTemp("", "podling-etcd-")
		if err != nil {
			return nil, fmt.Errorf("folder for etcd's socket: %w", err)
		}
		e.socketDir, socket = short, filepath.Join(short, "client.sock")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("folder for etcd: %w", err)
	}
	e.endpoint = "unix://" + socket

	cfg := embed.NewConfig()
	cfg.Dir = dir
	cfg.ListenPeerUrls = nil // no peers
	cfg.ListenClientUrls = []url.URL{{Scheme: "unix", Path: socket}}
	cfg.TickMs, cfg.ElectionMs = etcdHeartbeat, etcdElection
	cfg.SnapshotCount, cfg.SnapshotCatchUpEntries = etcdSnapshotCount, etcdCatchUpEntries
	cfg.UnsafeNoFsync = !fsync
	cfg.EnableGRPCGateway = false
	cfg.WarningUnaryRequestDuration = embed.DefaultWarningUnaryRequestDuration // 0 would warn of each request
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(etcdLogger(log, level, e.gaveUp))

	var err error
	e.server, err = launchEtcd(cfg)
	if err != nil {
		e.stop()
		return nil, fmt.Errorf("start etcd on %s: %w", dir, err)
	}
	return e, nil
}

// etcdLogger writes to the log. Where etcd would end the process, gaveUp is told.
func etcdLogger(log *os.File, level zapcore.Level, gaveUp *gaveUp) *zap.Logger {
	layout := zap.NewDevelopmentEncoderConfig()
	core := zapcore.NewCore(zapcore.NewConsoleEncoder(layout), zapcore.Lock(log), level)
	return zap.New(core, zap.WithFatalHook(gaveUp)).Named("etcd")
}

// launchEtcd turns etcd's ways to give up (exit, panic) into errors.
func launchEtcd(cfg *embed.Config) (server *embed.Etcd, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = fmt.Errorf("its files cannot be read; the reason is in the log: restore the folder from a copy, or remove it to start afresh")
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("%v", p)
			}
		}()
		server, err = embed.StartEtcd(cfg)
	}()
	<-done
	return server, err
}

// wait returns once etcd answers.
func (e *etcd) wait(ctx context.Context) error {
	select {
	case <-e.server.Server.ReadyNotify():
		return nil
	case err := <-e.server.Err():
		return fmt.Errorf("etcd ended while starting: %w", err)
	case <-e.server.Server.StopNotify():
		return errors.New("etcd stopped while starting")
	case <-ctx.Done():
		return fmt.Errorf("etcd is not ready: %w", ctx.Err())
	}
}

// watch tells failed should etcd give up.
func (e *etcd) watch(failed func(error)) {
	go func() {
		select {
		case <-e.gaveUp.done:
			failed(e.gaveUp.err)
		case <-e.server.Server.StopNotify():
		}
	}()
}

// broken: etcd gave up.
func (e *etcd) broken() bool {
	select {
	case <-e.gaveUp.done:
		return true
	default:
		return false
	}
}

// stop ends it and returns when its files are closed. One that gave up would wait for ever for the part of
// it that has ended, and is left as it is: what it wrote is read again by the next start.
func (e *etcd) stop() {
	e.release()
	if e.server != nil {
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			e.server.Close()
		}()
		select {
		case <-closed:
		case <-e.gaveUp.done:
			select {
			case <-closed:
			case <-time.After(etcdBrokenTimeout):
			}
		}
	}
	if e.socketDir != "" {
		os.RemoveAll(e.socketDir)
	}
}

// probeEtcd says whether an etcd that is not ours answers, before anything is built upon it.
func probeEtcd(ctx context.Context, servers []string) error {
	ctx, cancel := context.WithTimeout(ctx, etcdProbeTimeout)
	defer cancel()
	client, err := clientv3.New(clientv3.Config{Endpoints: servers, Logger: zap.NewNop(), Context: ctx})
	if err == nil {
		_, err = client.Get(ctx, "/registry/health", clientv3.WithCountOnly())
		err = errors.Join(err, client.Close())
	}
	if err != nil {
		return fmt.Errorf("etcd at %s does not answer (%w): start it, correct its address, or leave it out to use the embedded one", strings.Join(servers, ", "), err)
	}
	return nil
}
