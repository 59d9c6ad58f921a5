package placement

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/address"
	"github.com/k8sm/k8sm/mesos/placement/attribute"
)

// Agent is the Mesos agent that made an offer.
type Agent struct {
	ID       string
	Hostname string
	// Address is the agent's IP address; empty when the offer does not contain it.
	Address string
	Region  string
	Zone    string
}

// IsRemote reports whether the agent is known to be in another region than a local one.
func (a Agent) IsRemote(localRegion string) bool {
	return localRegion != "" && a.Region != "" && a.Region != localRegion
}

// hasHostLocalAddress reports whether only the agent's own host can connect to its
// address. An address that cannot be parsed is left to the check of the launch message.
func (a Agent) hasHostLocalAddress() bool {
	ip, err := netip.ParseAddr(a.Address)
	return err == nil && address.IsHostLocal(ip)
}

// Offer is a Mesos offer, parsed once so that many cycles may read it. It does not change
// after it was made, and may be read concurrently.
type Offer struct {
	ID    string
	Agent Agent
	// Role to which the resources are allocated.
	Role string
	// Maintenance is when the agent is unavailable; nil when the offer names no window.
	Maintenance *MaintenanceWindow

	attributes []attribute.Attribute
	profile    profile
	usable     resourcePool
}

// ParseOffer parses an offer to a framework of some principal. It leaves out resources that
// may not be used: revocable and shared ones, volumes, disks with a source of their own, a
// resource provider's, and those that others reserved dynamically. It returns an error when
// an ID is missing or an amount is not valid.
func ParseOffer(o *mesos.Offer, principal string) (*Offer, error) {
	if o.ID.Value == "" || o.AgentID.Value == "" {
		return nil, errors.New("the offer lacks its ID or the agent's")
	}
	usable, err := newResourcePool(o.Resources, principal)
	if err != nil {
		return nil, fmt.Errorf("reading offer %s: %w", o.ID.Value, err)
	}
	p := &Offer{
		ID:          o.ID.Value,
		Agent:       agentOf(o),
		Role:        roleOf(o),
		Maintenance: ParseUnavailability(o.Unavailability),
		attributes:  attribute.Parse(o.Attributes),
		usable:      usable,
	}
	p.profile = profileOf(p)
	return p, nil
}

// Resources returns how much of each resource the offer has for use.
func (o *Offer) Resources() Resources { return o.usable.free.toResources() }

// DuplicateAttributes returns the names that more than one of the agent's attributes have;
// rarely any.
func (o *Offer) DuplicateAttributes() []string {
	var names []string
	for i := range o.attributes {
		name := o.attributes[i].Name
		if slices.ContainsFunc(o.attributes[:i], func(a attribute.Attribute) bool { return a.Name == name }) {
			names = append(names, name)
		}
	}
	return names
}

// Attributes returns the agent's attributes as text. The values of several attributes with
// one name are joined by commas.
func (o *Offer) Attributes() map[string]string {
	if len(o.attributes) == 0 {
		return nil
	}
	m := make(map[string]string, len(o.attributes))
	for i := range o.attributes {
		a := &o.attributes[i]
		if before, ok := m[a.Name]; ok {
			m[a.Name] = strings.Join([]string{before, a.Text}, ",")
			continue
		}
		m[a.Name] = a.Text
	}
	return m
}

// SortOffers puts offers into the order in which a cycle reads them: by role, agent and
// ID. A cycle over offers that are sorted already starts sooner.
func SortOffers(offers []*Offer) {
	slices.SortFunc(offers, compareOffers)
}

func compareOffers(a, b *Offer) int {
	return cmp.Or(strings.Compare(a.Role, b.Role), strings.Compare(a.Agent.ID, b.Agent.ID), strings.Compare(a.ID, b.ID))
}

func agentOf(o *mesos.Offer) Agent {
	a := Agent{ID: o.AgentID.Value, Hostname: o.Hostname}
	if o.URL != nil {
		a.Address = o.URL.Address.GetIP()
	}
	a.setFaultDomain(o.Domain)
	return a
}

func (a *Agent) setFaultDomain(domain *mesos.DomainInfo) {
	if d := domain.GetFaultDomain(); d != nil {
		a.Region, a.Zone = d.Region.Name, d.Zone.Name
	}
}

// roleOf returns the role that an offer is allocated to. Masters before 1.5 name it on the
// resources only.
func roleOf(o *mesos.Offer) string {
	if r := o.AllocationInfo.GetRole(); r != "" {
		return r
	}
	for i := range o.Resources {
		if r := o.Resources[i].AllocationInfo.GetRole(); r != "" {
			return r
		}
	}
	return mesos.DefaultRole
}
