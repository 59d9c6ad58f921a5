package resource

import (
	"strings"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

// The key of a resource is its name, and behind a zero byte, if it is reserved or a
// volume, the rest of what distinguishes it from others, as a message.

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
// reservations cannot be expressed in them.
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

// Conversion replaces resources by the same resources, reserved or not, as a volume or
// not.
type Conversion struct{ Consumed, Converted []mesos.Resource }

// Apply replaces what is consumed by what is made of it.
func (c Conversion) Apply(q Quantities) {
	q.Subtract(QuantitiesOf(c.Consumed...))
	q.Add(QuantitiesOf(c.Converted...))
}

// ConversionOf returns the conversion of an operation that reserves resources or creates
// volumes, or of its opposite; false for other operations.
func ConversionOf(op *mesos.Offer_Operation) (Conversion, bool) {
	switch {
	case op.Type == mesos.Offer_Operation_RESERVE && op.Reserve != nil:
		return Conversion{without(op.Reserve.Resources, unreserve), op.Reserve.Resources}, true
	case op.Type == mesos.Offer_Operation_UNRESERVE && op.Unreserve != nil:
		return Conversion{op.Unreserve.Resources, without(op.Unreserve.Resources, unreserve)}, true
	case op.Type == mesos.Offer_Operation_CREATE && op.Create != nil:
		return Conversion{without(op.Create.Volumes, empty), op.Create.Volumes}, true
	case op.Type == mesos.Offer_Operation_DESTROY && op.Destroy != nil:
		return Conversion{op.Destroy.Volumes, without(op.Destroy.Volumes, empty)}, true
	}
	return Conversion{}, false
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
