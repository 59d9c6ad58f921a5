package placement

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

// Agent is the machine behind an offer.
type Agent struct {
	ID       string
	Hostname string
	// Address is the agent's IP address; empty when the offer tells none.
	Address string
	Region  string
	Zone    string
}

// hasHostLocalAddress says that the address is good on the agent itself alone: loopback, link-local,
// multicast or unspecified. What runs there can be reached by nobody else.
func (a Agent) hasHostLocalAddress() bool {
	ip, err := netip.ParseAddr(a.Address)
	if err != nil {
		return false
	}
	ip = ip.Unmap()
	return ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified()
}

// Offer is a Mesos offer, taken apart once so that many passes may read it. It is not
// changed after ParseOffer.
type Offer struct {
	ID    string
	Agent Agent
	// Role to which the resources are allocated.
	Role string
	// Maintenance is when the agent is unavailable; nil when no maintenance is planned.
	Maintenance *MaintenanceWindow

	attributes []attribute
	profile    profile
	usable     resourcePool
}

// MaintenanceWindow is when an agent is unavailable.
type MaintenanceWindow struct {
	Start    time.Time
	Duration time.Duration // 0: it does not end
}

// HasEnded says that the window has passed.
func (w MaintenanceWindow) HasEnded(now time.Time) bool {
	return w.Duration > 0 && !w.Start.Add(w.Duration).After(now)
}

// isImminent says that the window has begun, or begins before lead has passed.
func (w MaintenanceWindow) isImminent(now time.Time, lead time.Duration) bool {
	return !w.HasEnded(now) && !w.Start.After(now.Add(lead))
}

// ParseOffer takes an offer apart. It leaves out what may not be used: revocable and
// shared resources, volumes, disks with a source of their own, resource providers'.
func ParseOffer(o *mesos.Offer) (*Offer, error) {
	if o.ID.Value == "" || o.AgentID.Value == "" {
		return nil, errors.New("the offer lacks its ID or the agent's")
	}
	usable, err := newResourcePool(o.Resources)
	if err != nil {
		return nil, fmt.Errorf("reading offer %s: %w", o.ID.Value, err)
	}
	p := &Offer{
		ID:          o.ID.Value,
		Agent:       agentOf(o),
		Role:        roleOf(o),
		Maintenance: ParseUnavailability(o.Unavailability),
		attributes:  parseAttributes(o.Attributes),
		usable:      usable,
	}
	p.profile = profileOf(p)
	return p, nil
}

// Resources that the offer has for use.
func (o *Offer) Resources() Resources { return o.usable.free.toResources() }

// DuplicateAttributes are the names that more than one of the agent's attributes have; rarely any.
func (o *Offer) DuplicateAttributes() []string {
	var names []string
	for i := range o.attributes {
		name := o.attributes[i].name
		if slices.ContainsFunc(o.attributes[:i], func(a attribute) bool { return a.name == name }) {
			names = append(names, name)
		}
	}
	return names
}

// Attributes of the agent as text. Of several with one name, the values are joined.
func (o *Offer) Attributes() map[string]string {
	if len(o.attributes) == 0 {
		return nil
	}
	m := make(map[string]string, len(o.attributes))
	for i := range o.attributes {
		a := &o.attributes[i]
		if before, ok := m[a.name]; ok {
			m[a.name] = strings.Join([]string{before, a.text}, ",")
			continue
		}
		m[a.name] = a.text
	}
	return m
}

func agentOf(o *mesos.Offer) Agent {
	a := Agent{ID: o.AgentID.Value, Hostname: o.Hostname}
	if o.URL != nil {
		a.Address = o.URL.Address.GetIP()
	}
	if d := o.Domain.GetFaultDomain(); d != nil {
		a.Region, a.Zone = d.Region.Name, d.Zone.Name
	}
	return a
}

// roleOf tells the role an offer is allocated to. Masters before 1.5 say it only on the
// resources.
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

// ParseUnavailability reads an unavailability; nil for none.
func ParseUnavailability(u *mesos.Unavailability) *MaintenanceWindow {
	if u == nil {
		return nil
	}
	w := &MaintenanceWindow{Start: time.Unix(0, u.Start.Nanoseconds).UTC()}
	if d := u.Duration.GetNanoseconds(); d > 0 {
		w.Duration = time.Duration(d)
	}
	return w
}
