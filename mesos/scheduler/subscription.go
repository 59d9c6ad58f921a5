package scheduler

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// subscription is the part of the core that holds the stream.
type subscription struct {
	phase      phase
	attempts   int // in vain, since a stream was steady
	since      time.Time
	heard      time.Time // the last event
	heartbeat  time.Duration
	idStored   bool
	idFailures int
	tearing    bool
}

// Step takes an event from the stream.
func (c *Core) Step(now time.Time, e *schedulerpb.Event) {
	if c.phase != connecting && c.phase != up {
		return
	}
	c.subscription.heard = now
	if c.phase == connecting && e.Type != schedulerpb.Event_SUBSCRIBED && e.Type != schedulerpb.Event_ERROR {
		c.drop(now, ProtocolError, fmt.Sprintf("the first event is %s, not SUBSCRIBED", e.Type))
		c.settle(now)
		return
	}
	switch e.Type {
	case schedulerpb.Event_SUBSCRIBED:
		c.onSubscribed(now, e.GetSubscribed())
	case schedulerpb.Event_UPDATE:
		if u := e.GetUpdate(); u != nil {
			c.onUpdate(now, statusOf(&u.Status))
		}
	case schedulerpb.Event_FAILURE:
		c.onFailure(now, e.GetFailure())
	case schedulerpb.Event_ERROR:
		c.onError(now, e.GetError().GetMessage())
	default:
		c.stepOffers(now, e)
	}
	c.settle(now)
}

// stepOffers takes events that concern offers. The rest, HEARTBEAT, and what we do not
// know or need, has been heard.
func (c *Core) stepOffers(now time.Time, e *schedulerpb.Event) {
	switch e.Type {
	case schedulerpb.Event_OFFERS:
		c.onOffers(now, e.GetOffers().GetOffers())
	case schedulerpb.Event_RESCIND:
		c.onRescind(now, e.GetRescind().GetOfferID().Value)
	case schedulerpb.Event_INVERSE_OFFERS:
		c.onInverseOffers(now, e.GetInverseOffers().GetInverseOffers())
	case schedulerpb.Event_RESCIND_INVERSE_OFFER:
		c.onRescindInverseOffer(now, e.GetRescindInverseOffer().GetInverseOfferID().Value)
	}
}

// Disconnected says that the stream ended, or that none came about, and why: one of the
// reasons of a State, and a message for a person.
func (c *Core) Disconnected(now time.Time, reason StateReason, message string) {
	if c.phase != connecting && c.phase != up {
		return
	}
	c.lose(now, reason, message)
	c.settle(now)
}

// RetrySoon says that to subscribe promises more than it did: another master leads, or the
// credentials are others. The next attempt comes soon, though not at once: we may be one
// of many that were told.
func (c *Core) RetrySoon(now time.Time) {
	if c.phase != down {
		return
	}
	c.attempts = 0
	c.agenda.hasten(dutySubscribe, "", now.Add(jittered(c.rand, c.timing.Subscribe.after(0))))
}

// IDStored answers Ready.StoreID.
func (c *Core) IDStored(now time.Time, err error) {
	if err != nil {
		c.agenda.set(dutyStoreID, "", now.Add(c.timing.Store.after(c.idFailures)))
		c.idFailures++
		return
	}
	c.idStored, c.idFailures = true, 0
	c.beginLaunching(now)
	c.settle(now)
}

// subscribe asks for a stream. Roles in which nothing is wanted are suppressed; before
// task reconciliation all, so that no offer waits for it.
func (c *Core) subscribe() {
	c.phase = connecting
	for _, name := range c.info.Roles {
		r := c.roles[name]
		r.suppressed = r.waiting == 0 || len(c.tasks.known) > 0
		r.constraints = c.constraintsOf(r)
	}
	c.said = c.terms()
	c.out.Subscribe = c.subscribeCall()
}

func (c *Core) onSubscribed(now time.Time, s *schedulerpb.Event_Subscribed) {
	id := s.GetFrameworkID().GetValue()
	switch {
	case c.phase == up:
		return // a second one says nothing new
	case id == "":
		c.drop(now, ProtocolError, "SUBSCRIBED names no framework ID")
		return
	case c.info.ID != "" && id != c.info.ID:
		c.drop(now, ProtocolError, fmt.Sprintf("subscribed as framework %s, and the master calls us %s", c.info.ID, id))
		return
	}
	if c.info.ID == "" {
		c.info.ID = id
		c.out.StoreID = id
	}
	c.phase, c.since = up, now
	c.heartbeat = heartbeatOf(s)
	c.agenda.set(dutySilence, "", now.Add(c.silence()))
	st := State{Subscribed: true, FrameworkID: id, Reason: ReconcilingTasks}
	st.Master, st.MasterVersion = masterOf(s)
	st.Message = "asking the master what became of " + countOf(len(c.tasks.known), "task")
	c.setState(st)
	if c.tearing {
		c.enqueue(&schedulerpb.Call{Type: schedulerpb.Call_TEARDOWN})
		return
	}
	c.beginReconciliation(now)
	c.killAgain(now)
	c.proposeAgain(now)
}

// heartbeatOf is Mesos' default when the master says nothing or nonsense.
func heartbeatOf(s *schedulerpb.Event_Subscribed) time.Duration {
	seconds := s.GetHeartbeatIntervalSeconds()
	if math.IsNaN(seconds) || seconds <= 0 || seconds > 600 {
		return 15 * time.Second
	}
	return max(time.Duration(seconds*float64(time.Second)), 10*time.Millisecond)
}

func masterOf(s *schedulerpb.Event_Subscribed) (address, version string) {
	m := s.GetMasterInfo()
	host, port := m.GetHostname(), int(m.GetPort())
	if a := m.GetAddress(); a != nil {
		port = int(a.GetPort())
		if a.GetIP() != "" {
			host = a.GetIP()
		} else {
			host = a.GetHostname()
		}
	}
	if host == "" {
		return "", m.GetVersion()
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]" // IPv6
	}
	return host + ":" + strconv.Itoa(port), m.GetVersion()
}

func (c *Core) silence() time.Duration {
	return time.Duration(c.timing.MissedHeartbeats) * c.heartbeat
}

func (c *Core) checkSilence(now time.Time) {
	if until := c.subscription.heard.Add(c.silence()); now.Before(until) {
		c.agenda.set(dutySilence, "", until)
		return
	}
	c.drop(now, MasterUnreachable, fmt.Sprintf("nothing was heard from the master for %s", c.silence()))
}

// onError handles the master's last word. All of them are final: even a refusal of
// what we are comes as an event on a stream that was accepted.
func (c *Core) onError(now time.Time, message string) {
	reason := Refused
	switch {
	case strings.Contains(message, "failed over"):
		reason, message = FailedOver, message+": another scheduler subscribed with our framework ID"
	case strings.Contains(message, "has been removed"):
		reason = FrameworkRemoved
	case c.phase == connecting && c.said.constraints != "":
		c.unconstrained = true
		c.drop(now, Refused, "subscribing again without offer constraints: "+message)
		return
	}
	c.end(reason, message)
}

// end is final: what was on its way is no longer ours to settle.
func (c *Core) end(reason StateReason, message string) {
	c.out.Disconnect = true
	c.phase = ended
	c.agenda = newAgenda()
	c.sending.queue = nil
	c.forgetOffers()
	c.setState(State{FrameworkID: c.info.ID, Master: c.state.Master, MasterVersion: c.state.MasterVersion, Reason: reason, Message: message, Final: true})
}

// drop closes the stream from our side.
func (c *Core) drop(now time.Time, reason StateReason, message string) {
	c.out.Disconnect = true
	c.lose(now, reason, message)
}

// lose handles the end of a stream: offers are void, calls that were not sent are not
// sent at all, and all tasks are asked for anew once there is another.
func (c *Core) lose(now time.Time, reason StateReason, message string) {
	if c.phase == up && now.Sub(c.since) >= c.timing.StableAfter {
		c.attempts = 0
	}
	c.phase, c.update = down, nil
	c.agenda.clearAll(dutySilence, dutyHold, dutyBatch, dutyPlan, dutyPatience, dutyAsk, dutyImplicit, dutyKill, dutyRevive, dutySuppress, dutyCalls)
	c.round = nil
	c.dropUnsent()
	c.voidLaunches()
	c.forgetOffers()
	c.forgetInverseOffers()
	c.agenda.set(dutySubscribe, "", now.Add(jittered(c.rand, c.timing.Subscribe.after(c.attempts))))
	c.attempts++
	c.setState(State{FrameworkID: c.info.ID, Master: c.state.Master, MasterVersion: c.state.MasterVersion, Reason: reason, Message: message})
}

// Teardown has the framework removed with all its tasks, as soon as there is a stream.
// Nothing is launched any more.
func (c *Core) Teardown(now time.Time) {
	if c.tearing || c.phase == ended {
		return
	}
	if c.info.ID == "" {
		c.end(FrameworkRemoved, "the framework was never registered")
		return
	}
	c.tearing = true
	c.forgetDemands()
	if c.phase == up {
		c.enqueue(&schedulerpb.Call{Type: schedulerpb.Call_TEARDOWN})
	}
	c.settle(now)
}

// CallAccepted says that the master took a call of those that take effect before they are
// answered: TEARDOWN, and UPDATE_FRAMEWORK.
func (c *Core) CallAccepted(now time.Time, call *Call) {
	if c.phase == ended {
		return
	}
	switch {
	case call.Type == schedulerpb.Call_TEARDOWN:
		c.end(FrameworkRemoved, "the framework was torn down")
	case call == c.update:
		c.agreed(now)
	}
	c.settle(now)
}
