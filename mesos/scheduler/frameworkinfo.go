package scheduler

import (
	"fmt"
	"slices"
	"time"

	"github.com/k8sm/k8sm/mesos/scheduler/registration"
)

// UpdateFramework changes what the framework is registered as: at once if there is a
// stream, else with the next SUBSCRIBE. What the master refuses is not tried again before
// the next subscription; State.Divergence reports it. The ID stays as it is.
func (c *Core) UpdateFramework(now time.Time, info Info) error {
	info.ID = c.registration.ID()
	if err := info.Validate(); err != nil {
		return fmt.Errorf("changing the registration: %w", err)
	}
	if c.connection.HasEnded() || c.connection.IsTearingDown() || c.registration.WasRefused(info) {
		return nil
	}
	if _, refused := c.registration.TakeRefused(); refused {
		c.setState(c.state)
	}
	info.Roles = slices.Clone(info.Roles)
	c.adopt(now, info)
	c.settle(now)
	return nil
}

// adopt takes another registration, and has the master know of it.
func (c *Core) adopt(now time.Time, info Info) {
	if c.registration.SetWanted(info) {
		c.syncRoles(now, info.Roles)
		c.sendUpdate(now)
	}
}

// constraints encodes the offer constraints for a master that knows them.
func (c *Core) constraints() string {
	if !c.registration.UsesConstraints() || !registration.IsAtLeast(c.state.MasterVersion, 1, 11) {
		return ""
	}
	return c.book.constraints()
}

// knowsUpdate reports whether the master knows UPDATE_FRAMEWORK.
func (c *Core) knowsUpdate() bool { return registration.IsAtLeast(c.state.MasterVersion, 1, 10) }

// sendUpdate sends the master what it was not sent yet. With masters that do not know
// UPDATE_FRAMEWORK, that takes another subscription.
func (c *Core) sendUpdate(now time.Time) {
	constraints := c.constraints()
	if !c.connection.IsSubscribed() || c.connection.IsTearingDown() || !c.registration.NeedsUpdate(constraints) {
		return
	}
	if !c.knowsUpdate() {
		c.drop(now, Connecting, "subscribing again, with other words: this master does not know UPDATE_FRAMEWORK")
		return
	}
	suppressed := c.book.roles.Suppressed(c.registration.Wanted().Roles)
	c.calls.SendCall(c.registration.Update(suppressed, constraints))
}

// updateRefused handles the refusal of UPDATE_FRAMEWORK. Without offer constraints the
// master may accept it; else the framework stays what it was registered as.
func (c *Core) updateRefused(now time.Time, message string) {
	registered, revert := c.registration.Refused(message)
	if !revert {
		c.sendUpdate(now)
		return
	}
	c.adopt(now, registered)
	c.setState(c.state)
}

// proposeAgain follows SUBSCRIBED: what was refused may be allowed by now.
func (c *Core) proposeAgain(now time.Time) {
	if c.knowsUpdate() {
		if refused, ok := c.registration.TakeRefused(); ok {
			c.setState(c.state)
			c.adopt(now, refused)
		}
	}
	c.sendUpdate(now)
}

// SetDivergence takes what the master's own answers show that it keeps of an earlier
// registration; empty for nothing. State.Divergence reports it.
func (c *Core) SetDivergence(text string) {
	c.registration.SetDivergence(text)
	c.setState(c.state)
}

// syncRoles makes the framework a member of the roles of its registration, and of no
// others. Where nothing is wanted, or can be launched yet, offers are suppressed.
func (c *Core) syncRoles(now time.Time, names []string) {
	for _, name := range names {
		if c.book.roles.Has(name) {
			continue
		}
		isWanted := c.book.WaitingIn(name) > 0
		c.book.roles.Join(name, !isWanted || !c.canLaunch())
		if isWanted {
			c.book.reviveSoon(now, name)
		}
		c.out.setChanged(true)
	}
	for _, r := range c.book.roles.Members() {
		if !slices.Contains(names, r.Name) {
			c.book.roles.Leave(r.Name, c.book.WaitingIn(r.Name) > 0)
			c.launcher.leaveRole(r.Name)
			c.out.setChanged(true)
		}
	}
}
