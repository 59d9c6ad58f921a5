package placement

import (
	"strings"
	"unique"
)

// profile is everything that constraints compare of an agent, except its host name.
// Thousands of agents have a few hundred profiles, and a class evaluates each profile once.
type profile = unique.Handle[string]

func profileOf(o *Offer) profile {
	var b strings.Builder
	b.Grow(32 * (1 + len(o.attributes)))
	for _, s := range [...]string{o.Agent.Region, o.Agent.Zone} {
		b.WriteString(s)
		b.WriteByte(0) // no name and no text contains it
	}
	for i := range o.attributes {
		a := &o.attributes[i]
		b.WriteString(a.Name)
		b.WriteByte(1 + byte(a.Type)) // the number 8 is not the text 8
		b.WriteString(a.Text)
		b.WriteByte(0)
	}
	return unique.Make(b.String())
}

// profileIndex numbers the profiles of a cycle, and keeps one offer of each to evaluate.
type profileIndex struct {
	numbers map[profile]int32
	offers  []*Offer // by number
}

// ensureNumber returns the number of an offer's profile. A new profile gets the next one.
func (ps *profileIndex) ensureNumber(o *Offer) int32 {
	n, ok := ps.numbers[o.profile]
	if !ok {
		n = int32(len(ps.offers))
		ps.numbers[o.profile] = n
		ps.offers = append(ps.offers, o)
	}
	return n
}

// verdict is the result of evaluating a class's constraints: 0 is not evaluated yet, allMet
// is all constraints met, and allMet+1+i is that constraint i is the first one not met.
type verdict int16

const allMet verdict = 1

// unmetConstraint returns the index of the first constraint that is not met.
func (v verdict) unmetConstraint() int { return int(v - allMet - 1) }

// evaluate evaluates all constraints for an agent. Each profile is evaluated once, and the
// host name, which no profile contains, each time.
func (c *class) evaluate(p *cycle, s *agentSlot) verdict {
	v := &c.verdicts[s.profile]
	if *v == 0 {
		*v = c.checkConstraints(p.profiles.offers[s.profile], false)
	}
	if *v == allMet && c.byHostname {
		return c.checkConstraints(s.first, true)
	}
	return *v
}

// checkConstraints checks the constraints on the host name, or all others.
func (c *class) checkConstraints(o *Offer, onHostname bool) verdict {
	for i := range c.constraints {
		if ct := &c.constraints[i]; (ct.Attribute == Hostname) == onHostname && !ct.isMetBy(o) {
			return allMet + 1 + verdict(i)
		}
	}
	return allMet
}
