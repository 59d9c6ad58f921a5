package framework_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/framework"
)

// connect lets an attempt to subscribe come to something.
func (w *world) connect() {
	if w.trying == nil {
		return
	}
	call := w.trying
	w.trying = nil
	if w.chance(30) {
		w.core.Disconnected(w.now, framework.NoLeader, "No leader elected")
		return
	}
	id := call.GetFrameworkID().GetValue()
	if id == "" && w.store.id != "" {
		w.t.Errorf("I9: subscribed without an ID where %s was stored", w.store.id)
	}
	if id == "" {
		id = fmt.Sprintf("F%d", w.rand.IntN(1000))
	}
	w.say("subscribed as %s", id)
	w.master.disconnect()
	w.master.connected = true
	w.master.suppressed = len(call.Subscribe.SuppressedRoles) > 0
	w.master.tell(&scheduler.Event{Type: scheduler.Event_SUBSCRIBED, Subscribed: &scheduler.Event_Subscribed{
		FrameworkID: &mesos.FrameworkID{Value: id}, HeartbeatIntervalSeconds: ptr(500.0),
	}})
}

func (w *world) deliver() {
	if len(w.master.events) == 0 {
		return
	}
	e := w.master.events[0]
	w.master.events = w.master.events[1:]
	w.say("← %s", e.Type)
	for _, o := range e.GetOffers().GetOffers() {
		if _, out := w.master.offers[o.ID.Value]; out {
			w.master.offers[o.ID.Value] = w.now
		}
	}
	w.core.Step(w.now, e)
}

// offer lets the master offer something, if it may.
func (w *world) offer() {
	m := &w.master
	if !m.connected || m.suppressed {
		return
	}
	m.made++
	id, agent, role := fmt.Sprintf("O%d", m.made), fmt.Sprintf("S%d", w.rand.IntN(3)), "k8sm"
	m.offers[id] = w.now
	alloc := &mesos.Resource_AllocationInfo{Role: &role}
	o := mesos.Offer{ID: mesos.OfferID{Value: id}, AgentID: mesos.AgentID{Value: agent}, Hostname: agent, AllocationInfo: alloc, Resources: []mesos.Resource{
		{Name: "cpus", Type: mesos.SCALAR.Enum(), Scalar: &mesos.Value_Scalar{Value: float64(1 + w.rand.IntN(8))}, AllocationInfo: alloc},
		{Name: "mem", Type: mesos.SCALAR.Enum(), Scalar: &mesos.Value_Scalar{Value: 4096}, AllocationInfo: alloc},
	}}
	m.tell(&scheduler.Event{Type: scheduler.Event_OFFERS, Offers: &scheduler.Event_Offers{Offers: []mesos.Offer{o}}})
}

// arrive lets the next call reach the master, or get lost.
func (w *world) arrive() {
	if len(w.calls) == 0 || !w.master.connected {
		return
	}
	c := w.calls[0]
	w.calls = w.calls[1:]
	lost := w.chance(10)
	switch c.Type {
	case scheduler.Call_ACCEPT:
		if !lost {
			w.accept(c.Accept)
		}
		for _, id := range c.Accept.OfferIDs {
			delete(w.master.offers, id.Value)
		}
	case scheduler.Call_DECLINE:
		for _, id := range c.Decline.OfferIDs {
			delete(w.master.offers, id.Value)
		}
	case scheduler.Call_REVIVE, scheduler.Call_SUPPRESS:
		if !lost {
			w.master.suppressed = c.Type == scheduler.Call_SUPPRESS
		}
	case scheduler.Call_KILL:
		if !w.chance(50) {
			w.kill(c.Kill.TaskID.Value)
		}
	case scheduler.Call_RECONCILE:
		if !lost {
			w.reconcile(c.Reconcile)
		}
	case scheduler.Call_ACKNOWLEDGE:
		id := c.Acknowledge.TaskID.Value
		if mt := w.master.tasks[id]; mt != nil && mt.uuid == string(c.Acknowledge.UUID) {
			mt.uuid = ""
			if framework.TaskState(mt.state.String()).Terminal() {
				delete(w.master.tasks, id)
			} else if mt.state == mesos.TASK_STARTING {
				w.update(id, mesos.TASK_RUNNING)
			}
		}
	}
}

func (w *world) accept(a *scheduler.Call_Accept) {
	valid := !slices.ContainsFunc(a.OfferIDs, func(id mesos.OfferID) bool { _, ok := w.master.offers[id.Value]; return !ok })
	for _, ti := range a.Operations[0].Launch.TaskInfos {
		id := ti.TaskID.Value
		if w.master.launched[id] {
			w.t.Errorf("task ID %s is used twice", id)
		}
		w.master.launched[id] = true
		if !valid {
			w.tellState(id, ti.AgentID.Value, mesos.TASK_DROPPED, "")
			continue
		}
		node, _, _ := strings.Cut(id, ".")
		for other, mt := range w.master.tasks {
			if strings.HasPrefix(other, node+".") && !w.store.lost[other] && !framework.TaskState(mt.state.String()).Terminal() {
				w.t.Errorf("I1: %s is launched, and %s is %s", id, other, mt.state)
			}
		}
		w.master.tasks[id] = &taskModel{agent: ti.AgentID.Value, state: mesos.TASK_STAGING}
		w.update(id, mesos.TASK_STARTING)
	}
}

// update is by the agent: it comes again until it is acknowledged.
func (w *world) update(id string, s mesos.TaskState) {
	mt := w.master.tasks[id]
	mt.state, mt.uuid = s, fmt.Sprintf("%s-%s-%d", id, s, w.rand.IntN(1e9))
	w.tellState(id, mt.agent, s, mt.uuid)
}

func (w *world) tellState(id, agent string, s mesos.TaskState, uuid string) {
	st := mesos.TaskStatus{TaskID: mesos.TaskID{Value: id}, AgentID: &mesos.AgentID{Value: agent}, State: &s}
	if uuid != "" {
		st.UUID = []byte(uuid)
	}
	w.master.tell(&scheduler.Event{Type: scheduler.Event_UPDATE, Update: &scheduler.Event_Update{Status: st}})
}

func (w *world) resend() {
	for _, id := range slices.Sorted(maps.Keys(w.master.tasks)) {
		if mt := w.master.tasks[id]; mt.uuid != "" {
			w.tellState(id, mt.agent, mt.state, mt.uuid)
		}
	}
}

func (w *world) kill(id string) {
	mt := w.master.tasks[id]
	switch {
	case mt == nil:
		w.tellState(id, "S0", mesos.TASK_GONE, "")
	case !framework.TaskState(mt.state.String()).Terminal():
		w.update(id, mesos.TASK_KILLED)
	}
}

func (w *world) reconcile(r *scheduler.Call_Reconcile) {
	if len(r.Tasks) == 0 {
		for _, id := range slices.Sorted(maps.Keys(w.master.tasks)) {
			w.tellState(id, w.master.tasks[id].agent, w.master.tasks[id].state, "")
		}
	}
	for _, rt := range r.Tasks {
		if w.chance(20) {
			continue // an agent that is not back yet
		}
		if mt := w.master.tasks[rt.TaskID.Value]; mt != nil {
			w.tellState(rt.TaskID.Value, mt.agent, mt.state, "")
		} else {
			w.tellState(rt.TaskID.Value, rt.AgentID.GetValue(), mesos.TASK_GONE, "")
		}
	}
}
