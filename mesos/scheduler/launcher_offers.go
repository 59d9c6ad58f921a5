package scheduler

import (
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler/offers"
	"github.com/k8sm/k8sm/mesos/scheduler/outgoing"
)

// offersArrived holds the offers that may be of use, and declines the others.
func (l *launcher) offersArrived(now time.Time, arrived []mesos.Offer, isTearingDown bool) {
	var unfit []string
	for i := range arrived {
		id := arrived[i].ID.Value
		if id == "" || l.offers.Get(id) != nil {
			continue
		}
		o, err := parseOffer(&arrived[i], l.registration.Wanted().Principal)
		if err != nil {
			l.counters.Malformed++
			l.tracker.lastIgnored = "an offer is declined: " + err.Error()
			unfit = append(unfit, id)
			continue
		}
		l.announce(now, o.Agent.ID, o.Maintenance)
		l.book.encoder.Learn(o.DuplicateAttributes())
		role, isWanted := l.book.roles.Get(o.Role), l.book.WaitingIn(o.Role) > 0
		if role == nil || (role.Suppressed && !isWanted) || isTearingDown {
			unfit = append(unfit, id)
		} else {
			l.offers.Add(now, o)
			l.observations.OfferSeen(now, o, l.offers.IsFree)
		}
		if role != nil {
			l.book.roles.OffersArrived(now, o.Role, isWanted)
		}
	}
	l.decline(unfit, l.timing.DeclineFilter)
	if l.offers.Len() > 0 {
		l.offers.ExpireSoon(now)
		l.planSoon(now)
	}
}

// parseOffer reads an offer whose agent can be stored.
func parseOffer(o *mesos.Offer, principal string) (*placement.Offer, error) {
	if err := offers.CheckAgent(o.AgentID.Value, o.Hostname, o.Domain, o.Attributes); err != nil {
		return nil, err
	}
	return placement.ParseOffer(o, principal)
}

func (l *launcher) decline(ids []string, refuse time.Duration) {
	if len(ids) > 0 {
		l.counters.Declined += uint64(len(ids))
		l.calls.Send(outgoing.Decline(ids, refuse))
	}
}

// declineStale gives back the offers that were held long enough for nothing. An agent that
// no demand fits is not offered again for long; one that was not considered comes back
// soon.
func (l *launcher) declineStale(now time.Time) {
	var long, short, next []string
	for _, o := range l.offers.TakeStale(now) {
		pause := l.pauseOf(now, o.Agent.ID)
		switch {
		case !l.book.canLaunch():
			short = append(short, o.ID)
		case l.isLimited && l.book.WaitingIn(o.Role) > 0:
			next = append(next, o.ID) // for demands that are planned as soon as the limit allows
		case pause > 0 && l.book.WaitingIn(o.Role) > 0:
			l.decline([]string{o.ID}, pause)
		default:
			long = append(long, o.ID)
		}
	}
	l.decline(long, l.timing.DeclineFilter)
	l.decline(short, l.timing.ShortDeclineFilter)
	l.decline(next, 0)
}

// pauseOf returns for how long the offers of an agent that is not used for a passing reason
// are turned away; 0 for other agents. A filter must not outlast its reason. Nobody reports
// the end of a maintenance window that is called off but the agent's next offer.
func (l *launcher) pauseOf(now time.Time, agentID string) time.Duration {
	if rest := l.draining.Remaining(now, agentID); rest > 0 {
		return min(rest, l.timing.DeclineFilter)
	}
	if w, planned := l.schedule.Window(agentID); planned && w.Start.Before(now.Add(l.timing.MaintenanceLead)) {
		return l.timing.ShortDeclineFilter
	}
	return 0
}

// announce takes what an offer, or an inverse offer, says about the maintenance of an agent.
func (l *launcher) announce(now time.Time, agentID string, w *placement.MaintenanceWindow) {
	_, wasPlanned := l.schedule.Window(agentID)
	l.out.setChanged(l.schedule.Announce(now, agentID, w))
	if _, isPlanned := l.schedule.Window(agentID); wasPlanned && !isPlanned {
		l.pauseEnded(now)
	}
}

// reviewMaintenance forgets a maintenance window that is over or was called off.
func (l *launcher) reviewMaintenance(now time.Time, agentID string) {
	if l.schedule.Review(now, agentID) {
		l.out.setChanged(true)
		l.pauseEnded(now)
	}
}

// drainingEnded has agents used again that refused a task because they drained.
func (l *launcher) drainingEnded(now time.Time) {
	l.draining.Expire(now)
	l.pauseEnded(now)
}

// pauseEnded has the offers of an agent come again that may be used from now on.
func (l *launcher) pauseEnded(now time.Time) {
	l.book.reviveWaiting(now)
	l.planSoon(now)
}

// suppressed gives back the unused offers in a role.
func (l *launcher) suppressed(role string) {
	l.decline(l.offers.TakeFree(role), l.timing.DeclineFilter)
}

// rescinded removes an offer that the master took back. One that was sent already is none
// of ours: the master reports what becomes of it.
func (l *launcher) rescinded(now time.Time, id string) {
	o := l.offers.Get(id)
	if o == nil {
		return
	}
	l.counters.Rescinded++
	l.observations.Forget(o.Agent.ID, o.Role)
	l.offers.Remove(o)
	b := l.launches.Batch(o.Batch)
	if b == nil {
		return
	}
	l.launches.Dissolve(b)
	l.decline(l.offers.Release(now, b.Offers), l.timing.ShortDeclineFilter)
	l.abandonPrepared(b, "the offer was rescinded before the launch")
	l.planSoon(now)
}
