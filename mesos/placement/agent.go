package placement

import (
	"fmt"
	"strings"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

// AgentReport is what a master tells of an agent to whoever asks for all of them.
type AgentReport struct {
	Info *mesos.AgentInfo
	// PID is the agent's address as libprocess has it: slave(1)@10.0.0.7:5051.
	PID string
	// Total is all that the agent has, and Allocated what tasks and executors hold of it.
	Total     []mesos.Resource
	Allocated []mesos.Resource
}

// ForRole reads a report as what a role may have of the agent: in all, and free. Neither is
// an offer that anything could be launched from; they are for Capacity.
func (r *AgentReport) ForRole(role string) (total, free *Offer, err error) {
	all, err := allocatable(r.Total, role)
	if err != nil {
		return nil, nil, fmt.Errorf("reading what the agent has: %w", err)
	}
	held, err := allocatable(r.Allocated, role)
	if err != nil {
		return nil, nil, fmt.Errorf("reading what is allocated of the agent: %w", err)
	}
	total, err = NewSyntheticOffer(r.agent(), role, r.Info.Attributes, all.toResources())
	if err != nil {
		return nil, nil, err
	}
	return total, total.less(&held), nil
}

// NewSyntheticOffer makes an agent, as one role sees it, to be known without an offer.
func NewSyntheticOffer(a Agent, role string, attributes []mesos.Attribute, has Resources) (*Offer, error) {
	free, err := amountsOf(has)
	if err != nil {
		return nil, err
	}
	o := &Offer{Agent: a, Role: role, attributes: parseAttributes(attributes), usable: resourcePool{free: free}}
	o.profile = profileOf(o)
	return o, nil
}

func (r *AgentReport) agent() Agent {
	a := Agent{ID: r.Info.GetID().GetValue(), Hostname: r.Info.Hostname}
	if _, address, ok := strings.Cut(r.PID, "@"); ok {
		if colon := strings.LastIndexByte(address, ':'); colon >= 0 {
			a.Address = strings.Trim(address[:colon], "[]")
		}
	}
	if d := r.Info.Domain.GetFaultDomain(); d != nil {
		a.Region, a.Zone = d.Region.Name, d.Zone.Name
	}
	return a
}

// allocatable is how much of an agent's resources tasks of a role could have at most.
func allocatable(rs []mesos.Resource, role string) (amounts, error) {
	var ours []mesos.Resource
	for i := range rs {
		if rs[i].IsAllocatableTo(role) {
			ours = append(ours, rs[i])
		}
	}
	p, err := newResourcePool(ours)
	return p.free, err
}

// ToSynthetic is what an offer said of its agent, to be kept when the offer is gone.
func (o *Offer) ToSynthetic() *Offer { return o.less(&amounts{}) }

// Minus is what is remembered of an agent, less what was taken since.
func (o *Offer) Minus(taken Resources) *Offer {
	a, err := amountsOf(taken)
	if err != nil {
		return o
	}
	return o.less(&a)
}

// Plus is what is remembered of an agent, and another offer of it.
func (o *Offer) Plus(p *Offer) *Offer {
	more := o.less(&amounts{})
	more.usable.free.add(&p.usable.free)
	return more
}

// less is the agent without its pieces: amounts are all that is remembered.
func (o *Offer) less(a *amounts) *Offer {
	rest := *o
	rest.usable = resourcePool{free: o.usable.free}
	for k := range a {
		rest.usable.free[k] = max(rest.usable.free[k]-a[k], 0)
	}
	return &rest
}
