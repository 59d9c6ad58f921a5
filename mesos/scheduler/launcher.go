package scheduler

import (
	"errors"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler/agents"
	"github.com/k8sm/k8sm/mesos/scheduler/capacity"
	"github.com/k8sm/k8sm/mesos/scheduler/demands"
	"github.com/k8sm/k8sm/mesos/scheduler/launches"
	"github.com/k8sm/k8sm/mesos/scheduler/maintenance"
	"github.com/k8sm/k8sm/mesos/scheduler/offers"
	"github.com/k8sm/k8sm/mesos/scheduler/outgoing"
	"github.com/k8sm/k8sm/mesos/scheduler/registration"
	"github.com/k8sm/k8sm/mesos/scheduler/tasks"
	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

// launcher is the way from an offer to ACCEPT or DECLINE: offers are held, demands are
// matched to them, intents are prepared, batches are sent.
type launcher struct {
	timing   *Timing
	timers   *timers.Queue
	out      *output
	calls    *outgoing.Queue
	counters *Counters

	book         *demandBook
	registration *registration.Registration
	occupancy    *capacity.Occupancy
	observations *capacity.Observations
	schedule     *maintenance.Schedule
	draining     *maintenance.Draining
	tracker      *taskTracker
	failures     *agents.History
	localRegion  string // of the master that was subscribed to last

	offers   *offers.Set
	launches *launches.Set
	limiter  *launches.Limiter
	// isLimited means that the last plan left demands aside, because too many intents
	// were being prepared.
	isLimited bool
}

// planSoon has a plan made. What comes together is gathered into one plan.
func (l *launcher) planSoon(now time.Time) {
	if l.offers.Len() > 0 && l.book.canLaunch() {
		l.timers.SetNoLater(timers.Plan, "", now.Add(l.timing.PlanDelay))
	}
}

// plan matches the demands that wait to the offers that are free.
func (l *launcher) plan(now time.Time) {
	if !l.book.canLaunch() {
		return
	}
	free := l.offers.Free()
	if len(free) == 0 {
		return
	}
	waiting := l.demandsToPlace(now)
	if len(waiting) == 0 {
		return
	}
	l.draining.Expire(now)
	in := placement.Input{
		Offers: free, Occupied: l.occupancy.Counts(), Now: now, MaintenanceLead: l.timing.MaintenanceLead,
		Maintenance: l.schedule.Windows(), Draining: l.draining.Agents(), Backoffs: l.failures.Backoffs(), LocalRegion: l.localRegion,
	}
	for _, d := range waiting {
		in.Demands = append(in.Demands, d.Demand)
	}
	res := placement.Plan(in)
	l.counters.Plans++
	batches := map[string]*launches.Batch{}
	for i := range res.Matches {
		m := &res.Matches[i]
		b := batches[m.OfferIDs[0]]
		if b == nil {
			b = l.newBatch(m.OfferIDs)
			batches[b.ID] = b
		}
		l.launch(now, b, waiting[m.Demand], m)
	}
	l.explain(now, waiting, res.Refusals)
}

// demandsToPlace returns the demands to plan for: as many as may be prepared.
func (l *launcher) demandsToPlace(now time.Time) []*demands.Demand {
	free := l.limiter.Limit() - l.launches.Unanswered()
	l.isLimited = false
	var out []*demands.Demand
	for d := range l.book.placeable() {
		if l.book.backoff.Blocks(now, d.Group) {
			continue
		}
		if len(out) >= free {
			l.isLimited = true
			break
		}
		out = append(out, d)
	}
	return out
}

func (l *launcher) newBatch(offerIDs []string) *launches.Batch {
	used := make([]*offers.Offer, len(offerIDs))
	for i, id := range offerIDs {
		used[i] = l.offers.Get(id)
	}
	return l.launches.NewBatch(used)
}

// launch turns a match into an intent, which is to be prepared.
func (l *launcher) launch(now time.Time, b *launches.Batch, d *demands.Demand, m *placement.Match) {
	in := l.launches.Add(now, b, d, m)
	l.occupancy.Add(d.Group, m.Agent.ID, 1)
	l.observations.Placed(now, d.Role, m.Agent.ID, d.Resources)
	l.book.launch(now, d)
	l.out.prepare(in.Intent)
	l.out.setChanged(true)
}

// explain keeps why demands were not placed.
func (l *launcher) explain(now time.Time, waiting []*demands.Demand, refusals []placement.Refusal) {
	texts := map[*placement.Explanation]string{} // demands that are alike share one
	for _, r := range refusals {
		d, e := waiting[r.Demand], r.Explanation
		if !d.Accepts(e.Agents, now, l.timing.DeclineFilter) {
			continue
		}
		text, ok := texts[e]
		if !ok {
			text = e.String()
			texts[e] = text
		}
		l.out.setChanged(d.Explain(demands.Explanation{Text: text, Agents: e.Agents, At: now}, l.timing.DeclineFilter))
	}
}

// prepared takes the payload of an intent, or why it has none. It reports whether the
// intent waited for that.
func (l *launcher) prepared(now time.Time, taskID string, p Payload, err error) (expected bool) {
	in := l.launches.Answer(taskID, p)
	if in == nil {
		return false
	}
	d := in.Demand
	switch {
	case errors.Is(err, ErrAgentRefused):
		l.failures.Refused(now, in.Place(), ReasonAddressRefused, err.Error())
		l.abandon(in, TaskDropped, ReasonAddressRefused, err.Error())
	case err != nil:
		l.book.backoff.Failed(now, d.Group, d.Role, err.Error())
		l.abandon(in, TaskDropped, ReasonPrepareFailed, err.Error())
	case d.Withdrawn:
		l.abandon(in, TaskDropped, ReasonWithdrawn, "the demand was withdrawn before the launch")
	case in.Batch.Void:
		l.abandon(in, TaskDropped, ReasonInvalidOffers, "the offer was gone before the launch")
	default:
		in.Prepared = true
		l.book.backoff.Succeeded(d.Group)
		l.limiter.Took(now.Sub(in.CreatedAt))
	}
	if in.Batch.IsAnswered() && !in.Batch.Void {
		l.sendBatch(now, in.Batch)
	}
	if l.isLimited {
		l.planSoon(now)
	}
	return true
}

// abandon ends an intent that is not launched. It may be recorded, so that its end is
// recorded too: the answer of the store decides whether the ID is used up.
func (l *launcher) abandon(in *launches.Launch, s TaskState, reason, message string) {
	in.Demand.State = demands.Retiring
	l.launches.Abandon(in)
	l.occupancy.Add(in.Demand.Group, in.AgentID, -1)
	l.counters.Dropped++
	t := l.tracker.tasks.Note(in.TaskID, in.AgentID)
	l.tracker.record(t, tasks.OwnStatus(t.ID, in.AgentID, s, reason, message))
}

// retired settles a demand whose launch was abandoned. Without an error the store has
// recorded the end under its ID. Otherwise it has no record of the ID: the demand stands,
// and is tried again.
func (l *launcher) retired(now time.Time, in *launches.Launch, err error) {
	d := in.Demand
	switch {
	case err == nil:
		l.book.usedIDs.Add(in.TaskID)
		l.book.Remove(d)
	case d.Withdrawn:
		l.book.Remove(d)
	default:
		d.Reconsider()
		l.book.wait(now, d)
		l.planSoonFor(now, d)
	}
	l.out.setChanged(true)
}

// planSoonFor has a plan made for a demand that has begun to wait.
func (l *launcher) planSoonFor(now time.Time, d *demands.Demand) {
	if l.book.roles.Has(d.Role) {
		l.planSoon(now)
	}
}

// sendBatch launches what is prepared of a batch, and gives the rest of its offers back.
func (l *launcher) sendBatch(now time.Time, b *launches.Batch) {
	infos, launched := l.taskInfos(b)
	ids := l.offers.RemoveAll(b.Offers)
	l.launches.Dissolve(b)
	if len(infos) == 0 {
		l.decline(ids, l.timing.ShortDeclineFilter)
		return
	}
	l.counters.Accepted += uint64(len(ids))
	l.counters.Launched += uint64(len(infos))
	refuse := l.timing.DeclineFilter
	if l.book.WaitingIn(b.Role()) > 0 {
		refuse = 0 // another demand may use the rest: not all that wait were in the plan
	}
	l.calls.Send(outgoing.Accept(ids, infos, refuse))
	for _, in := range launched {
		l.launches.Sent(in)
		l.book.Remove(in.Demand)
		l.book.usedIDs.Add(in.TaskID)
		l.tracker.launched(now, in.TaskID, in.AgentID, in.Demand.Group)
		l.failures.Launched(now, in.TaskID, in.Place())
	}
}

func (l *launcher) taskInfos(b *launches.Batch) (infos []mesos.TaskInfo, launched []*launches.Launch) {
	for _, in := range b.Launches {
		if !in.Prepared {
			continue
		}
		if in.Demand.Withdrawn {
			l.abandon(in, TaskDropped, ReasonWithdrawn, "the demand was withdrawn before the launch")
			continue
		}
		info, err := in.TaskInfo(l.registration.ID())
		if err != nil {
			l.abandon(in, TaskError, ReasonPrepareFailed, err.Error())
			continue
		}
		infos = append(infos, info)
		launched = append(launched, in)
	}
	return infos, launched
}

// timedOut sends a batch whose offers were held for as long as they may be.
func (l *launcher) timedOut(now time.Time, id string) {
	b := l.launches.Batch(id)
	l.limiter.TimedOut(now)
	if !b.HasPrepared() {
		l.counters.Expired += uint64(len(b.Offers))
	}
	l.sendBatch(now, b)
}

// abandonPrepared ends the prepared intents of a void batch. The others end when they are
// answered.
func (l *launcher) abandonPrepared(b *launches.Batch, message string) {
	for _, in := range b.Launches {
		if in.Prepared {
			l.abandon(in, TaskDropped, ReasonInvalidOffers, message)
		}
	}
}

// disconnected abandons everything: offers are void without a stream.
func (l *launcher) disconnected() {
	for _, b := range l.launches.Batches() {
		l.launches.Dissolve(b)
		l.abandonPrepared(b, "the master was lost before the launch")
	}
	l.forgetOffers()
}

func (l *launcher) forgetOffers() { l.counters.Voided += uint64(l.offers.Clear()) }

// leaveRole gives back all offers in a role, in case the master refuses to let the
// framework leave it.
func (l *launcher) leaveRole(role string) {
	ids := l.offers.TakeFree(role)
	for _, b := range l.launches.Batches() {
		if b.Role() != role {
			continue
		}
		l.launches.Dissolve(b)
		ids = append(ids, l.offers.RemoveAll(b.Offers)...)
		l.abandonPrepared(b, "the framework left the role before the launch")
	}
	l.decline(ids, l.timing.DeclineFilter)
}
