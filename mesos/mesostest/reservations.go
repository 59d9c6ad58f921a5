package mesostest

import (
	"fmt"
	"net/http"
	"strings"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

// The key of a resource is its name, and behind a zero byte, if it is reserved or a
// volume, the rest of what tells it from others, as a message.

func isReserved(key string) bool { return strings.IndexByte(key, 0) >= 0 }

func nameOf(key string) string {
	name, _, _ := strings.Cut(key, "\x00")
	return name
}

func keyOfResource(r mesos.Resource) string {
	reservations := reservationsOf(r)
	if len(reservations) == 0 && r.Disk == nil {
		return r.Name
	}
	template := mesos.Resource{Name: r.Name, Type: mesos.SCALAR.Enum(), Reservations: reservations, Disk: r.Disk}
	raw, err := template.Marshal()
	if err != nil { // no such resource is ever there
		return r.Name + "\x00"
	}
	return r.Name + "\x00" + string(raw)
}

// reservationsOf a resource, in the old format, too.
func reservationsOf(r mesos.Resource) []mesos.Resource_ReservationInfo {
	if len(r.Reservations) > 0 || r.GetRole() == "" || r.GetRole() == "*" {
		return r.Reservations
	}
	old := mesos.Resource_ReservationInfo{Type: mesos.Resource_ReservationInfo_STATIC.Enum(), Role: r.Role}
	if r.Reservation != nil {
		old.Type = mesos.Resource_ReservationInfo_DYNAMIC.Enum()
		old.Principal, old.Labels = r.Reservation.Principal, r.Reservation.Labels
	}
	return []mesos.Resource_ReservationInfo{old}
}

// templateOf a key is a resource without type and value.
func templateOf(key string) mesos.Resource {
	name, raw, reserved := strings.Cut(key, "\x00")
	r := mesos.Resource{}
	if !reserved || r.Unmarshal([]byte(raw)) != nil {
		return mesos.Resource{Name: name}
	}
	return r
}

// reservedFor is the role that a reservation is for: that of its last refinement.
func reservedFor(key string) string { return lastRole(templateOf(key).Reservations) }

func lastRole(reservations []mesos.Resource_ReservationInfo) string {
	if len(reservations) == 0 {
		return ""
	}
	return reservations[len(reservations)-1].GetRole()
}

// setOldFields that frameworks without RESERVATION_REFINEMENT read. Refined
// reservations cannot be said in them.
func setOldFields(r *mesos.Resource) {
	role := "*"
	if len(r.Reservations) > 0 {
		role = lastRole(r.Reservations)
		last := r.Reservations[len(r.Reservations)-1]
		if last.GetType() == mesos.Resource_ReservationInfo_DYNAMIC {
			r.Reservation = &mesos.Resource_ReservationInfo{Principal: last.Principal, Labels: last.Labels}
		}
	}
	r.Role = &role
}

// describeReservations as Mesos does in its messages.
func describeReservations(reservations []mesos.Resource_ReservationInfo) string {
	var parts []string
	for _, r := range reservations {
		part := r.GetType().String() + "," + r.GetRole()
		if r.Principal != nil {
			part += "," + *r.Principal
		}
		if r.Labels != nil {
			var labels []string
			for _, l := range r.Labels.Labels {
				labels = append(labels, l.Key+": "+l.GetValue())
			}
			part += ",{" + strings.Join(labels, ", ") + "}"
		}
		parts = append(parts, "("+part+")")
	}
	if len(parts) == 0 {
		return ""
	}
	return "(reservations: [" + strings.Join(parts, ",") + "])"
}

// conversion is what an operation makes of resources: the same, reserved or not, as
// a volume or not.
type conversion struct{ consumed, made []mesos.Resource }

func (c conversion) apply(q quantities) {
	q.subtract(quantitiesOf(c.consumed...))
	q.add(quantitiesOf(c.made...))
}

// conversionOf the operation. Of other kinds than those that reserve and make volumes
// there is none.
func conversionOf(op *mesos.Offer_Operation) (conversion, bool) {
	switch {
	case op.Type == mesos.Offer_Operation_RESERVE && op.Reserve != nil:
		return conversion{without(op.Reserve.Resources, unreserve), op.Reserve.Resources}, true
	case op.Type == mesos.Offer_Operation_UNRESERVE && op.Unreserve != nil:
		return conversion{op.Unreserve.Resources, without(op.Unreserve.Resources, unreserve)}, true
	case op.Type == mesos.Offer_Operation_CREATE && op.Create != nil:
		return conversion{without(op.Create.Volumes, empty), op.Create.Volumes}, true
	case op.Type == mesos.Offer_Operation_DESTROY && op.Destroy != nil:
		return conversion{op.Destroy.Volumes, without(op.Destroy.Volumes, empty)}, true
	}
	return conversion{}, false
}

func without(resources []mesos.Resource, change func(*mesos.Resource)) []mesos.Resource {
	out := make([]mesos.Resource, len(resources))
	for i, r := range resources {
		r.Reservations = reservationsOf(r)
		r.Role, r.Reservation = nil, nil
		change(&r)
		out[i] = r
	}
	return out
}

// unreserve drops the last refinement.
func unreserve(r *mesos.Resource) {
	if n := len(r.Reservations); n > 0 {
		r.Reservations = r.Reservations[: n-1 : n-1]
	}
}

// empty makes a volume plain disk again.
func empty(r *mesos.Resource) { r.Disk = nil }

// validateConversion checks an operation on what is left of offers.
func (m *Master) validateConversion(a *acceptance, op *mesos.Offer_Operation, c conversion) error {
	if op.Reserve != nil && len(op.Reserve.Source) > 0 {
		return worded("Operation attempted with invalid resources: Reservation updates are not yet implemented for the scheduler API.")
	}
	where := fmt.Sprintf("; on agent %s at %s (%s)", a.agent.id, a.agent.pid(), a.agent.options.Hostname)
	for _, r := range c.made {
		if op.Type != mesos.Offer_Operation_RESERVE || len(r.Reservations) == 0 {
			continue
		}
		last := r.Reservations[len(r.Reservations)-1]
		switch principal := a.framework.info.GetPrincipal(); {
		case last.GetPrincipal() != principal:
			return worded("A reserve operation was attempted by authenticated principal '%s', which does not match a "+
				"reserved resource in the request with principal '%s'%s", principal, last.GetPrincipal(), where)
		case last.GetRole() != a.role:
			return worded("A reserve operation was attempted for a resource with role '%s', but the resource was allocated to role '%s'%s",
				last.GetRole(), a.role, where)
		}
	}
	if !a.left.contains(quantitiesOf(c.consumed...)) {
		return worded("%s does not contain %s", describe(a.left.resources(a.role, false)), describe(c.consumed))
	}
	return nil
}

// convert makes the agent's resources what the operation says.
func (m *Master) convert(a *Agent, c conversion) {
	c.apply(a.total)
	if a.state == agentActive || a.state == agentDisconnected {
		c.apply(m.total)
	}
}

// convertByOperator is RESERVE_RESOURCES and its like. Offers are taken back until
// they alone would do, whatever is free, and not made again to the same frameworks for
// a while. It returns the status to answer with.
func (m *Master) convertByOperator(agentID string, c conversion) (status int, err error) {
	a, ok := m.agentsByID[agentID]
	if !ok || a.state == agentRecovered || a.state == agentUnreachable {
		return http.StatusBadRequest, worded("No agent found with specified ID")
	}
	need, recovered := quantitiesOf(c.consumed...), quantitiesOf()
	for _, o := range valuesByKey(a.offers) {
		if o.resources.shares(need) && !recovered.contains(need) {
			recovered.add(o.resources)
			m.rescind(o)
			m.refuse(o.framework, a, o.role, o.resources, nil)
		}
	}
	if !a.free.contains(need) {
		return http.StatusConflict, worded("%s does not contain %s", describe(a.free.resources("", false)), describe(c.consumed))
	}
	c.apply(a.free)
	m.convert(a, c)
	return http.StatusAccepted, nil
}
