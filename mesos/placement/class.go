package placement

import "slices"

// class is demands that differ in their IDs, and in whom they avoid, only.
type class struct {
	like        *Demand
	want        amounts
	err         error // the demand makes no sense
	constraints []constraint
	byHostname  bool      // one of them asks for it
	verdicts    []verdict // by profile
	group       *group
	machines    []machine
	queue       candidates
	explained   *Explanation // without anyone avoided
}

// kin is what demands of one class have in common, but for their constraints.
type kin struct {
	group, role string
	resources   Resources
	maxPerAgent int
}

// classOf finds the class of a demand, or begins one by asking every agent once.
func (p *pass) classOf(d *Demand) *class {
	k := kin{d.Group, d.Role, d.Resources, d.MaxPerAgent}
	for _, c := range p.classes[k] {
		if slices.EqualFunc(c.like.Constraints, d.Constraints, Constraint.Equal) {
			return c
		}
	}
	c := p.newClass(d)
	p.classes[k] = append(p.classes[k], c)
	return c
}

func (p *pass) newClass(d *Demand) *class {
	c := &class{like: d, constraints: parseConstraints(d.Constraints), group: p.groupOf(d.Group)}
	c.verdicts = make([]verdict, len(p.profiles.offers))
	c.byHostname = slices.ContainsFunc(d.Constraints, func(c Constraint) bool { return c.Attribute == Hostname })
	c.want, c.err = amountsOf(d.Resources)
	if c.err != nil {
		return c
	}
	c.machines = p.machines[d.Role]
	c.queue = make(candidates, 0, len(c.machines))
	for i := range c.machines {
		if m := &c.machines[i]; m.closed == open && c.room(m) && c.judge(p, m) == met {
			c.queue = append(c.queue, c.rank(i))
		}
	}
	c.queue.order()
	return c
}

// room says that one more fits.
func (c *class) room(m *machine) bool {
	if c.want == (amounts{}) || !m.left.free.holds(&c.want) {
		return false
	}
	return c.like.MaxPerAgent <= 0 || c.group.count(m) < c.like.MaxPerAgent
}

// claim finds the best agent for a demand, nil if there is none. An agent's rank may be
// out of date because another class took from it: it is then asked again.
func (c *class) claim(d *Demand) *machine {
	var aside []candidate // avoided by this demand, not by the next
	var found *machine
	for found == nil && len(c.queue) > 0 {
		top := &c.queue[0]
		m := &c.machines[top.index]
		switch {
		case slices.Contains(d.Avoid, m.offer().Agent.ID):
			aside = append(aside, c.queue.pop())
		case !c.room(m):
			c.queue.pop()
		default:
			if now := c.rank(top.index); now != *top {
				*top = now
				c.queue.sink(0)
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
	m := &c.machines[index]
	r := candidate{index: index, count: c.group.count(m)}
	for _, k := range [...]kind{cpus, mem} { // disk and ports are rarely what is scarce
		if c.want[k] > 0 {
			r.spare += float64(m.left.free[k]) / float64(c.want[k])
			r.foreign = r.foreign || m.left.reserved[k] < c.want[k]
		}
	}
	return r
}
