package scheduler

import (
	"fmt"
	"reflect"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"

	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler/demands"
	"github.com/k8sm/k8sm/mesos/scheduler/quota"
	"github.com/k8sm/k8sm/mesos/scheduler/registration"
)

// AddDemand asks for a task, or changes what was asked for until it is matched to an offer.
func (c *Core) AddDemand(now time.Time, d placement.Demand) {
	if c.connection.HasEnded() || c.connection.IsTearingDown() || c.book.usedIDs.Has(d.ID) || c.tracker.tasks.Get(d.ID) != nil {
		return
	}
	if d.Role == "" {
		d.Role = c.registration.Wanted().Roles[0]
	}
	if before := c.book.Get(d.ID); before != nil {
		if before.State != demands.Waiting || demands.Equal(&before.Demand, &d) {
			return
		}
		c.book.withdraw(now, before)
	}
	added := c.book.Add(d)
	c.out.setChanged(true)
	if err := registration.ValidateID(d.ID); err != nil {
		added.Problem = "cannot be launched: " + err.Error()
		return
	}
	c.book.wait(now, added)
	c.launcher.planSoonFor(now, added)
	c.settle(now)
}

// WithdrawDemand withdraws a demand. A task that was launched for it is not killed.
func (c *Core) WithdrawDemand(now time.Time, taskID string) {
	if d := c.book.Get(taskID); d != nil {
		c.book.withdraw(now, d)
		c.out.setChanged(true)
		c.settle(now)
	}
}

// PendingDemands counts the demands that could be placed, and are not.
func (c *Core) PendingDemands() int { return c.book.waitingCount() }

// SetQuotas takes the headrooms of the roles whose quota has a limit. Explain names them.
func (c *Core) SetQuotas(byRole map[string]quota.Headroom) {
	c.out.setChanged(!reflect.DeepEqual(byRole, c.quotas))
	c.quotas = byRole
}

// Explain returns why a wanted task was not placed yet. It is not waiting when it is not
// wanted, or was placed.
func (c *Core) Explain(taskID string) (message string, isWaiting bool) {
	d := c.book.Get(taskID)
	if d == nil || d.Withdrawn || d.State != demands.Waiting {
		return "", false
	}
	if d.Problem != "" {
		return d.Problem, true
	}
	role := c.book.roles.Get(d.Role)
	if role == nil {
		return fmt.Sprintf("cannot be placed: the framework is not in role %s", d.Role), true
	}
	failure, hasFailed := c.book.backoff.Message(d.Group)
	switch {
	case hasFailed:
		return "the launch could not be prepared: " + failure, true
	case c.canLaunch() && c.quotas[d.Role].Lacks(d.Resources) != "":
		return c.quotas[d.Role].Lacks(d.Resources), true
	case d.Explanation().Text != "":
		return d.Explanation().Text, true
	case !c.canLaunch():
		return "waiting for the framework: " + c.state.Message, true
	case c.registration.HasConstraints() && role.Constraints != "":
		return fmt.Sprintf("waiting for offers in role %s: no agent has offered anything that meets %s", d.Role, placement.FormatConstraints(d.Constraints)), true
	}
	return fmt.Sprintf("waiting for offers in role %s", d.Role), true
}

// Prepared answers Ready.Intents: with the payload, once the intent is durable; or with the
// reason why nothing can be launched.
func (c *Core) Prepared(now time.Time, taskID string, p Payload, err error) {
	if !c.connection.HasEnded() && c.launcher.prepared(now, taskID, p, err) {
		c.setState(c.state) // an agent may have been refused
		c.settle(now)
	}
}

func (c *Core) retryGroup(now time.Time, group string) {
	if c.book.retryGroup(now, group) {
		c.launcher.planSoon(now)
	}
}

// beginLaunching has offers come where something is wanted. Where the subscription did
// not suppress them they come by themselves, and REVIVE is sent later if they do not.
func (c *Core) beginLaunching(now time.Time) {
	if !c.canLaunch() {
		return
	}
	for _, name := range c.registration.Wanted().Roles {
		r, isWanted := c.book.roles.Get(name), c.book.WaitingIn(name) > 0
		c.book.roles.Restart(name)
		switch {
		case !isWanted && !r.Suppressed:
			c.book.roles.SuppressLater(now, name)
		case isWanted && (r.Suppressed || r.Constraints != c.book.constraintsOf(r)):
			c.revive(now, name)
		case isWanted:
			c.book.roles.ReviveLater(now, name)
		}
	}
	c.launcher.planSoon(now)
}

// revive asks for offers in a role.
func (c *Core) revive(now time.Time, role string) {
	if c.book.WaitingIn(role) == 0 || !c.canLaunch() {
		return
	}
	c.book.roles.Revive(now, role, c.book.constraintsOf(c.book.roles.Get(role)))
	c.sendUpdate(now) // the constraints have to arrive before REVIVE
	c.calls.Send(calls.ReviveWith([]string{role}))
	c.book.roles.Revived(now, role)
}

// suppress declines the unused offers in a role, and has the master send no more.
func (c *Core) suppress(now time.Time, role string) {
	if c.book.WaitingIn(role) > 0 || !c.connection.IsSubscribed() || c.connection.IsTearingDown() {
		return
	}
	c.launcher.suppressed(role)
	c.book.roles.Suppress(now, role)
	c.calls.Send(calls.SuppressWith([]string{role}))
}
