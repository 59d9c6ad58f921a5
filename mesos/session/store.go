package session

import (
	"context"
	"time"

	"github.com/k8sm/k8sm/mesos/scheduler"
)

const (
	// storeTimeout bounds one call to the store.
	storeTimeout = 30 * time.Second
	// maxStoreCalls is the maximum number of calls to the store at the same time.
	maxStoreCalls = 16
)

func (s *Session) storeID(id string) {
	ctx, cancel := context.WithTimeout(s.ctx, storeTimeout)
	defer cancel()
	err := s.cfg.Store.StoreFrameworkID(ctx, id)
	if err != nil {
		s.log.Error(err, "Storing the framework ID failed", "frameworkID", id)
		s.metrics.countStoreError("frameworkID")
	}
	s.withCore(func(now time.Time) { s.core.IDStored(now, err) })
}

func (s *Session) prepare(in scheduler.Intent) {
	ctx, cancel := context.WithTimeout(s.ctx, storeTimeout)
	defer cancel()
	p, err := s.cfg.Store.Prepare(ctx, in)
	if err != nil {
		s.log.V(1).Info("Preparing a launch failed", "task", in.TaskID, "agent", in.AgentID, "reason", err.Error())
		s.metrics.countStoreError("prepare")
	}
	s.withCore(func(now time.Time) { s.core.Prepared(now, in.TaskID, p, err) })
}

func (s *Session) record(st scheduler.TaskStatus) {
	ctx, cancel := context.WithTimeout(s.ctx, storeTimeout)
	defer cancel()
	err := s.cfg.Store.Record(ctx, st)
	if err != nil {
		s.log.V(1).Info("Recording a status failed", "task", st.TaskID, "state", string(st.State), "reason", err.Error())
		s.metrics.countStoreError("record")
	}
	s.withCore(func(now time.Time) { s.core.Recorded(now, st.TaskID, err) })
}
