package scheduler

import (
	"fmt"
	"strings"
	"time"

	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/scheduler/connection"
	"github.com/k8sm/k8sm/mesos/scheduler/outgoing"
	"github.com/k8sm/k8sm/mesos/scheduler/registration"
	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

// Step takes an event from the stream.
func (c *Core) Step(now time.Time, e *schedulerpb.Event) {
	if !c.connection.IsOpen() {
		return
	}
	c.connection.Heard(now)
	if !c.connection.IsSubscribed() && e.Type != schedulerpb.Event_SUBSCRIBED && e.Type != schedulerpb.Event_ERROR {
		c.drop(now, ProtocolError, fmt.Sprintf("the first event is %s, not SUBSCRIBED", e.Type))
	} else if handle := onEvent[e.Type]; handle != nil {
		handle(c, now, e)
	}
	c.settle(now)
}

// Disconnected is called when the stream ended, or when none came about: with one of the
// reasons of a State, and a message for a person.
func (c *Core) Disconnected(now time.Time, reason StateReason, message string) {
	if c.connection.IsOpen() {
		c.lose(now, reason, message)
		c.settle(now)
	}
}

// RetrySoon is called when an attempt to subscribe has become more promising: another
// master leads, or the credentials are others. The next attempt comes soon.
func (c *Core) RetrySoon(now time.Time) { c.connection.RetrySoon(now) }

// IDStored answers Ready.StoreID.
func (c *Core) IDStored(now time.Time, err error) {
	if err != nil {
		c.idStore.Failed(now)
		return
	}
	c.idStore.Stored()
	c.beginLaunching(now)
	c.settle(now)
}

// subscribe asks for a stream. Roles in which nothing is wanted are suppressed; before task
// reconciliation all are, so that no offer waits for it.
func (c *Core) subscribe() {
	c.connection.Begin()
	info := c.registration.Wanted()
	for _, name := range info.Roles {
		r := c.book.roles.Get(name)
		r.Suppressed = c.book.WaitingIn(name) == 0 || c.tracker.tasks.Len() > 0
		r.Constraints = c.book.constraintsOf(r)
	}
	c.out.subscribe(c.registration.Subscribe(c.book.roles.Suppressed(info.Roles), c.constraints()))
}

// subscribed handles SUBSCRIBED. A second one on a stream contains nothing new.
func (c *Core) subscribed(now time.Time, s *schedulerpb.Event_Subscribed) {
	id, known := s.GetFrameworkID().GetValue(), c.registration.ID()
	switch {
	case c.connection.IsSubscribed():
		return
	case id == "":
		c.drop(now, ProtocolError, "SUBSCRIBED names no framework ID")
		return
	case known == "" && registration.ValidateID(id) != nil:
		c.drop(now, ProtocolError, fmt.Sprintf("SUBSCRIBED names a framework ID that cannot be one: %v", registration.ValidateID(id)))
		return
	case known != "" && id != known:
		c.drop(now, ProtocolError, fmt.Sprintf("subscribed as framework %s, and the master calls us %.255s", known, id))
		return
	}
	if known == "" {
		c.registration.SetID(id)
		c.calls.SetFrameworkID(id)
		c.out.storeID(id)
	}
	c.connection.Established(now, connection.HeartbeatOf(s))
	c.schedule.Connected(now)
	c.launcher.localRegion = connection.RegionOf(s)
	st := State{Subscribed: true, FrameworkID: id, Reason: ReconcilingTasks}
	st.Master, st.MasterVersion = connection.MasterOf(s)
	st.Message = "asking the master what became of " + countOf(c.tracker.tasks.Len(), "task")
	c.setState(st)
	if c.connection.IsTearingDown() {
		c.calls.Send(outgoing.Teardown())
		return
	}
	if c.tracker.beginReconciliation(now, c.launcher.launches.IsAbandoned) == 0 {
		c.finishReconciliation(now)
	}
	c.tracker.killAgain(now)
	c.proposeAgain(now)
}

func countOf(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (c *Core) checkHeartbeat(now time.Time) {
	if c.connection.IsSilent(now) {
		c.drop(now, MasterUnreachable, fmt.Sprintf("nothing was heard from the master for %s", c.connection.SilenceLimit()))
	}
}

// failed handles ERROR, after which the master closes the stream. All errors are final,
// except that a subscription with offer constraints is tried again without.
func (c *Core) failed(now time.Time, message string) {
	reason := Refused
	switch {
	case strings.Contains(message, "failed over"):
		reason, message = FailedOver, strings.TrimRight(message, ". ")+": another scheduler subscribed with our framework ID"
	case strings.Contains(message, "has been removed"):
		reason = FrameworkRemoved
	case !c.connection.IsSubscribed() && c.registration.HasConstraints():
		c.registration.DropConstraints()
		c.drop(now, Refused, "subscribing again without offer constraints: "+message)
		return
	}
	c.end(reason, message)
}

// end is final: calls and launches on their way are not settled any more.
func (c *Core) end(reason StateReason, message string) {
	c.out.disconnect()
	c.connection.End()
	c.timers.StopAll()
	c.calls.Drop()
	c.launcher.forgetOffers()
	st := c.withoutStream(reason, message)
	st.Final = true
	c.setState(st)
}

// withoutStream is the state without a stream. The last master stays known.
func (c *Core) withoutStream(reason StateReason, message string) State {
	return State{
		FrameworkID: c.registration.ID(), Master: c.state.Master, MasterVersion: c.state.MasterVersion,
		Reason: reason, Message: message,
	}
}

// drop closes the stream from this side.
func (c *Core) drop(now time.Time, reason StateReason, message string) {
	c.out.disconnect()
	c.lose(now, reason, message)
}

// lose handles the end of a stream: offers are void, calls that were not sent are not
// sent at all, and all tasks are asked about again once there is another stream.
func (c *Core) lose(now time.Time, reason StateReason, message string) {
	c.connection.Lost(now)
	c.registration.Disconnected()
	c.timers.StopKinds(timers.DeclineOffers, timers.SendBatch, timers.Plan, timers.ReconcileTimeout, timers.ReconcileTask,
		timers.ReconcileImplicitly, timers.Kill, timers.Revive, timers.Suppress, timers.SendCalls)
	c.tracker.reconciler.TakeRound()
	c.tracker.dropUnsent()
	c.launcher.disconnected()
	c.schedule.Disconnected()
	c.setState(c.withoutStream(reason, message))
}

// Teardown has the framework removed with all its tasks, as soon as there is a stream.
// Nothing is launched any more.
func (c *Core) Teardown(now time.Time) {
	if c.connection.IsTearingDown() || c.connection.HasEnded() {
		return
	}
	if c.registration.ID() == "" {
		c.end(FrameworkRemoved, "the framework was never registered")
		return
	}
	c.connection.TearDown()
	c.book.Clear()
	c.timers.StopKinds(timers.Revive, timers.RetryGroup)
	if c.connection.IsSubscribed() {
		c.calls.Send(outgoing.Teardown())
	}
	c.settle(now)
}

// CallAccepted is called when the master accepted a call that takes effect before it is
// answered: TEARDOWN, and UPDATE_FRAMEWORK.
func (c *Core) CallAccepted(now time.Time, call *Call) {
	if c.connection.HasEnded() {
		return
	}
	switch {
	case call.Type == schedulerpb.Call_TEARDOWN:
		c.end(FrameworkRemoved, "the framework was torn down")
	case c.registration.IsUpdate(call):
		c.registration.Accepted()
		c.sendUpdate(now)
	}
	c.settle(now)
}

// CallRefused is called when the master refused one call as malformed, while the stream
// lives on. What is refused once is refused again: nothing is sent again at once.
func (c *Core) CallRefused(now time.Time, call *Call, message string) {
	if c.connection.HasEnded() {
		return
	}
	if c.registration.IsUpdate(call) {
		c.updateRefused(now, message)
	}
	c.tracker.launchFailed(call, TaskError, ReasonCallRefused, message)
	c.settle(now)
}
