package replacement

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/messages"
)

// noRoomPatience is the time for which a new node may wait for an offer until the old one is
// removed first, if it may be.
const noRoomPatience = time.Minute

// maxHeldAsked bounds the number of nodes in a decision that their pods keep: finding that out
// takes a question to the API server.
const maxHeldAsked = 20

// Decide returns what to do about the nodes of a pool that are to be replaced.
func Decide(p Pool) Plan {
	d := newDecision(p)
	d.dissolve()
	d.removeReplaced()
	d.removeFailed()
	d.removeFirst()
	d.create()
	d.explain()
	return d.plan
}

// decision is the working state of Decide.
type decision struct {
	Pool
	plan Plan
	// candidates are the nodes that are to be replaced, in the order in which that begins.
	candidates []Node
	// pairs has the new node by the name of the old one, for old nodes that are alive.
	pairs map[string]Node
	// removed has the names of the nodes that the plan removes.
	removed map[string]bool
	// disruptions is the number of removals that the plan, or a pair that is not done, still costs
	// of the budgets.
	disruptions int
	// obstacle is the first one that was met, with its message.
	obstacle Obstacle
	message  string
	// waits has, by name, what single candidates met.
	waits map[string]Wait
}

func newDecision(p Pool) *decision {
	d := &decision{Pool: p, pairs: map[string]Node{}, removed: map[string]bool{}, waits: map[string]Wait{}}
	alive := map[string]bool{}
	for _, n := range p.Nodes {
		alive[n.Name] = true
		if n.Reason != "" {
			d.candidates = append(d.candidates, n)
		}
	}
	for _, n := range p.Nodes {
		if n.Replaces != "" && alive[n.Replaces] {
			d.pairs[n.Replaces] = n
		}
	}
	d.plan.Candidates = len(d.candidates)
	d.sortCandidates()
	return d
}

// reasonOrder is the order in which reasons are served: what has a deadline first.
var reasonOrder = []v1alpha1.DisruptionReason{
	v1alpha1.DisruptionMaintenance, v1alpha1.DisruptionDrifted, v1alpha1.DisruptionOutdated, v1alpha1.DisruptionExpired,
}

// sortCandidates orders the candidates: by reason; then zone by zone, the zone first in which the
// smallest share of nodes is left to be replaced, so that one is finished before the next is
// begun; then the oldest first.
func (d *decision) sortCandidates() {
	type zone struct{ nodes, left int }
	zones := map[string]zone{}
	for _, n := range d.Nodes {
		z := zones[n.Zone]
		z.nodes++
		if n.Reason != "" {
			z.left++
		}
		zones[n.Zone] = z
	}
	share := func(n Node) float64 { return float64(zones[n.Zone].left) / float64(zones[n.Zone].nodes) }
	slices.SortFunc(d.candidates, func(a, b Node) int {
		return cmp.Or(
			cmp.Compare(slices.Index(reasonOrder, a.Reason), slices.Index(reasonOrder, b.Reason)),
			cmp.Compare(share(a), share(b)), cmp.Compare(a.Zone, b.Zone),
			a.Created.Compare(b.Created), cmp.Compare(a.Name, b.Name),
		)
	})
}

// dissolve removes new nodes whose old node may stay after all: the template was put back, or a
// maintenance was called off. No pod has moved yet.
func (d *decision) dissolve() {
	if d.Blocked != "" || d.Settling {
		return
	}
	for _, n := range d.Nodes {
		old, paired := d.pairs[n.Name]
		if paired && n.Reason == "" {
			d.plan.Dissolve = append(d.plan.Dissolve, old.Name)
			d.removed[old.Name] = true
			delete(d.pairs, n.Name)
		}
	}
	slices.Sort(d.plan.Dissolve)
}

// removeReplaced removes the old nodes of pairs whose new node has been ready for long enough.
func (d *decision) removeReplaced() {
	later := 0
	for _, c := range d.candidates {
		successor, paired := d.pairs[c.Name]
		if !paired || c.Protected || d.removed[c.Name] {
			continue
		}
		wait, ready := d.readyIn(successor)
		if ready && wait == 0 {
			d.tryRemove(c, fmt.Sprintf("%s; %s takes its place", c.Cause, successor.Name))
			continue
		}
		if ready {
			d.recheckAt(d.Now.Add(wait))
		}
		later++
	}
	d.disruptions += later // these are removed later, and their places in the budgets are taken
}

// readyIn returns the time until a node has been ready for long enough, and false if it is not
// ready.
func (d *decision) readyIn(n Node) (wait time.Duration, ready bool) {
	if n.ReadySince.IsZero() {
		return 0, false
	}
	return max(n.ReadySince.Add(d.MinReady).Sub(d.Now), 0), true
}

// removeFailed removes candidates that are not ready: they are of no use, and the pool creates
// others in their place.
func (d *decision) removeFailed() {
	if d.Blocked != "" || d.Paused {
		return
	}
	for _, c := range d.candidates {
		if c.ReadySince.IsZero() && !c.Protected && !d.removed[c.Name] && !d.paired(c) && (!c.Launched || d.drainRoom() > 0) {
			d.remove(c, c.Cause+"; it is not ready")
		}
	}
}

// drainRoom is the number of further nodes that may be on their way out at a time. Until they are
// gone they hold their resources, although others may have taken their places.
func (d *decision) drainRoom() int {
	return d.MaxUnavailable + d.MaxSurge - d.Leaving - len(d.removed)
}

// removeFirst removes old nodes before their new ones are ready, within the number that may be
// unavailable: where Mesos has no room for the new ones, or where there is no surge.
func (d *decision) removeFirst() {
	if d.Blocked != "" {
		return
	}
	ready := 0
	for _, n := range d.Nodes {
		if !n.ReadySince.IsZero() && !d.removed[n.Name] {
			ready++
		}
	}
	room := min(d.MaxUnavailable-max(d.Size-ready, 0), d.drainRoom())
	for _, c := range d.candidates {
		if c.ReadySince.IsZero() || c.Protected || d.removed[c.Name] || !d.noRoomFor(c) {
			continue
		}
		if room <= 0 {
			d.meetFor(c, ObstacleCapacity, d.describeNoRoom(c))
			return
		}
		if d.paired(c) {
			d.disruptions-- // its place in the budgets is taken already
		} else if d.hold(c) {
			continue
		}
		if d.tryRemove(c, c.Cause+"; there is no room for another node beside it") {
			room--
		}
	}
}

// noRoomFor reports whether the new node of a candidate cannot be had while the old one is there.
func (d *decision) noRoomFor(c Node) bool {
	successor, paired := d.pairs[c.Name]
	if d.Paused && !paired {
		return false
	}
	if d.MaxSurge == 0 {
		return true
	}
	if !paired || successor.NoRoomSince.IsZero() {
		return false
	}
	if until := successor.NoRoomSince.Add(noRoomPatience); until.After(d.Now) {
		d.recheckAt(until)
		return false
	}
	return true
}

func (d *decision) describeNoRoom(c Node) string {
	why := "there is no surge"
	if successor, paired := d.pairs[c.Name]; paired {
		why = fmt.Sprintf("%s finds no room beside %s", successor.Name, c.Name)
	}
	return fmt.Sprintf("%s, and no more than %s may be unavailable", why, messages.Count(d.MaxUnavailable, "node", "nodes"))
}

// create creates new nodes for candidates, within the surge and the budgets.
func (d *decision) create() {
	if d.Blocked != "" {
		if len(d.candidates) > len(d.removed) {
			d.meet(ObstacleBlocked, d.Blocked)
		}
		return
	}
	if d.MaxSurge == 0 || d.Paused {
		return
	}
	room, asked := d.MaxSurge-len(d.pairs)-d.Leaving-d.unpairedRemovals(), 0
	for _, c := range d.candidates {
		if d.paired(c) || d.removed[c.Name] || c.ReadySince.IsZero() {
			continue
		}
		switch {
		case room <= 0:
			d.meet(ObstacleProgress, fmt.Sprintf("there may be %s beyond the size of the pool at a time", messages.Count(d.MaxSurge, "node", "nodes")))
			return
		case !d.affordable(c):
			continue
		case asked == maxHeldAsked:
			return
		case d.hold(c):
			asked++
			continue
		}
		d.plan.Create = append(d.plan.Create, c.Name)
		d.disruptions++
		room--
	}
}

// unpairedRemovals counts the nodes that this plan removes without a pair. They hold their
// resources until they are drained.
func (d *decision) unpairedRemovals() int {
	n := 0
	for name := range d.removed {
		if _, paired := d.pairs[name]; !paired {
			n++
		}
	}
	return n
}

func (d *decision) paired(c Node) bool {
	_, paired := d.pairs[c.Name]
	return paired
}

// hold reports whether an annotation, or the pods of the candidate, keep it for now.
func (d *decision) hold(c Node) bool {
	if c.Protected {
		d.meet(ObstacleHeld, fmt.Sprintf("%s is annotated %s=true", c.Name, v1alpha1.AnnotationDoNotDisrupt))
		return true
	}
	if d.Held == nil {
		return false
	}
	if why := d.Held(c.Name); why != "" {
		d.meet(ObstacleHeld, fmt.Sprintf("%s: %s", c.Name, why))
		d.waits[c.Name] = Wait{ObstacleHeld, why}
		return true
	}
	return false
}

// affordable reports whether the budgets leave one more disruption for the candidate.
func (d *decision) affordable(c Node) bool {
	allowance := d.Allow(c.Reason)
	if allowance.Remaining > d.disruptions {
		return true
	}
	limit := allowance.Limit
	if allowance.Remaining > 0 {
		limit = "what was begun uses the disruption budget"
	} else {
		d.waits[c.Name] = Wait{ObstacleBudget, allowance.Budget + " allows no further node now"}
	}
	d.meet(ObstacleBudget, limit)
	d.recheckAt(allowance.Until)
	return false
}

// tryRemove removes a candidate if the budgets allow it.
func (d *decision) tryRemove(c Node, cause string) bool {
	if !d.affordable(c) {
		return false
	}
	d.disruptions++
	d.remove(c, cause)
	return true
}

func (d *decision) remove(c Node, cause string) {
	d.removed[c.Name] = true
	d.plan.Remove = append(d.plan.Remove, Removal{Name: c.Name, Reason: c.Reason, Cause: cause})
}

// meet notes what holds a replacement back. The first one counts.
func (d *decision) meet(o Obstacle, message string) {
	if d.obstacle == ObstacleNone {
		d.obstacle, d.message = o, message
	}
}

// meetFor notes what holds the replacement of one candidate back, and with it perhaps all others.
func (d *decision) meetFor(c Node, o Obstacle, message string) {
	d.meet(o, message)
	d.waits[c.Name] = Wait{o, message}
}

// explain sets the plan's obstacle. While something is begun, that is what is waited for.
func (d *decision) explain() {
	d.plan.Obstacle, d.plan.Message = d.obstacle, d.message
	d.plan.Waiting = d.waiting()
}

// recheckAt makes the caller decide again at that time or earlier.
func (d *decision) recheckAt(at time.Time) {
	if !at.IsZero() && (d.plan.RecheckAt.IsZero() || at.Before(d.plan.RecheckAt)) {
		d.plan.RecheckAt = at
	}
}
