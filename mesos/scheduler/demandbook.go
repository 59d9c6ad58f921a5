package scheduler

import (
	"iter"
	"time"

	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler/demands"
	"github.com/k8sm/k8sm/mesos/scheduler/offerconstraints"
	"github.com/k8sm/k8sm/mesos/scheduler/roles"
	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

// demandBook joins what is wanted with the roles in which offers come for it: a role
// follows whether something waits in it.
type demandBook struct {
	*demands.Queue
	roles   *roles.Set
	backoff *demands.GroupBackoff
	usedIDs demands.UsedIDs
	encoder offerconstraints.Encoder
	// canLaunch reports whether tasks may be launched now.
	canLaunch func() bool
}

func newDemandBook(t *Timing, members []string, canLaunch func() bool, q *timers.Queue) *demandBook {
	cfg := roles.Config{Revive: t.Revive, ReviveInterval: t.ReviveInterval, SuppressDelay: t.SuppressDelay}
	return &demandBook{
		Queue: demands.NewQueue(), roles: roles.New(cfg, q, members),
		backoff: demands.NewGroupBackoff(t.Prepare, q), canLaunch: canLaunch,
	}
}

// wait has a demand wait, and offers come for it.
func (b *demandBook) wait(now time.Time, d *demands.Demand) {
	b.Wait(now, d)
	b.roles.Wanted(d.Role)
	if b.roles.Has(d.Role) {
		b.reviveSoon(now, d.Role)
	}
}

// withdraw takes a demand away. If it is being launched, the launch ends first.
func (b *demandBook) withdraw(now time.Time, d *demands.Demand) {
	if b.Withdraw(d) && d.Problem == "" {
		b.stoppedWaiting(now, d.Role)
	}
}

// launch notes that a demand was matched.
func (b *demandBook) launch(now time.Time, d *demands.Demand) {
	b.Launch(d)
	b.stoppedWaiting(now, d.Role)
}

// stoppedWaiting ends the offers in a role if nothing waits in it any more.
func (b *demandBook) stoppedWaiting(now time.Time, role string) {
	switch {
	case b.WaitingIn(role) > 0:
	case !b.roles.Has(role):
		b.roles.Forget(role)
	default:
		b.roles.Unwanted(role)
		if b.canLaunch() {
			b.roles.SuppressLater(now, role)
		}
	}
}

func (b *demandBook) reviveSoon(now time.Time, role string) {
	if b.canLaunch() {
		b.roles.ReviveSoon(now, role)
	}
}

// reviveWaiting has the offers come again that were declined in roles in which something
// waits: what they were declined for is over, and their filters are not.
func (b *demandBook) reviveWaiting(now time.Time) {
	for _, r := range b.roles.Members() {
		if b.WaitingIn(r.Name) > 0 {
			b.roles.Restart(r.Name)
			b.reviveSoon(now, r.Name)
		}
	}
}

// retryGroup ends the back-off of a group. Its failures are forgotten with its next
// success. It reports whether the group has failed since.
func (b *demandBook) retryGroup(now time.Time, group string) bool {
	role, failed := b.backoff.Role(group)
	if failed && b.roles.Has(role) && b.WaitingIn(role) > 0 {
		b.roles.Restart(role)
		b.reviveSoon(now, role)
	}
	return failed
}

// placeable returns the demands that wait in a role of the framework, in their order.
func (b *demandBook) placeable() iter.Seq[*demands.Demand] {
	return func(yield func(*demands.Demand) bool) {
		for d := range b.Waiting() {
			if b.roles.Has(d.Role) && !yield(d) {
				return
			}
		}
	}
}

// constraintsOf encodes offer constraints for a role that hide no agent that a demand
// could use. Empty: every offer may be of use.
func (b *demandBook) constraintsOf(r *roles.Role) string {
	if b.WaitingIn(r.Name) == 0 || r.WantsAllOffers() {
		return ""
	}
	return b.encoder.Role(func(yield func([]placement.Constraint) bool) {
		for d := range b.Waiting() {
			if d.Role == r.Name && !yield(d.Constraints) {
				return
			}
		}
	})
}

// constraints encodes the offer constraints of all roles.
func (b *demandBook) constraints() string {
	var all []offerconstraints.RoleConstraints
	for _, r := range b.roles.Members() {
		all = append(all, offerconstraints.RoleConstraints{Role: r.Name, Constraints: r.Constraints})
	}
	return offerconstraints.Framework(all)
}

// waitingCount is the number of demands that could be placed, and are not.
func (b *demandBook) waitingCount() int {
	n := 0
	for _, r := range b.roles.Members() {
		n += b.WaitingIn(r.Name)
	}
	return n
}
