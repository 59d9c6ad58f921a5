package placement

import (
	"fmt"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/address"
	"github.com/k8sm/k8sm/mesos/placement/attribute"
)

// A synthetic offer was made by no master: it describes what an agent has, as amounts
// alone. Nothing can be launched from it. Capacity is computed from synthetic offers.

// AgentReport is the master's answer about one agent when it is asked for all of them.
type AgentReport struct {
	Info *mesos.AgentInfo
	// PID is the agent's libprocess PID, such as slave(1)@10.0.0.7:5051.
	PID string
	// Total is everything that the agent has. Allocated is the part of it that tasks and
	// executors hold.
	Total     []mesos.Resource
	Allocated []mesos.Resource
}

// ForRole returns two synthetic offers of the agent: everything that a framework of some
// principal may use in a role, and the part of it that is free. It returns an error when an
// amount is not valid.
func (r *AgentReport) ForRole(role, principal string) (total, free *Offer, err error) {
	all, err := allocatable(r.Total, role, principal)
	if err != nil {
		return nil, nil, fmt.Errorf("reading what the agent has: %w", err)
	}
	held, err := allocatable(r.Allocated, role, principal)
	if err != nil {
		return nil, nil, fmt.Errorf("reading what is allocated of the agent: %w", err)
	}
	total, err = NewSyntheticOffer(r.agent(), role, r.Info.Attributes, all.free.toResources())
	if err != nil {
		return nil, nil, err
	}
	total.usable.omitted = all.omitted
	return total, total.withAmounts(all.free.minus(&held.free)), nil
}

func (r *AgentReport) agent() Agent {
	a := Agent{ID: r.Info.GetID().GetValue(), Hostname: r.Info.Hostname}
	a.Address, _, _ = address.SplitPID(r.PID) // without a PID the address is not known
	a.setFaultDomain(r.Info.Domain)
	return a
}

// allocatable returns the most that tasks of a role could have of an agent's resources.
func allocatable(rs []mesos.Resource, role, principal string) (resourcePool, error) {
	var ours []mesos.Resource
	for i := range rs {
		if rs[i].IsAllocatableTo(role) {
			ours = append(ours, rs[i])
		}
	}
	return newResourcePool(ours, principal)
}

// NewSyntheticOffer makes a synthetic offer of an agent to a role. It returns an error when
// an amount is not valid.
func NewSyntheticOffer(a Agent, role string, attributes []mesos.Attribute, has Resources) (*Offer, error) {
	free, err := amountsOf(has)
	if err != nil {
		return nil, err
	}
	o := &Offer{Agent: a, Role: role, attributes: attribute.Parse(attributes), usable: resourcePool{free: free}}
	o.profile = profileOf(o)
	return o, nil
}

// ToSynthetic returns a synthetic copy of the offer, to be kept when the offer is gone.
func (o *Offer) ToSynthetic() *Offer { return o.withAmounts(o.usable.free) }

// Minus returns a synthetic copy of the offer, less what was taken since. It is not below
// zero. Amounts that are not valid take nothing.
func (o *Offer) Minus(taken Resources) *Offer {
	a, err := amountsOf(taken)
	if err != nil {
		return o
	}
	return o.withAmounts(o.usable.free.minus(&a))
}

// Plus returns a synthetic copy of the offer with the amounts of another offer of the same
// agent added.
func (o *Offer) Plus(p *Offer) *Offer {
	sum := o.usable.free
	sum.add(&p.usable.free)
	return o.withAmounts(sum)
}

// withAmounts returns a synthetic copy that has the amounts, and no pieces.
func (o *Offer) withAmounts(free amounts) *Offer {
	out := *o
	out.usable = resourcePool{free: free, omitted: o.usable.omitted}
	return &out
}
