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
	case a.scalar:
		return 1
	case a.spans != nil:
		return 2
	}
	return 3
}

// profiles numbers the profiles of a pass, and keeps an offer for each to ask.
type profiles struct {
	number map[profile]int32
	offers []*Offer
}

func (ps *profiles) of(o *Offer) int32 {
	n, ok := ps.number[o.profile]
	if !ok {
		n = int32(len(ps.offers))
		ps.number[o.profile] = n
		ps.offers = append(ps.offers, o)
	}
	return n
}

// verdict of a class on a profile or an agent: 0 is none yet, met is all constraints
// met, and above is met plus one plus the index of the first that is not.
type verdict int16

const met verdict = 1

// judge asks an agent for all constraints.
func (c *class) judge(p *pass, m *machine) verdict {
	v := &c.verdicts[m.profile]
	if *v == 0 {
		*v = c.ask(p.profiles.offers[m.profile], false)
	}
	if *v == met && c.byHostname {
		return c.ask(m.offer(), true)
	}
	return *v
}

// ask goes through the constraints, on the host name or on all else.
func (c *class) ask(o *Offer, hostname bool) verdict {
	for i := range c.constraints {
		if ct := &c.constraints[i]; (ct.Attribute == Hostname) == hostname && !ct.metBy(o) {
			return met + 1 + verdict(i)
		}
	}
	return met
}
