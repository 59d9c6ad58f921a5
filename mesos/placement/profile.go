package placement

import (
	"strings"
	"unique"
)

// profile is all that constraints ask of an agent, but for its host name. Thousands of
// agents have a few hundred profiles, and a class judges each profile once.
type profile = unique.Handle[string]

func profileOf(o *Offer) profile {
	var b strings.Builder
	b.Grow(32 * (1 + len(o.attributes)))
	for _, s := range [...]string{o.Agent.Region, o.Agent.Zone} {
		b.WriteString(s)
		b.WriteByte(0) // in no name and no text
	}
	for i := range o.attributes {
		a := &o.attributes[i]
		b.WriteString(a.name)
		b.WriteByte(a.kind())
		b.WriteString(a.text)
		b.WriteByte(0)
	}
	return unique.Make(b.String())
}

// kind keeps the number 8 apart from the text "8".
func (a *attribute) kind() byte {
	switch {
	case a.isScalar:
		return 1
	case a.ranges != nil:
		return 2
	}
	return 3
}

// profileIndex numbers the profiles of a pass, and keeps an offer for each to ask.
type profileIndex struct {
	numbers map[profile]int32
	offers  []*Offer
}

func (ps *profileIndex) ensureNumber(o *Offer) int32 {
	n, ok := ps.numbers[o.profile]
	if !ok {
		n = int32(len(ps.offers))
		ps.numbers[o.profile] = n
		ps.offers = append(ps.offers, o)
	}
	return n
}

// verdict of a class on a profile or an agent: 0 is none yet, met is all constraints
// met, and above is met plus one plus the index of the first that is not.
type verdict int16

const allMet verdict = 1

// evaluate asks an agent for all constraints.
func (c *class) evaluate(p *cycle, m *agentSlot) verdict {
	v := &c.verdicts[m.profile]
	if *v == 0 {
		*v = c.checkConstraints(p.profiles.offers[m.profile], false)
	}
	if *v == allMet && c.byHostname {
		return c.checkConstraints(m.offer(), true)
	}
	return *v
}

// checkConstraints goes through the constraints, on the host name or on all else.
func (c *class) checkConstraints(o *Offer, hostname bool) verdict {
	for i := range c.constraints {
		if ct := &c.constraints[i]; (ct.Attribute == Hostname) == hostname && !ct.isMetBy(o) {
			return allMet + 1 + verdict(i)
		}
	}
	return allMet
}
