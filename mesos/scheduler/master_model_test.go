package scheduler_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// connect answers an attempt to subscribe.
func (w *simulation) connect() {
	if w.trying == nil {
		return
	}
	call := w.trying
	w.trying = nil
	if w.chance(30) {
		w.core.Disconnected(w.now, scheduler.NoLeader, "No leader elected")
		return
	}
	id := call.GetFrameworkID().GetValue()
	if id == "" && w.store.id != "" {
		w.t.Errorf("I9: subscribed without an ID where %s was stored", w.store.id)
	}
	if id == "" {
		id = fmt.Sprintf("F%d", w.rand.IntN(1000))
	}
	w.logf("subscribed as %s", id)
	w.master.disconnect()
	w.master.connected = true
	if constraintsText(call) != "" && w.chance(20) {
		w.master.send(&schedulerpb.Event{Type: schedulerpb.Event_ERROR, Error: &schedulerpb.Event_Error{Message: "invalid 'AttributeConstraint'"}})
		return
	}
	w.master.register(call, call.Subscribe.FrameworkInfo.Roles, call.Subscribe.SuppressedRoles)
	w.master.send(&schedulerpb.Event{Type: schedulerpb.Event_SUBSCRIBED, Subscribed: &schedulerpb.Event_Subscribed{
		FrameworkID: &mesos.FrameworkID{Value: id}, HeartbeatIntervalSeconds: ptr(500.0),
		MasterInfo: &mesos.MasterInfo{Version: ptr([]string{"1.11.1", "1.9.0"}[w.rand.IntN(2)])},
	}})
}

// register replaces what SUBSCRIBE and UPDATE_FRAMEWORK replace. Offers in a role that is left
// are void.
func (m *masterModel) register(call *scheduler.Call, roles, suppressed []string) {
	m.roles, m.constraints = roles, roleConstraints(call)
	clear(m.suppressed)
	for _, r := range suppressed {
		m.suppressed[r] = true
	}
	for _, id := range slices.Sorted(maps.Keys(m.offers)) {
		if !slices.Contains(roles, m.offers[id].role) {
			m.rescind(id)
		}
	}
}

func (m *masterModel) rescind(id string) {
	delete(m.offers, id)
	m.send(&schedulerpb.Event{Type: schedulerpb.Event_RESCIND, Rescind: &schedulerpb.Event_Rescind{OfferID: mesos.OfferID{Value: id}}})
}

// racks of the agents. Offer constraints see the first one only.
var racks = map[string][]string{"S0": {"r1"}, "S1": {"r2"}, "S2": {"r3", "r1"}}

// constraintsOf a node.
func constraintsOf(node string) []placement.Constraint {
	switch node {
	case "a":
		return []placement.Constraint{{Attribute: "rack", Operator: placement.In, Values: []string{"r1", "r9"}}}
	case "b":
		return []placement.Constraint{{Attribute: "rack", Operator: placement.NotIn, Values: []string{"r1"}}, {Attribute: "rack", Operator: placement.Exists}}
	}
	return nil
}

func mayRunOn(node, agent string) bool {
	switch node {
	case "a":
		return agent != "S1"
	case "b":
		return agent == "S1"
	}
	return true
}

// changeMaintenance plans maintenance, or calls it off.
func (w *simulation) changeMaintenance() {
	m := &w.master
	agent := fmt.Sprintf("S%d", w.rand.IntN(3))
	for _, id := range slices.Sorted(maps.Keys(m.offers)) {
		if m.offers[id].agent == agent {
			m.rescind(id)
		}
	}
	if m.windows[agent] != nil {
		delete(m.windows, agent)
		for _, id := range slices.Sorted(maps.Keys(m.inverse)) {
			delete(m.inverse, id)
			m.send(&schedulerpb.Event{Type: schedulerpb.Event_RESCIND_INVERSE_OFFER, RescindInverseOffer: &schedulerpb.Event_RescindInverseOffer{InverseOfferID: mesos.OfferID{Value: id}}})
		}
		return
	}
	start := w.now.Add(time.Duration(w.rand.IntN(240)) * time.Minute)
	m.windows[agent] = &mesos.Unavailability{Start: mesos.TimeInfo{Nanoseconds: start.UnixNano()}, Duration: &mesos.DurationInfo{Nanoseconds: int64(time.Hour)}}
	if m.connected {
		m.made++
		id := fmt.Sprintf("I%d", m.made)
		m.inverse[id] = w.now
		m.send(&schedulerpb.Event{Type: schedulerpb.Event_INVERSE_OFFERS, InverseOffers: &schedulerpb.Event_InverseOffers{InverseOffers: []mesos.InverseOffer{{
			OfferID: mesos.OfferID{Value: id}, AgentID: &mesos.AgentID{Value: agent}, Unavailability: *m.windows[agent],
		}}}})
	}
}

func (w *simulation) deliverEvent() {
	if len(w.master.events) == 0 {
		return
	}
	e := w.master.events[0]
	w.master.events = w.master.events[1:]
	w.logf("← %s", e.Type)
	for _, o := range e.GetOffers().GetOffers() {
		if out, ok := w.master.offers[o.ID.Value]; ok {
			out.sentAt = w.now
			w.master.offers[o.ID.Value] = out
		}
	}
	for _, o := range e.GetInverseOffers().GetInverseOffers() {
		if _, out := w.master.inverse[o.OfferID.Value]; out {
			w.master.inverse[o.OfferID.Value] = w.now
		}
	}
	w.core.Step(w.now, e)
}

// offer lets the master offer something, if it may.
func (w *simulation) offer() {
	m := &w.master
	if !m.connected {
		return
	}
	agent, role := fmt.Sprintf("S%d", w.rand.IntN(3)), m.roles[w.rand.IntN(len(m.roles))]
	if m.suppressed[role] || !m.passes(role, agent) {
		return
	}
	m.made++
	id := fmt.Sprintf("O%d", m.made)
	m.offers[id] = offerModel{sentAt: w.now, agent: agent, role: role}
	alloc := &mesos.Resource_AllocationInfo{Role: &role}
	o := mesos.Offer{ID: mesos.OfferID{Value: id}, AgentID: mesos.AgentID{Value: agent}, Hostname: agent, AllocationInfo: alloc, Unavailability: m.windows[agent], Resources: []mesos.Resource{
		{Name: "cpus", Type: mesos.SCALAR.Enum(), Scalar: &mesos.Value_Scalar{Value: float64(1 + w.rand.IntN(8))}, AllocationInfo: alloc},
		{Name: "mem", Type: mesos.SCALAR.Enum(), Scalar: &mesos.Value_Scalar{Value: 4096}, AllocationInfo: alloc},
	}}
	for _, r := range racks[agent] {
		o.Attributes = append(o.Attributes, mesos.Attribute{Name: "rack", Type: mesos.TEXT, Text: &mesos.Value_Text{Value: r}})
	}
	m.send(offersEvent(o))
}

// passes reports whether an agent meets one of the groups of constraints for a role.
func (m *masterModel) passes(role, agent string) bool {
	groups := m.constraints[role]
	return len(groups) == 0 || slices.ContainsFunc(groups, func(g message) bool {
		return !slices.ContainsFunc(all(g[1]), func(c message) bool {
			predicate, rack := c.in(2), racks[agent][0]
			return (predicate[3] != nil && predicate.in(3)[1][0] != rack) || (predicate[4] != nil && predicate.in(4)[1][0] == rack) || predicate[2] != nil
		})
	})
}

// callArrives lets the next call reach the master, or get lost.
func (w *simulation) callArrives() {
	if len(w.calls) == 0 || !w.master.connected {
		return
	}
	c := w.calls[0]
	w.calls = w.calls[1:]
	lost := w.chance(10)
	switch c.Type {
	case schedulerpb.Call_ACCEPT:
		if !lost {
			w.accept(c.Accept)
		}
		for _, id := range c.Accept.OfferIDs {
			delete(w.master.offers, id.Value)
		}
	case schedulerpb.Call_DECLINE:
		for _, id := range c.Decline.OfferIDs {
			delete(w.master.offers, id.Value)
		}
	case schedulerpb.Call_REVIVE, schedulerpb.Call_SUPPRESS:
		for _, r := range slices.Concat(c.GetRevive().GetRoles(), c.GetSuppress().GetRoles()) {
			if !lost {
				w.master.suppressed[r] = c.Type == schedulerpb.Call_SUPPRESS
			}
		}
	case schedulerpb.Call_ACCEPT_INVERSE_OFFERS:
		for _, id := range c.AcceptInverseOffers.InverseOfferIDs {
			delete(w.master.inverse, id.Value)
		}
	case schedulerpb.Call_UPDATE_FRAMEWORK:
		if w.chance(20) {
			w.core.CallRefused(w.now, c, "refused")
			return
		}
		w.master.register(c, c.UpdateFramework.FrameworkInfo.Roles, c.UpdateFramework.SuppressedRoles)
		w.core.CallAccepted(w.now, c)
	case schedulerpb.Call_KILL:
		if !w.chance(50) {
			w.kill(c.Kill.TaskID.Value)
		}
	case schedulerpb.Call_RECONCILE:
		if !lost {
			w.reconcile(c.Reconcile)
		}
	case schedulerpb.Call_ACKNOWLEDGE:
		id := c.Acknowledge.TaskID.Value
		if mt := w.master.tasks[id]; mt != nil && mt.uuid == string(c.Acknowledge.UUID) {
			mt.uuid = ""
			if scheduler.TaskState(mt.state.String()).Terminal() {
				delete(w.master.tasks, id)
			} else if mt.state == mesos.TASK_STARTING {
				w.update(id, mesos.TASK_RUNNING)
			}
		}
	}
}

func (w *simulation) accept(a *schedulerpb.Call_Accept) {
	valid := !slices.ContainsFunc(a.OfferIDs, func(id mesos.OfferID) bool { _, ok := w.master.offers[id.Value]; return !ok })
	for _, ti := range a.Operations[0].Launch.TaskInfos {
		id := ti.TaskID.Value
		if w.master.launched[id] {
			w.t.Errorf("task ID %s is used twice", id)
		}
		w.master.launched[id] = true
		if !valid || w.master.draining[ti.AgentID.Value] {
			w.master.drop(id, ti.AgentID.Value, valid)
			continue
		}
		node, _, _ := strings.Cut(id, ".")
		for other, mt := range w.master.tasks {
			if strings.HasPrefix(other, node+".") && !w.store.lost[other] && !scheduler.TaskState(mt.state.String()).Terminal() {
				w.t.Errorf("I1: %s is launched, and %s is %s", id, other, mt.state)
			}
		}
		w.master.tasks[id] = &taskModel{agent: ti.AgentID.Value, state: mesos.TASK_STAGING}
		w.update(id, mesos.TASK_STARTING)
	}
}

func (m *masterModel) drop(id, agent string, draining bool) {
	st := mesos.TaskStatus{TaskID: mesos.TaskID{Value: id}, AgentID: &mesos.AgentID{Value: agent}, State: mesos.TASK_DROPPED.Enum()}
	st.Reason = mesos.REASON_INVALID_OFFERS.Enum()
	if draining {
		st.Reason = mesos.REASON_AGENT_DRAINING.Enum()
	}
	m.send(updateOf(st))
}

// update is by the agent: it comes again until it is acknowledged.
func (w *simulation) update(id string, s mesos.TaskState) {
	mt := w.master.tasks[id]
	mt.state, mt.uuid = s, fmt.Sprintf("%s-%s-%d", id, s, w.rand.IntN(1e9))
	w.sendState(id, mt.agent, s, mt.uuid)
}

func (w *simulation) sendState(id, agent string, s mesos.TaskState, uuid string) {
	st := mesos.TaskStatus{TaskID: mesos.TaskID{Value: id}, AgentID: &mesos.AgentID{Value: agent}, State: &s}
	if uuid != "" {
		st.UUID = []byte(uuid)
	}
	w.master.send(&schedulerpb.Event{Type: schedulerpb.Event_UPDATE, Update: &schedulerpb.Event_Update{Status: st}})
}

func (w *simulation) resend() {
	for _, id := range slices.Sorted(maps.Keys(w.master.tasks)) {
		if mt := w.master.tasks[id]; mt.uuid != "" {
			w.sendState(id, mt.agent, mt.state, mt.uuid)
		}
	}
}

func (w *simulation) kill(id string) {
	mt := w.master.tasks[id]
	switch {
	case mt == nil:
		w.sendState(id, "S0", mesos.TASK_GONE, "")
	case !scheduler.TaskState(mt.state.String()).Terminal():
		w.update(id, mesos.TASK_KILLED)
	}
}

func (w *simulation) reconcile(r *schedulerpb.Call_Reconcile) {
	if len(r.Tasks) == 0 {
		for _, id := range slices.Sorted(maps.Keys(w.master.tasks)) {
			w.sendState(id, w.master.tasks[id].agent, w.master.tasks[id].state, "")
		}
	}
	for _, rt := range r.Tasks {
		if w.chance(20) {
			continue // an agent that is not back yet
		}
		if mt := w.master.tasks[rt.TaskID.Value]; mt != nil {
			w.sendState(rt.TaskID.Value, mt.agent, mt.state, "")
		} else {
			w.sendState(rt.TaskID.Value, rt.AgentID.GetValue(), mesos.TASK_GONE, "")
		}
	}
}
