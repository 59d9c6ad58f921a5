package mesosframework

import (
	"context"
	"maps"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// Maintenance is when an agent of the framework's cluster is to be unavailable, as far as
// the master has told. From then on NodeChanges tells of every change of the answer, by
// a MesosNode whose task is on that agent.
func (s *Sessions) Maintenance(name, agentID string) (scheduler.Window, bool) {
	window := s.window(name, agentID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.windows[name] == nil {
		s.windows[name] = map[string]scheduler.Window{}
	}
	s.windows[name][agentID] = window
	return window, window != scheduler.Window{}
}

// window is the maintenance of an agent as the session knows it now.
func (s *Sessions) window(name, agentID string) scheduler.Window {
	c := s.find(name)
	if c == nil {
		return scheduler.Window{}
	}
	window, _ := c.Maintenance(agentID)
	return window
}

// notifyWindows tells of the agents whose maintenance is not what nodes were told. While
// there is no session nothing is known, and nothing is news.
func (s *Sessions) notifyWindows(ctx context.Context, name string) {
	if s.find(name) == nil {
		return
	}
	s.mu.Lock()
	told := maps.Clone(s.windows[name])
	s.mu.Unlock()
	for _, agentID := range slices.Sorted(maps.Keys(told)) {
		window := s.window(name, agentID)
		if window == told[agentID] {
			continue
		}
		s.mu.Lock()
		s.windows[name][agentID] = window
		s.mu.Unlock()
		node := &v1alpha1.MesosNode{Status: v1alpha1.MesosNodeStatus{Task: &v1alpha1.MesosTask{AgentID: agentID}}}
		select {
		case s.nodes <- event.GenericEvent{Object: node}:
		case <-ctx.Done():
		}
	}
}
