package sessions

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/session"
)

// FrameworkChanges returns the channel of events for MesosFrameworks whose session changed
// its state, started or ended. Each event bears a MesosFramework with its name only. The
// channel must be read, because Start blocks on it.
func (r *Registry) FrameworkChanges() <-chan event.GenericEvent { return r.frameworks }

// NodeChanges returns the channel of events that concern nodes. An event that bears a
// MesosFramework, with its name only, means that its session started, became ready, is no
// longer ready, or ended. An event that bears a MesosNode, with its agent's ID only, means
// that the agent's maintenance changed. The channel must be read, because Start blocks on it.
func (r *Registry) NodeChanges() <-chan event.GenericEvent { return r.nodes }

// Notify records that the state of the named session may have changed. It does not block.
func (r *Registry) Notify(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notifyLocked(name)
}

func (r *Registry) notifyLocked(name string) {
	r.changed[name] = true
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// sendEvents sends the events for all sessions that Notify was called for.
func (r *Registry) sendEvents(ctx context.Context) {
	r.mu.Lock()
	changed := r.changed
	r.changed = map[string]bool{}
	r.mu.Unlock()
	for name := range changed {
		e := r.Find(name)
		r.sendMaintenance(ctx, name)
		if e == nil || e.Ended() {
			sendFramework(ctx, r.frameworks, name)
			sendFramework(ctx, r.nodes, name)
			continue
		}
		state := e.State()
		if state != e.announced {
			sendFramework(ctx, r.frameworks, name)
		}
		if e.announced == (session.State{}) || isReady(state) != isReady(e.announced) {
			sendFramework(ctx, r.nodes, name)
		}
		e.announced = state
	}
}

func sendFramework(ctx context.Context, to chan<- event.GenericEvent, name string) {
	send(ctx, to, event.GenericEvent{Object: &v1alpha1.MesosFramework{ObjectMeta: metav1.ObjectMeta{Name: name}}})
}

func send(ctx context.Context, to chan<- event.GenericEvent, e event.GenericEvent) {
	select {
	case to <- e:
	case <-ctx.Done():
	}
}
