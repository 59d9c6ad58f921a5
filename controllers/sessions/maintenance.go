package sessions

import (
	"context"
	"maps"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// Maintenance returns when an agent of the named framework's cluster will be unavailable,
// false if nothing is planned or known. After the call, NodeChanges has an event for every
// change of the answer; it bears a MesosNode whose task is on that agent.
func (r *Registry) Maintenance(name, agentID string) (scheduler.Window, bool) {
	window := r.currentWindow(name, agentID)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.windows[name] == nil {
		r.windows[name] = map[string]scheduler.Window{}
	}
	r.windows[name][agentID] = window
	return window, window != scheduler.Window{}
}

// currentWindow returns the maintenance of an agent as the session knows it now.
func (r *Registry) currentWindow(name, agentID string) scheduler.Window {
	e := r.Find(name)
	if e == nil {
		return scheduler.Window{}
	}
	window, _ := e.MaintenanceWindow(agentID)
	return window
}

// sendMaintenance sends an event for each agent whose maintenance differs from the answer
// that was given last. Without a session nothing is known, and nothing is sent.
func (r *Registry) sendMaintenance(ctx context.Context, name string) {
	if r.Find(name) == nil {
		return
	}
	r.mu.Lock()
	given := maps.Clone(r.windows[name])
	r.mu.Unlock()
	for _, agentID := range slices.Sorted(maps.Keys(given)) {
		window := r.currentWindow(name, agentID)
		if window == given[agentID] {
			continue
		}
		r.mu.Lock()
		r.windows[name][agentID] = window
		r.mu.Unlock()
		node := &v1alpha1.MesosNode{Status: v1alpha1.MesosNodeStatus{Task: &v1alpha1.MesosTask{AgentID: agentID}}}
		send(ctx, r.nodes, event.GenericEvent{Object: node})
	}
}
