package placement

import (
	"slices"

	"github.com/k8sm/k8sm/mesos/placement/portrange"
)

// class is a set of demands that differ only in their IDs and in the agents that they
// avoid. What was computed for one of them holds for all.
type class struct {
	demand      *Demand // the first one that came
	want        amounts
	err         error // the demand's resources are not valid
	constraints []parsedConstraint
	byHostname  bool      // a constraint is on the host name
	byRegion    bool      // a constraint is on the region
	verdicts    []verdict // by number of the profile
	group       *group
	slots       []agentSlot // of the demand's role
	queue       candidateHeap
	explanation *Explanation // for demands that avoid no agent; nil until it is needed
}

// classKey is what the demands of one class have in common, except their constraints,
// which cannot be compared by ==.
type classKey struct {
	group, role string
	resources   Resources
	maxPerAgent int
}

// ensureClass returns the class of a demand. A new class considers every agent once.
func (p *cycle) ensureClass(d *Demand) *class {
	k := classKey{d.Group, d.Role, d.Resources, d.MaxPerAgent}
	for _, c := range p.classes[k] {
		if slices.EqualFunc(c.demand.Constraints, d.Constraints, Constraint.Equal) {
			return c
		}
	}
	c := p.newClass(d)
	p.classes[k] = append(p.classes[k], c)
	return c
}

func (p *cycle) newClass(d *Demand) *class {
	c := &class{demand: d, constraints: parseConstraints(d.Constraints), group: p.ensureGroup(d.Group)}
	c.verdicts = make([]verdict, len(p.profiles.offers))
	c.byHostname, c.byRegion = d.Constrains(Hostname), d.Constrains(Region)
	c.want, c.err = amountsOf(d.Resources)
	if c.err != nil {
		return c
	}
	c.slots = p.slots[d.Role]
	c.queue = make(candidateHeap, 0, len(c.slots))
	for i := range c.slots {
		if s := &c.slots[i]; c.mayUse(p, s) && c.hasRoom(s) && c.evaluate(p, s) == allMet {
			c.queue = append(c.queue, c.rank(i))
		}
	}
	c.queue.heapify()
	return c
}

// mayUse reports whether nothing but constraints and resources keeps the class from an agent.
func (c *class) mayUse(p *cycle, s *agentSlot) bool {
	return s.exclusion == notExcluded && !c.isTooFar(s) && !p.isBackingOff(c, s)
}

// isTooFar reports whether an agent is in a region that the class does not ask for.
func (c *class) isTooFar(s *agentSlot) bool { return s.isRemote && !c.byRegion }

// hasRoom reports whether one more task of the class fits on an agent.
func (c *class) hasRoom(s *agentSlot) bool {
	return c.want != (amounts{}) && s.left.free.covers(&c.want) && !c.isFull(s)
}

// isFull reports whether an agent has as many tasks of the group as the class allows.
func (c *class) isFull(s *agentSlot) bool {
	return c.demand.MaxPerAgent > 0 && c.group.taskCount(s) >= c.demand.MaxPerAgent
}

// selectSlot finds the best agent for a demand; nil if there is none. An agent's rank is
// out of date when another class took from it. The agent is then ranked again.
func (c *class) selectSlot(d *Demand) *agentSlot {
	var avoided []candidate // by this demand; the next may use them
	var best *agentSlot
	for best == nil && len(c.queue) > 0 {
		top := &c.queue[0]
		s := &c.slots[top.index]
		switch {
		case slices.Contains(d.Avoid, s.first.Agent.ID):
			avoided = append(avoided, c.queue.pop())
		case !c.hasRoom(s):
			c.queue.pop()
		default:
			if now := c.rank(top.index); now != *top {
				*top = now
				c.queue.siftDown(0)
				continue
			}
			best = s
		}
	}
	for _, a := range avoided {
		c.queue.push(a)
	}
	return best
}

// rank computes the rank of an agent for the class. Disk and ports are left out, because
// they are rarely scarce.
func (c *class) rank(index int) candidate {
	s := &c.slots[index]
	r := candidate{index: index, taskCount: c.group.taskCount(s), hasFailed: s.backoff.concerns(c)}
	for _, k := range [...]resourceKind{cpus, mem} {
		if c.want[k] > 0 {
			r.leftover += float64(s.left.free[k]) / float64(c.want[k])
			r.unreserved = r.unreserved || s.left.reserved[k] < c.want[k]
		}
	}
	return r
}

// place takes what the demand with an index in the input wants from an agent. Its ID, which
// another attempt has not, chooses the ports.
func (c *class) place(demand int, id string, s *agentSlot) Match {
	s.own()
	if s.offerIDs == nil {
		s.offerIDs = s.collectOfferIDs()
	}
	taken, portNumbers := s.left.take(c.want, portrange.Seed(id))
	agent := s.first.Agent
	c.group.placed[agent.ID]++
	return Match{
		Demand:    demand,
		Agent:     agent,
		Offer:     s.first,
		OfferIDs:  s.offerIDs,
		Resources: taken,
		Ports:     portNumbers,
	}
}
