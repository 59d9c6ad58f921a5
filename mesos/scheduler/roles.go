package scheduler

import (
	"maps"
	"slices"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"
)

// role is what the master was told of a role.
type role struct {
	name       string
	member     bool // we are registered in it; else something is wanted in it nevertheless
	waiting    int
	suppressed bool
	told       time.Time // the last REVIVE or SUPPRESS
	revives    int
	// constraints of offers, encoded, that hide none that a want could use; empty for none.
	constraints string
}

// role finds a role, or notes it as one that we are not in.
func (c *Core) role(name string) *role {
	r := c.roles[name]
	if r == nil {
		r = &role{name: name}
		c.roles[name] = r
	}
	return r
}

// enrol makes the roles of the registration ours, and no others.
func (c *Core) enrol(now time.Time) {
	for _, name := range c.info.Roles {
		if r := c.role(name); !r.member {
			c.join(now, r)
		}
	}
	for _, r := range c.sortedRoles() {
		if r.member && !slices.Contains(c.info.Roles, r.name) {
			c.leave(r)
		}
	}
}

// join begins a role. Where nothing is wanted in it, or can be launched yet, the master is
// told so with the role itself.
func (c *Core) join(now time.Time, r *role) {
	r.member, r.suppressed = true, r.waiting == 0 || !c.launching()
	r.revives, r.constraints = 0, ""
	if r.waiting > 0 {
		c.reviveSoon(now, r)
	}
	c.out.Changed = true
}

// leave ends a role. Its offers are void; they are declined in case the master refuses
// to let us go.
func (c *Core) leave(r *role) {
	r.member = false
	c.agenda.clear(dutyRevive, r.name)
	c.agenda.clear(dutySuppress, r.name)
	ids := c.idle(r.name)
	for _, b := range c.sortedBatches() {
		if b.offers[0].Role != r.name {
			continue
		}
		c.dissolve(b)
		for _, h := range b.offers {
			c.release(h)
			ids = append(ids, h.ID)
		}
		c.abandonPrepared(b, "the framework left the role before the launch")
	}
	c.decline(ids, c.timing.DeclineFilter)
	if r.waiting == 0 {
		delete(c.roles, r.name)
	}
	c.out.Changed = true
}

func (c *Core) sortedRoles() []*role {
	out := make([]*role, 0, len(c.roles))
	for _, name := range slices.Sorted(maps.Keys(c.roles)) {
		out = append(out, c.roles[name])
	}
	return out
}

// reviveSoon has REVIVE sent, but no more often than is decent.
func (c *Core) reviveSoon(now time.Time, r *role) {
	if c.launching() {
		c.agenda.hasten(dutyRevive, r.name, later(now, r.told.Add(c.timing.ReviveInterval)))
	}
}

// revive asks for offers, and again later: a lost REVIVE must not wait for ever.
func (c *Core) revive(now time.Time, name string) {
	r := c.roles[name]
	if r.waiting == 0 || !c.launching() {
		return
	}
	r.suppressed, r.told = false, now
	r.constraints = c.constraintsOf(r)
	c.inform(now)
	c.enqueue(calls.ReviveWith([]string{name}))
	c.agenda.set(dutyRevive, name, now.Add(c.timing.Revive.after(r.revives)))
	r.revives++
}

// offered notes that offers came: REVIVE was heard, and what we turn away comes again
// by itself when its filter ends.
func (c *Core) offered(now time.Time, r *role) {
	if r.waiting > 0 && r.revives > 0 {
		c.agenda.set(dutyRevive, r.name, now.Add(c.timing.Revive.Max))
	}
	if r.waiting == 0 && r.suppressed {
		// SUPPRESS was lost, or these crossed it on the way.
		c.agenda.hasten(dutySuppress, r.name, later(now, r.told.Add(c.timing.Revive.Initial)))
	}
}

// suppress gives back what is held for a role, and ends offers in it.
func (c *Core) suppress(now time.Time, name string) {
	r := c.roles[name]
	if r.waiting > 0 || c.phase != up || c.tearing {
		return
	}
	c.decline(c.idle(name), c.timing.DeclineFilter)
	r.suppressed, r.told = true, now
	c.enqueue(calls.SuppressWith([]string{name}))
}
