package survive

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

// cutFor is how long etcd is out of reach while its past is compacted away.
const cutFor = 2 * time.Second

// compaction cuts the API server off from its etcd, takes a pod's record out of that, and compacts all
// that came before: no watch can go on from where it was. The node has to find out by a new list that
// the pod is gone, and nothing else may change.
func compaction(ctx context.Context, c Campaign, folder string) (problems []string, err error) {
	etcd, address, err := startEtcd(filepath.Join(folder, "etcd"))
	if err != nil {
		return nil, err
	}
	defer etcd.Close()
	way, err := newPassage(address)
	if err != nil {
		return nil, err
	}
	defer way.listener.Close()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{address}, Logger: zap.NewNop(), Context: ctx})
	if err != nil {
		return nil, err
	}
	defer client.Close()
	g, err := Prepare(ctx, c.Binary, folder, false, "--etcd-servers=http://"+way.listener.Addr().String())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, g.Close()) }()
	a, doomed := &attempt{Ground: g, number: 1}, &attempt{Ground: g, number: 2}
	for _, a := range []*attempt{a, doomed} {
		if err := errors.Join(a.referred(ctx), a.create(ctx)); err != nil {
			return nil, err
		}
		if err := a.settle(ctx, held{}); err != nil {
			return a.problems, err
		}
	}
	had, err := g.held(ctx, a.number)
	if err != nil {
		return nil, err
	}

	way.set(true)
	var revision int64
	for _, kind := range kinds {
		r, err := client.Delete(ctx, "/registry/pods/default/"+name(kind, doomed.number))
		if err != nil || r.Deleted != 1 {
			return nil, fmt.Errorf("taking %s out of etcd: %d taken, %w", name(kind, doomed.number), r.Deleted, err)
		}
		revision = r.Header.Revision
	}
	if _, err := client.Compact(ctx, revision, clientv3.WithCompactPhysical()); err != nil {
		return nil, err
	}
	select {
	case <-time.After(cutFor):
	case <-ctx.Done():
	}
	way.set(false)

	if err := until(ctx, "pods that were taken out of etcd have ended", func() (bool, error) {
		h, err := g.held(ctx, doomed.number)
		return err == nil && len(h.running)+len(h.ready) == 0, err
	}); err != nil {
		return nil, err
	}
	if err := a.settle(ctx, held{}); err != nil {
		return a.problems, err
	}
	a.check(ctx, had)
	err = a.finish(ctx)
	if err == nil {
		a.uids = append(a.uids, doomed.uids...)
		err = a.empty(ctx)
	}
	return a.problems, err
}

// startEtcd starts one on a port of loopback that the kernel picks.
func startEtcd(folder string) (*embed.Etcd, string, error) {
	cfg := embed.NewConfig()
	cfg.Dir = folder
	cfg.ListenPeerUrls = nil
	cfg.ListenClientUrls = []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	etcd, err := embed.StartEtcd(cfg)
	if err != nil {
		return nil, "", fmt.Errorf("etcd: %w", err)
	}
	<-etcd.Server.ReadyNotify()
	return etcd, etcd.Clients[0].Addr().String(), nil
}
