package registration

import (
	"fmt"

	"github.com/k8sm/k8sm/mesos/scheduler/outgoing"
)

// Terms are what SUBSCRIBE and UPDATE_FRAMEWORK replace as a whole. Suppressed roles are in
// the same calls, but change by calls of their own.
type Terms struct {
	Info             Info   // without ID: the master gives it, and it never changes
	OfferConstraints string // encoded; empty for none
}

func (t Terms) equal(o Terms) bool {
	return t.OfferConstraints == o.OfferConstraints && t.Info.equal(o.Info)
}

// Registration compares what is wanted with what the master has accepted. Use New. It is
// not safe for concurrent use.
type Registration struct {
	id     string
	wanted Info // without ID

	// announced is what the last SUBSCRIBE says, or the last UPDATE_FRAMEWORK that was
	// accepted.
	announced Terms
	// update is the UPDATE_FRAMEWORK that has no answer yet: one at a time. proposed is
	// what it says.
	update   *outgoing.Call
	proposed Terms
	// refused is what the master did not accept on this stream, and refusal why.
	refused *Info
	refusal string
	// observed is the difference that SetDivergence was given.
	observed string

	// unconstrained means that a master refused the offer constraints, so that none are
	// sent any more. It is only suspected until an UPDATE_FRAMEWORK without them was
	// accepted: something else may have been the reason.
	unconstrained bool
	suspected     bool
}

// New returns a registration of which nothing has been sent.
func New(info Info) *Registration {
	r := &Registration{id: info.ID, wanted: info}
	r.wanted.ID = ""
	return r
}

// ID of the framework; empty until the master gave one.
func (r *Registration) ID() string { return r.id }

// SetID takes the ID that the master gave the framework.
func (r *Registration) SetID(id string) { r.id = id }

// Wanted returns what the framework is to be registered as, with its ID.
func (r *Registration) Wanted() Info {
	info := r.wanted
	info.ID = r.id
	return info
}

// SetWanted changes what the framework is to be registered as. It reports whether that is
// something else than before. The ID stays.
func (r *Registration) SetWanted(info Info) (changed bool) {
	info.ID = ""
	if r.wanted.equal(info) {
		return false
	}
	r.wanted = info
	return true
}

// UsesConstraints reports whether offer constraints may be sent.
func (r *Registration) UsesConstraints() bool { return !r.unconstrained }

// HasConstraints reports whether the master was sent offer constraints.
func (r *Registration) HasConstraints() bool { return r.announced.OfferConstraints != "" }

// DropConstraints is called when the master refused a SUBSCRIBE with offer constraints:
// the next attempt goes without.
func (r *Registration) DropConstraints() { r.unconstrained = true }

// Subscribe notes that a SUBSCRIBE is sent, and builds it.
func (r *Registration) Subscribe(suppressedRoles []string, constraints string) *outgoing.Call {
	r.announced = r.terms(constraints)
	return outgoing.Subscribe(r.Wanted().ToMesos(), suppressedRoles, constraints)
}

func (r *Registration) terms(constraints string) Terms {
	return Terms{Info: r.wanted, OfferConstraints: constraints}
}

// NeedsUpdate reports whether the master has to be sent something new. While an update has
// no answer it does not.
func (r *Registration) NeedsUpdate(constraints string) bool {
	return r.update == nil && !r.terms(constraints).equal(r.announced)
}

// Update builds an UPDATE_FRAMEWORK, and expects an answer to it.
func (r *Registration) Update(suppressedRoles []string, constraints string) *outgoing.Call {
	r.proposed = r.terms(constraints)
	r.update = outgoing.UpdateFramework(r.Wanted().ToMesos(), suppressedRoles, constraints)
	return r.update
}

// IsUpdate reports whether a call is the update that has no answer yet.
func (r *Registration) IsUpdate(call *outgoing.Call) bool { return call != nil && call == r.update }

// Accepted is called when the master accepted the update. More may have changed meanwhile.
func (r *Registration) Accepted() {
	r.announced, r.update, r.suspected = r.proposed, nil, false
}

// Refused is called when the master refused the update. If it had offer constraints, they
// may be the reason: they are given up, and revert is false. Otherwise the framework stays
// what it was registered as: revert is true, and the caller takes it with SetWanted.
func (r *Registration) Refused(message string) (registered Info, revert bool) {
	r.update = nil
	if r.proposed.OfferConstraints != "" {
		r.unconstrained, r.suspected = true, true
		return Info{}, false
	}
	if r.suspected { // the constraints were not the reason
		r.unconstrained, r.suspected = false, false
	}
	refused := r.wanted
	r.refused, r.refusal = &refused, message
	return r.announced.Info, true
}

// WasRefused reports whether the master refused just this on the current stream.
func (r *Registration) WasRefused(info Info) bool {
	info.ID = ""
	return r.refused != nil && r.refused.equal(info)
}

// TakeRefused forgets what was refused, and returns it: a new stream, or another wish,
// makes it worth another attempt. The second result is false if nothing was refused.
func (r *Registration) TakeRefused() (Info, bool) {
	if r.refused == nil {
		return Info{}, false
	}
	info := *r.refused
	r.refused, r.refusal = nil, ""
	return info, true
}

// Disconnected forgets the update: it gets no answer without its stream.
func (r *Registration) Disconnected() { r.update = nil }

// SetDivergence takes what the master is observed to keep of an earlier registration;
// empty for nothing.
func (r *Registration) SetDivergence(text string) { r.observed = text }

// Divergence describes, for a person, what the master keeps although something else is
// wanted; empty for nothing.
func (r *Registration) Divergence() string {
	if r.refusal == "" {
		return r.observed
	}
	refusal := "the registration as it was: " + r.refusal
	if r.observed == "" {
		return refusal
	}
	return fmt.Sprintf("%s; %s", r.observed, refusal)
}
