package placement

import "slices"

// class is demands that differ in their IDs, and in whom they avoid, only.
type class struct {
	demand      *Demand
	want        amounts
	err         error // the demand makes no sense
	constraints []parsedConstraint
	byHostname  bool      // one of them asks for it
	verdicts    []verdict // by profile
	group       *group
	slots       []agentSlot
	queue       candidateHeap
	explained   *Explanation // without anyone avoided
}

// classKey is what demands of one class have in common, but for their constraints.
type classKey struct {
	group, role string
	resources   Resources
	maxPerAgent int
}

// ensureClass finds the class of a demand, or begins one by asking every agent once.
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
	c.byHostname = slices.ContainsFunc(d.Constraints, func(c Constraint) bool { return c.Attribute == Hostname })
	c.want, c.err = amountsOf(d.Resources)
	if c.err != nil {
		return c
	}
	c.slots = p.slots[d.Role]
	c.queue = make(candidateHeap, 0, len(c.slots))
	for i := range c.slots {
		if m := &c.slots[i]; m.exclusion == notExcluded && c.hasRoom(m) && c.evaluate(p, m) == allMet {
			c.queue = append(c.queue, c.rank(i))
		}
	}
	c.queue.heapify()
	return c
}

// hasRoom says that one more fits.
func (c *class) hasRoom(m *agentSlot) bool {
	if c.want == (amounts{}) || !m.left.free.covers(&c.want) {
		return false
	}
	return c.demand.MaxPerAgent <= 0 || c.group.count(m) < c.demand.MaxPerAgent
}

// selectSlot finds the best agent for a demand, nil if there is none. An agent's rank may be
// out of date because another class took from it: it is then asked again.
func (c *class) selectSlot(d *Demand) *agentSlot {
	var aside []candidate // avoided by this demand, not by the next
	var found *agentSlot
	for found == nil && len(c.queue) > 0 {
		top := &c.queue[0]
		m := &c.slots[top.index]
		switch {
		case slices.Contains(d.Avoid, m.offer().Agent.ID):
			aside = append(aside, c.queue.pop())
		case !c.hasRoom(m):
			c.queue.pop()
		default:
			if now := c.rank(top.index); now != *top {
				*top = now
				c.queue.siftDown(0)
				continue
			}
			found = m
		}
	}
	for _, a := range aside {
		c.queue.push(a)
	}
	return found
}

// rank of an agent for a class.
func (c *class) rank(index int) candidate {
	m := &c.slots[index]
	r := candidate{index: index, count: c.group.count(m)}
	for _, k := range [...]resourceKind{cpus, mem} { // disk and ports are rarely what is scarce
		if c.want[k] > 0 {
			r.leftover += float64(m.left.free[k]) / float64(c.want[k])
			r.unreserved = r.unreserved || m.left.reserved[k] < c.want[k]
		}
	}
	return r
}
