package offerconstraints

import (
	"iter"
	"slices"
	"strings"

	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/placement/attribute"
)

// Limits for one role. A role that needs more gets no constraints.
const (
	maxGroups = 64
	// maxAlternatives limits the groups that one demand is turned into.
	maxAlternatives = 16
	maxBytes        = 16 << 10
	// maxDuplicated limits the attribute names that are remembered.
	maxDuplicated = 1000
)

// Encoder encodes the constraints of demands. It remembers which attributes some agent has
// several times: Mesos compares the first attribute of a name only, and placement compares
// all, so that the values of such an attribute must not be used.
//
// The zero value is ready. It is not safe for concurrent use.
type Encoder struct {
	duplicated map[string]bool
}

// Learn notes names of attributes that an agent has several times.
func (e *Encoder) Learn(names []string) {
	for _, name := range names {
		if len(e.duplicated) >= maxDuplicated {
			return
		}
		if e.duplicated == nil {
			e.duplicated = map[string]bool{}
		}
		e.duplicated[name] = true
	}
}

// Role encodes an OfferConstraints.RoleConstraints for the demands in a role, of which it
// gets the constraints of each. The result is empty when every offer may be of use.
func (e *Encoder) Role(demands iter.Seq[[]placement.Constraint]) string {
	var seen [][]placement.Constraint
	var groups []string
	for cs := range demands {
		if slices.ContainsFunc(seen, func(s []placement.Constraint) bool { return slices.EqualFunc(s, cs, placement.Constraint.Equal) }) {
			continue
		}
		alternatives := e.groupsOf(cs)
		if len(alternatives) == 0 || len(groups)+len(alternatives) > maxGroups {
			return ""
		}
		seen = append(seen, cs)
		groups = append(groups, alternatives...)
	}
	slices.Sort(groups)
	var out []byte
	for _, g := range slices.Compact(groups) {
		out = AppendField(out, roleConstraintsGroups, g)
	}
	if len(out) > maxBytes {
		return ""
	}
	return string(out)
}

// groupsOf encodes what an agent must meet, as alternatives; none if any agent may do.
func (e *Encoder) groupsOf(cs []placement.Constraint) []string {
	groups := []string{""}
	for i := range cs {
		groups = e.refine(groups, &cs[i])
	}
	if slices.Contains(groups, "") {
		return nil
	}
	return groups
}

// textsOf returns the texts that an attribute may be for Mesos if it is to have one of some
// values: as they are, and without the spaces that Mesos removes. What Mesos took for a number
// or for ranges passes all comparisons of texts.
func textsOf(values []string) []string {
	var out []string
	for _, v := range values {
		out = append(out, v)
		if squeezed := attribute.Squeeze(v); squeezed != v {
			out = append(out, squeezed)
		}
	}
	return out
}

// refine adds a constraint to each alternative. It leaves them as they are where Mesos
// cannot express the constraint, or where too many alternatives would be needed.
func (e *Encoder) refine(groups []string, c *placement.Constraint) []string {
	selector, ok := selectorOf(c.Attribute)
	if !ok {
		return groups
	}
	isBuiltIn := strings.HasPrefix(c.Attribute, "@")
	values := c.Values
	if !isBuiltIn {
		values = textsOf(c.Values)
	}
	n := len(values)
	switch {
	case c.Operator == placement.In && n > 0 && n*len(groups) <= maxAlternatives && !e.duplicated[c.Attribute]:
		var out []string
		for _, v := range values {
			out = append(out, extend(groups, selector, textPredicate(predicateTextEquals, v))...)
		}
		return out
	case c.Operator == placement.In || c.Operator == placement.Exists:
		return extend(groups, selector, AppendField(nil, predicateExists, ""))
	case c.Operator == placement.NotIn && n <= maxAlternatives:
		for _, v := range values {
			groups = extend(groups, selector, textPredicate(predicateTextNotEquals, v))
		}
		return groups
	case c.Operator == placement.DoesNotExist && !isBuiltIn:
		// An empty region exists for Mesos, and does not exist for placement.
		return extend(groups, selector, AppendField(nil, predicateNotExists, ""))
	}
	return groups
}
