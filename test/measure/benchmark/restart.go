package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/mesostest"
	"github.com/k8sm/k8sm/mesos/session"
)

// restartTasks is the number of tasks that run while the session is restarted.
const restartTasks = 10000

// measureRestart measures the start of a session with many running tasks on record and one waiting
// demand: the time until task reconciliation has answered for all, and until the first ACCEPT.
func measureRestart(ctx context.Context, _ options) (figures []figure, err error) {
	accepts := make(chan struct{}, 1)
	m, err := mesostest.NewMaster(mesostest.MasterOptions{Observe: func(c *schedulerpb.Call) {
		if c.Type == schedulerpb.Call_ACCEPT {
			select {
			case accepts <- struct{}{}:
			default:
			}
		}
	}})
	if err != nil {
		return nil, fmt.Errorf("starting the Mesos master: %w", err)
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	if err := addAgents(m, restartTasks/4+1); err != nil {
		return nil, err
	}
	l := newMemoryStore()
	launched, err := launchNodes(ctx, m, l, restartTasks)
	if err != nil {
		return nil, err
	}
	select {
	case <-accepts: // of before
	default:
	}
	calls := m.Calls()
	r, err := restart(ctx, m, l, accepts)
	if err != nil {
		return nil, err
	}
	return []figure{{
		Name: "restart_10000_tasks", Value: r.decided.Seconds(), Unit: "s", Goal: "under 5",
		Beside: map[string]float64{
			"tasks": restartTasks, "subscribed_s": r.subscribed.Seconds(), "reconciled_s": r.reconciled.Seconds(), "launching_them_s": launched.Seconds(),
			"reconcile_calls": float64(m.Calls()["RECONCILE"] - calls["RECONCILE"]),
		},
		Note: "from making the session, records in hand, to the first ACCEPT for a demand that waits; the master is in this process and allocates every second",
	}}, nil
}

// launchNodes launches nodes with a session, and ends it when all run.
func launchNodes(ctx context.Context, m *mesostest.Master, l *memoryStore, n int) (took time.Duration, err error) {
	s, err := session.New(l.config(m.Addr()))
	if err != nil {
		return 0, err
	}
	stop := runSession(ctx, s)
	defer func() { err = errors.Join(err, stop()) }()
	start := time.Now()
	for i := range n {
		s.AddDemand(node(i))
	}
	err = waitFor(ctx, 20*time.Millisecond, func() (bool, string, error) {
		return l.count() == n, fmt.Sprintf("%d of %d nodes run", l.count(), n), nil
	})
	return time.Since(start), err
}

// restartTimes are durations since the start.
type restartTimes struct{ subscribed, reconciled, decided time.Duration }

func restart(ctx context.Context, m *mesostest.Master, l *memoryStore, accepts <-chan struct{}) (r restartTimes, err error) {
	cfg := l.config(m.Addr())
	changed := make(chan struct{}, 1)
	cfg.OnChange = func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	ctx, cancel := context.WithTimeout(ctx, waitTimeout)
	defer cancel()
	start := time.Now()
	s, err := session.New(cfg)
	if err != nil {
		return r, err
	}
	s.AddDemand(node(restartTasks))
	stop := runSession(ctx, s)
	defer func() { err = errors.Join(err, stop()) }()
	for r.decided == 0 {
		select {
		case <-ctx.Done():
			return r, fmt.Errorf("waiting for the first ACCEPT: %s: %w", s.State().Message, ctx.Err())
		case <-accepts:
			r.decided = time.Since(start)
		case <-changed:
			switch st := s.State(); {
			case st.Reconciled && r.reconciled == 0:
				r.reconciled = time.Since(start)
			case st.Subscribed && r.subscribed == 0:
				r.subscribed = time.Since(start)
			}
		}
	}
	return r, nil
}
