package scheduler

import (
	"fmt"
	"slices"
	"time"

	"github.com/k8sm/k8sm/mesos/placement"
)

// demands is the part of the core that knows what is wanted.
type demands struct {
	wants map[string]*want
	// line is the wants in the order in which they came, with some that have left.
	line  []*want
	left  int // of the line
	roles map[string]*role
	// spent are task IDs that were used lately, so that a late call does not use one
	// again. The records guard it for good.
	spent      map[string]bool
	spentOrder []string
}

// spentMost bounds what is remembered of spent IDs.
const spentMost = 10000

// want is a demand from the time it is made until its task is launched.
type want struct {
	placement.Demand
	place   place
	since   time.Time // when it began to wait
	text    string    // why it waits
	agents  int       // how many agents the text speaks of
	judged  time.Time
	invalid bool
	gone    bool // no longer wanted
}

// place of a want.
type place uint8

const (
	waiting place = iota
	placed        // an intent is out
	burning       // its intent failed, and that is being recorded
)

func newDemands() demands {
	return demands{wants: map[string]*want{}, roles: map[string]*role{}, spent: map[string]bool{}}
}

// AddDemand asks for a task, or changes what was asked as long as it has no place.
func (c *Core) AddDemand(now time.Time, d placement.Demand) {
	if c.phase == ended || c.tearing || c.spent[d.ID] || c.tasks.known[d.ID] != nil {
		return
	}
	if d.Role == "" {
		d.Role = c.info.Roles[0]
	}
	w := c.wants[d.ID]
	if w != nil && (w.place == placed || w.place == burning || sameDemand(&w.Demand, &d)) {
		return
	}
	if w != nil {
		c.unwant(now, w)
	}
	w = &want{Demand: d}
	c.wants[d.ID] = w
	c.line = append(c.line, w)
	c.out.Changed = true
	if err := validateID(d.ID); err != nil {
		w.invalid, w.text = true, "cannot be launched: "+err.Error()
		return
	}
	c.await(now, w)
	c.settle(now)
}

// WithdrawDemand withdraws a demand. A task that was launched for it is not killed.
func (c *Core) WithdrawDemand(now time.Time, taskID string) {
	if w := c.wants[taskID]; w != nil {
		c.unwant(now, w)
		c.settle(now)
	}
}

// unwant takes a want away. If an intent is out, its answer finds the want gone.
func (c *Core) unwant(now time.Time, w *want) {
	w.gone = true
	if w.place == waiting {
		if !w.invalid {
			c.leaveRole(now, w.Role)
		}
		c.strike(w)
	}
	c.out.Changed = true
}

// strike removes a want from the books.
func (c *Core) strike(w *want) {
	w.gone = true
	if c.wants[w.ID] == w {
		delete(c.wants, w.ID)
	}
	c.left++
	if c.left > 64 && c.left > len(c.line)/2 {
		c.line = slices.DeleteFunc(c.line, func(w *want) bool { return c.wants[w.ID] != w })
		c.left = 0
	}
}

func (c *Core) forgetDemands() {
	for _, w := range c.line {
		w.gone = true
	}
	c.wants, c.line, c.left = map[string]*want{}, nil, 0
	for _, r := range c.roles {
		r.waiting = 0
	}
	c.agenda.clearAll(dutyRevive, dutyRetry)
}

// spend remembers that a task ID was used.
func (c *Core) spend(id string) {
	if c.spent[id] {
		return
	}
	c.spent[id] = true
	c.spentOrder = append(c.spentOrder, id)
	if len(c.spentOrder) > spentMost {
		delete(c.spent, c.spentOrder[0])
		c.spentOrder = c.spentOrder[1:]
	}
}

// await makes a want wait for a place.
func (c *Core) await(now time.Time, w *want) {
	w.place, w.since = waiting, now
	r := c.role(w.Role)
	r.waiting++
	r.revives = 0
	if !r.member {
		return
	}
	c.agenda.clear(dutySuppress, r.name)
	c.planSoon(now)
	c.reviveSoon(now, r)
}

// leaveRole notes that a want no longer waits.
func (c *Core) leaveRole(now time.Time, name string) {
	r := c.roles[name]
	r.waiting--
	switch {
	case r.waiting > 0:
	case !r.member:
		delete(c.roles, name)
	default:
		c.agenda.clear(dutyRevive, name)
		if c.launching() {
			c.agenda.set(dutySuppress, name, now.Add(c.timing.SuppressDelay))
		}
	}
}

// launching says that tasks may be launched now.
func (c *Core) launching() bool {
	return c.phase == up && c.state.Reconciled && c.idStored && !c.tearing
}

// PendingDemands counts the demands that have no place yet.
func (c *Core) PendingDemands() int {
	n := 0
	for _, r := range c.roles {
		if r.member {
			n += r.waiting
		}
	}
	return n
}

// Explain says why a wanted task has no place yet. It is not waiting when it is not
// wanted, or has a place.
func (c *Core) Explain(taskID string) (message string, isWaiting bool) {
	w := c.wants[taskID]
	switch {
	case w == nil || w.gone || w.place != waiting:
		return "", false
	case !w.invalid && !c.roles[w.Role].member:
		return fmt.Sprintf("cannot be placed: the framework is not in role %s", w.Role), true
	case c.groups[w.Group] != nil && !w.invalid:
		return "the launch could not be prepared: " + c.groups[w.Group].message, true
	case w.text != "":
		return w.text, true
	case !c.launching():
		return "waiting for the framework: " + c.state.Message, true
	case c.said.constraints != "" && c.roles[w.Role].constraints != "":
		return fmt.Sprintf("waiting for offers in role %s: no agent has offered anything that meets %s", w.Role, placement.FormatConstraints(w.Constraints)), true
	}
	return fmt.Sprintf("waiting for offers in role %s", w.Role), true
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func sameDemand(a, b *placement.Demand) bool {
	return a.ID == b.ID && a.Group == b.Group && a.Role == b.Role && a.Resources == b.Resources &&
		a.MaxPerAgent == b.MaxPerAgent && slices.Equal(a.Avoid, b.Avoid) &&
		slices.EqualFunc(a.Constraints, b.Constraints, placement.Constraint.Equal)
}
