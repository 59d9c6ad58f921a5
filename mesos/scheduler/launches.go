package scheduler

import (
	"maps"
	"slices"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/placement"
)

// launches is the part of the core between a match and its ACCEPT.
type launches struct {
	intents map[string]*intent
	batches map[string]*batch
	// preparing counts the intents that the caller has not answered.
	preparing int
	// room is how many may be prepared at once, as experience teaches.
	room     int
	narrowed time.Time
	// crowded: the last plan left demands aside because too many were being prepared.
	crowded bool
	// groups that back off because a payload could not be prepared.
	groups map[string]*groupRest
	// occupied counts tasks and intents, by group and agent.
	occupied map[string]map[string]int
}

// leastRoom is how many intents are prepared at once however slow that is.
func (c *Core) leastRoom() int { return min(16, c.timing.MaxPreparing) }

// intent is a match that is being recorded and prepared.
type intent struct {
	Intent
	since     time.Time // when the match was made
	want      *want
	batch     *batch
	resources []mesos.Resource
	payload   Payload
	answered  bool
	ok        bool // prepared, and nothing has come between
}

// batch is what goes into one ACCEPT: all that is placed on one agent in one pass. One
// agent to an ACCEPT, because one bad offer voids all that goes with it.
type batch struct {
	id      string // its first offer's
	offers  []*held
	intents []*intent
	open    int // intents not yet answered
	void    bool
}

// groupRest is a group's back-off.
type groupRest struct {
	role     string
	message  string
	failures int
	until    time.Time
}

func newLaunches() launches {
	return launches{intents: map[string]*intent{}, batches: map[string]*batch{}, groups: map[string]*groupRest{}, occupied: map[string]map[string]int{}}
}

func (c *Core) occupy(group, agentID string, n int) {
	if agentID == "" {
		return
	}
	g := c.occupied[group]
	if g == nil {
		g = map[string]int{}
		c.occupied[group] = g
	}
	if g[agentID] += n; g[agentID] <= 0 {
		delete(g, agentID)
	}
	if len(g) == 0 {
		delete(c.occupied, group)
	}
}

// planSoon gathers what comes together into one pass.
func (c *Core) planSoon(now time.Time) {
	if len(c.held) > 0 && c.launching() {
		c.agenda.hasten(dutyPlan, "", now.Add(c.timing.PlanDelay))
	}
}

// plan matches what waits to what is offered.
func (c *Core) plan(now time.Time) {
	if !c.launching() {
		return
	}
	free := c.free()
	if len(free) == 0 {
		return
	}
	wants := c.waitingWants(now)
	if len(wants) == 0 {
		return
	}
	c.drained(now)
	in := placement.Input{
		Offers: free, Occupied: c.occupied, Now: now, MaintenanceLead: c.timing.MaintenanceLead, Maintenance: c.windows, Draining: c.draining,
	}
	for _, w := range wants {
		in.Demands = append(in.Demands, w.Demand)
	}
	res := placement.Plan(in)
	c.counts.Plans++
	batches := map[string]*batch{}
	for i := range res.Matches {
		m := &res.Matches[i]
		c.intend(now, wants[m.Demand], m, batches)
	}
	c.explain(now, wants, res.Refusals)
}

// waitingWants are the wants to place, as many as may be prepared.
func (c *Core) waitingWants(now time.Time) []*want {
	room := c.room - c.preparing
	c.crowded = false
	var out []*want
	for _, w := range c.line {
		if !c.waits(w) {
			continue
		}
		if g := c.groups[w.Group]; g != nil && now.Before(g.until) {
			continue
		}
		if len(out) >= room {
			c.crowded = true
			break
		}
		out = append(out, w)
	}
	return out
}

// intend turns a match into an intent.
func (c *Core) intend(now time.Time, w *want, m *placement.Match, batches map[string]*batch) {
	b := batches[m.OfferIDs[0]]
	if b == nil {
		b = c.newBatch(m.OfferIDs)
		batches[b.id] = b
	}
	in := &intent{
		Intent: Intent{
			TaskID: w.ID, AgentID: m.Agent.ID, Hostname: m.Agent.Hostname, Address: m.Agent.Address,
			Region: m.Agent.Region, Zone: m.Agent.Zone, Attributes: m.Offer.Attributes(),
			Ports: m.Ports, Resources: w.Resources,
		},
		since: now, want: w, batch: b, resources: m.Resources,
	}
	b.intents = append(b.intents, in)
	b.open++
	c.intents[w.ID] = in
	c.preparing++
	c.occupy(w.Group, m.Agent.ID, 1)
	c.taken(now, w.Role, m.Agent.ID, w.Resources)
	w.place = placed
	c.leaveRole(now, w.Role)
	c.out.Intents = append(c.out.Intents, in.Intent)
	c.out.Changed = true
}

func (c *Core) newBatch(offerIDs []string) *batch {
	b := &batch{id: offerIDs[0]}
	first := time.Time{}
	for _, id := range offerIDs {
		h := c.held[id]
		h.batch = b
		b.offers = append(b.offers, h)
		if first.IsZero() || h.since.Before(first) {
			first = h.since
		}
	}
	c.batches[b.id] = b
	c.agenda.set(dutyBatch, b.id, first.Add(c.timing.PrepareTimeout))
	return b
}

// explain keeps what was said against the demands that found no place. What is said of
// many agents stands against what is said of a few of them, until it is old.
func (c *Core) explain(now time.Time, wants []*want, refusals []placement.Refusal) {
	texts := map[*placement.Explanation]string{}
	for _, r := range refusals {
		w, e := wants[r.Demand], r.Explanation
		if e.Agents < w.agents && now.Sub(w.judged) < c.timing.DeclineFilter {
			continue
		}
		text, ok := texts[e]
		if !ok {
			text = e.String()
			texts[e] = text
		}
		if w.text != text {
			w.text = text
			c.out.Changed = true
		}
		w.agents, w.judged = e.Agents, now
	}
}

// Prepared answers Ready.Intents: the payload, once the intent is durable; or why
// nothing can be launched.
func (c *Core) Prepared(now time.Time, taskID string, p Payload, err error) {
	in := c.intents[taskID]
	if in == nil || in.answered || c.phase == ended {
		return
	}
	in.answered, in.payload = true, p
	in.batch.open--
	c.preparing--
	switch {
	case err != nil:
		c.rest(now, in.want, err.Error())
		c.abandon(in, TaskDropped, ReasonPrepareFailed, err.Error())
	case in.want.gone:
		c.abandon(in, TaskDropped, ReasonWithdrawn, "the demand was withdrawn before the launch")
	case in.batch.void:
		c.abandon(in, TaskDropped, ReasonInvalidOffers, "the offer was gone before the launch")
	default:
		in.ok = true
		delete(c.groups, in.want.Group)
		c.pace(now.Sub(in.since))
	}
	if in.batch.open == 0 && !in.batch.void {
		c.send(now, in.batch)
	}
	if c.crowded {
		c.planSoon(now)
	}
	c.settle(now)
}

// pace learns from how long an intent took to be prepared how many may be at once: more
// while that takes little of the time that offers are held, fewer when it takes much.
func (c *Core) pace(took time.Duration) {
	switch {
	case took < c.timing.PrepareTimeout/10:
		c.room = min(c.room+1, c.timing.MaxPreparing)
	case took > c.timing.PrepareTimeout/5:
		c.room = max(c.room-1, c.leastRoom())
	}
}

// abandon ends an intent that is not launched. It may be written durably, so that this
// is recorded too; what the store answers tells whether the ID is burnt.
func (c *Core) abandon(in *intent, s TaskState, reason, message string) {
	in.ok = false
	in.want.place = burning
	delete(c.intents, in.TaskID)
	c.occupy(in.want.Group, in.AgentID, -1)
	c.counts.Dropped++
	c.recordOurs(in, s, reason, message)
}

// send launches what is prepared of a batch, and gives the rest of its offers back.
func (c *Core) send(now time.Time, b *batch) {
	infos, launched := c.taskInfos(b)
	ids := make([]string, len(b.offers))
	for i, h := range b.offers {
		ids[i] = h.ID
		c.release(h)
	}
	c.dissolve(b)
	if len(infos) == 0 {
		c.decline(ids, c.timing.ShortDeclineFilter)
		return
	}
	c.counts.Accepted += uint64(len(ids))
	c.counts.Launched += uint64(len(infos))
	refuse := c.timing.DeclineFilter
	if c.roles[b.offers[0].Role].waiting > 0 {
		refuse = 0 // there may be takers for the rest: not all that wait were asked
	}
	c.enqueue(acceptCall(ids, infos, refuse))
	for _, in := range launched {
		delete(c.intents, in.TaskID)
		c.strike(in.want)
		c.launched(now, in)
	}
}

func (c *Core) taskInfos(b *batch) (infos []mesos.TaskInfo, launched []*intent) {
	for _, in := range b.intents {
		if !in.ok {
			continue
		}
		if in.want.gone {
			c.abandon(in, TaskDropped, ReasonWithdrawn, "the demand was withdrawn before the launch")
			continue
		}
		info, err := c.taskInfo(in)
		if err != nil {
			c.abandon(in, TaskError, ReasonPrepareFailed, err.Error())
			continue
		}
		infos = append(infos, info)
		launched = append(launched, in)
	}
	return infos, launched
}

// dissolve strikes a batch from the books.
func (c *Core) dissolve(b *batch) {
	b.void = true // for intents that are answered later
	delete(c.batches, b.id)
	c.agenda.clear(dutyBatch, b.id)
}

// closeBatch is called when offers were held for as long as they may be.
func (c *Core) closeBatch(now time.Time, id string) {
	b := c.batches[id]
	if now.Sub(c.narrowed) >= c.timing.PrepareTimeout { // batches that are late come in crowds
		c.room, c.narrowed = max(c.room/2, c.leastRoom()), now
	}
	if !slices.ContainsFunc(b.intents, func(in *intent) bool { return in.ok }) {
		c.counts.Expired += uint64(len(b.offers))
	}
	c.send(now, b)
}

// voidBatch is called when one of a batch's offers is gone. The others are free again.
func (c *Core) voidBatch(now time.Time, b *batch) {
	c.dissolve(b)
	var stale []string
	for _, h := range b.offers {
		switch {
		case h.gone:
		case h.since.Add(c.timing.OfferHold).After(now):
			h.batch = nil
		default:
			c.release(h)
			stale = append(stale, h.ID)
		}
	}
	c.decline(stale, c.timing.ShortDeclineFilter)
	c.abandonPrepared(b, "the offer was rescinded before the launch")
	c.planSoon(now)
}

// abandonPrepared ends the prepared intents of a void batch; the others end when they
// are answered.
func (c *Core) abandonPrepared(b *batch, message string) {
	for _, in := range b.intents {
		if in.ok {
			c.abandon(in, TaskDropped, ReasonInvalidOffers, message)
		}
	}
}

func (c *Core) sortedBatches() []*batch {
	out := make([]*batch, 0, len(c.batches))
	for _, id := range slices.Sorted(maps.Keys(c.batches)) {
		out = append(out, c.batches[id])
	}
	return out
}

// voidLaunches is called when the stream ends.
func (c *Core) voidLaunches() {
	for _, b := range c.sortedBatches() {
		c.dissolve(b)
		c.abandonPrepared(b, "the master was lost before the launch")
	}
}

// rest makes a group wait after a payload could not be prepared.
func (c *Core) rest(now time.Time, w *want, message string) {
	g := c.groups[w.Group]
	if g == nil {
		g = &groupRest{}
		c.groups[w.Group] = g
	}
	g.role, g.message = w.Role, message
	if now.Before(g.until) {
		return // failures that come together count as one
	}
	g.until = now.Add(c.timing.Prepare.after(g.failures))
	g.failures++
	c.agenda.set(dutyRetry, w.Group, g.until)
}

// retry ends a group's rest. Its failures are forgotten with the next success.
func (c *Core) retry(now time.Time, group string) {
	g := c.groups[group]
	if g == nil {
		return
	}
	if r := c.roles[g.role]; r != nil && r.member && r.waiting > 0 {
		r.revives = 0
		c.reviveSoon(now, r)
	}
	c.planSoon(now)
}

// burnt says that the store has recorded the end of an intent under its ID; or that it
// knows of none, and then the demand stands, and is tried again.
func (c *Core) burnt(now time.Time, in *intent, err error) {
	w := in.want
	switch {
	case err == nil:
		c.spend(in.TaskID)
		c.strike(w)
	case w.gone:
		c.strike(w)
	default:
		w.agents = 0
		c.await(now, w)
	}
	c.out.Changed = true
}
