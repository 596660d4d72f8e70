package shutdown

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/kubelet/nodeshutdown/systemd"
)

// logind is what systemd-logind is asked for over D-Bus.
type logind = *systemd.DBusCon

func systemBus() (logind, error) { return systemd.NewDBusCon() }

const (
	// firstPause and lastPause lie between attempts to reach logind: it may start later, or again.
	firstPause = time.Second
	lastPause  = time.Minute
	// reload is how often it is looked whether logind goes by a new configuration, and reloadTries how
	// many times: a second and a half.
	reload      = 50 * time.Millisecond
	reloadTries = 30
)

// Run has pods ended before the machine goes down, until ctx ends, as systemd has programs do that
// need time: it holds logind's lock that delays a shutdown
// (https://systemd.io/INHIBITOR_LOCKS) and lets go of it when they have ended. Without periods it
// does nothing.
func (m *Manager) Run(ctx context.Context) {
	if len(m.periods) == 0 {
		return
	}
	logger := klog.FromContext(ctx)
	for pause := firstPause; ctx.Err() == nil; pause = min(2*pause, lastPause) {
		watched, err := m.watch(ctx)
		if err != nil && ctx.Err() == nil {
			logger.Error(err, "It cannot be seen when this machine shuts down: pods will not be ended in order. podling down --pods does it, where there is no systemd-logind", "again", pause)
		}
		if watched {
			pause = firstPause
		}
		select {
		case <-ctx.Done():
		case <-m.node.Clock.After(pause):
		}
	}
}

// watch follows what logind says until ctx or the connection ends. watched: it did for a while.
func (m *Manager) watch(ctx context.Context) (watched bool, err error) {
	bus, err := m.bus()
	if err != nil {
		return false, fmt.Errorf("D-Bus: %w", err)
	}
	if err := m.makeTime(ctx, bus); err != nil {
		return false, err
	}
	events, err := bus.MonitorShutdown(klog.FromContext(ctx)) // first, so that nothing is missed
	if err != nil {
		return false, fmt.Errorf("follow logind: %w", err)
	}
	held, err := bus.InhibitShutdown()
	if err != nil {
		return false, err
	}
	has := true
	drop := func() {
		if !has {
			return
		}
		has = false
		if err := bus.ReleaseInhibitLock(held); err != nil {
			klog.FromContext(ctx).Error(err, "Letting the machine shut down")
		}
	}
	defer func() { drop() }()
	for {
		select {
		case <-ctx.Done():
			return true, nil
		case down, ok := <-events:
			switch {
			case !ok:
				return true, fmt.Errorf("the connection to D-Bus has ended")
			case down:
				m.Shutdown(ctx)
				drop()
				continue
			}
			m.Cancel()
			if has {
				continue
			}
			if held, err = bus.InhibitShutdown(); err != nil {
				return true, err
			}
			has = true
		}
	}
}

// makeTime has logind wait as long as pods need, if it would not (upstream's way: a file in
// /etc/systemd/logind.conf.d, and logind told to read it).
func (m *Manager) makeTime(ctx context.Context, bus logind) error {
	need := m.periods.Sum()
	delay, err := bus.CurrentInhibitDelay()
	if err != nil || delay >= need {
		return err
	}
	if err := bus.OverrideInhibitDelay(need); err != nil {
		return err
	}
	if err := bus.ReloadLogindConf(); err != nil {
		return err
	}
	err = wait.ExponentialBackoffWithContext(ctx, wait.Backoff{Duration: reload, Factor: 1, Steps: reloadTries}, func(context.Context) (bool, error) {
		delay, err = bus.CurrentInhibitDelay()
		return delay >= need, err
	})
	if wait.Interrupted(err) {
		return fmt.Errorf("logind delays a shutdown by %v (InhibitDelayMaxSec), and pods need %v: another file in /etc/systemd/logind.conf.d says so", delay, need)
	}
	return err
}
