package placement

import (
	"slices"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

// omission is why a part of what an agent offers is not used. It is a set of bits.
type omission uint8

const (
	// reservedByOthers: another framework or a person reserved it dynamically, for a
	// purpose of its own. That it is in our role does not make it ours.
	reservedByOthers omission = 1 << iota
	// hasOwnSource: a disk that is not the one of the agent's work directory.
	hasOwnSource
)

// omissions are why something was left out, by the kind of resource.
type omissions [kindCount]omission

func (o *omissions) add(p *omissions) {
	for k := range o {
		o[k] |= p[k]
	}
}

// omits reports whether a resource may not be used by a framework of some principal. It
// notes why, where a person would miss it.
func (p *resourcePool) omits(r *mesos.Resource, principal string) bool {
	k, known := kindOf(r.Name)
	switch {
	case !known, r.Revocable != nil, r.Shared != nil:
		return true
	case r.Disk != nil, r.ProviderID != nil:
		if r.Disk.GetSource() != nil {
			p.omitted[k] |= hasOwnSource
		}
		return true
	case isReservedByOthers(r, principal):
		p.omitted[k] |= reservedByOthers
		return true
	}
	return false
}

// isReservedByOthers reports whether a resource was reserved dynamically, in any layer of
// its reservations, by anybody but a framework of the principal. Labels mark what a
// framework reserved for one of its own purposes; k8sm sets none.
func isReservedByOthers(r *mesos.Resource, principal string) bool {
	isOthers := func(i mesos.Resource_ReservationInfo) bool {
		return i.GetPrincipal() != principal || len(i.GetLabels().GetLabels()) > 0
	}
	if r.Reservation != nil && isOthers(*r.Reservation) { // masters before 1.4, and endpoints
		return true
	}
	return slices.ContainsFunc(r.Reservations, func(i mesos.Resource_ReservationInfo) bool {
		return i.GetType() == mesos.Resource_ReservationInfo_DYNAMIC && isOthers(i)
	})
}

// text says what does not count, as the end of a sentence; empty for nothing.
func (o omission) text() string {
	s := ""
	if o&hasOwnSource != 0 {
		s += "; disks with a source of their own, such as MOUNT disks, do not count"
	}
	if o&reservedByOthers != 0 {
		s += "; what others reserved dynamically does not count"
	}
	return s
}
