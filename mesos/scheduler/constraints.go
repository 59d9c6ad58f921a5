package scheduler

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/k8sm/k8sm/mesos/placement"
)

// Offer constraints (Mesos 1.11) have the master leave out agents that nothing of what
// is wanted may be placed on. Per role they are groups, one of which must hold; a group
// holds when all that is in it does. They are a first sieve: placement judges what comes
// through, so that they may let pass too much, and must not hold back too little.
//
// Regular expressions are not used: how large they may be is the master's secret.

// Bounds of what is said of a role. Beyond them nothing is said.
const (
	groupsMost = 64
	// alternativesMost bounds the groups that one demand becomes.
	alternativesMost = 16
	bytesMost        = 16 << 10
)

// lookAround is how often in a row offers may fail to come after REVIVE until one REVIVE
// is sent without constraints; and then again after as many as lookEvery. Who sees no agent
// cannot say what they lack. And Mesos asks the first attribute of a name only, where
// placement asks all: which names agents repeat is learnt from their offers.
const (
	lookAround = 3
	lookEvery  = 8
	// repeatedMost bounds what is learnt.
	repeatedMost = 1000
)

// learn notes the names of which an agent has several attributes.
func (c *Core) learn(o *placement.Offer) {
	for _, name := range o.DuplicateAttributes() {
		if len(c.repeated) < repeatedMost {
			c.repeated[name] = true
		}
	}
}

// constraintsOf encodes the constraints for a role: OfferConstraints.RoleConstraints.
// Empty: every offer may be of use.
func (c *Core) constraintsOf(r *role) string {
	if r.waiting == 0 || r.revives%lookEvery == lookAround {
		return ""
	}
	var seen []*want
	var groups []string
	for _, w := range c.line {
		if !c.waits(w) || w.Role != r.name || slices.ContainsFunc(seen, w.sameConstraints) {
			continue
		}
		alternatives := c.groupsOf(w.Constraints)
		if len(alternatives) == 0 || len(groups)+len(alternatives) > groupsMost {
			return ""
		}
		seen = append(seen, w)
		groups = append(groups, alternatives...)
	}
	slices.Sort(groups)
	var out []byte
	for _, g := range slices.Compact(groups) {
		out = appendField(out, 1, g) // groups
	}
	if len(out) > bytesMost {
		return ""
	}
	return string(out)
}

func (w *want) sameConstraints(o *want) bool {
	return slices.EqualFunc(w.Constraints, o.Constraints, placement.Constraint.Equal)
}

// groupsOf encodes what an agent must meet, as alternatives; none if any agent may do.
func (c *Core) groupsOf(cs []placement.Constraint) []string {
	groups := []string{""}
	for i := range cs {
		groups = c.refine(groups, &cs[i])
	}
	if slices.Contains(groups, "") {
		return nil
	}
	return groups
}

// refine adds a constraint to each alternative; or not, where Mesos has no words for it,
// or too many would be needed.
func (c *Core) refine(groups []string, ct *placement.Constraint) []string {
	selector, ok := selectorOf(ct.Attribute)
	if !ok {
		return groups
	}
	n, builtIn := len(ct.Values), strings.HasPrefix(ct.Attribute, "@")
	switch {
	case ct.Operator == placement.In && n > 0 && n*len(groups) <= alternativesMost && !c.repeated[ct.Attribute]:
		var out []string
		for _, v := range ct.Values {
			out = append(out, extend(groups, selector, textPredicate(textEquals, v))...)
		}
		return out
	case ct.Operator == placement.In || ct.Operator == placement.Exists:
		return extend(groups, selector, appendField(nil, exists, ""))
	case ct.Operator == placement.NotIn && n <= alternativesMost:
		for _, v := range ct.Values {
			groups = extend(groups, selector, textPredicate(textNotEquals, v))
		}
		return groups
	case ct.Operator == placement.DoesNotExist && !builtIn: // an empty region is none for us, and one for Mesos
		return extend(groups, selector, appendField(nil, notExists, ""))
	}
	return groups
}

// extend adds an AttributeConstraint to each group.
func extend(groups []string, selector, predicate []byte) []string {
	constraint := appendField(appendField(nil, 1, string(selector)), 2, string(predicate))
	out := make([]string, len(groups))
	for i, g := range groups {
		out[i] = string(appendField([]byte(g), 1, string(constraint)))
	}
	return out
}

// Fields of AttributeConstraint.Predicate.
const (
	exists        = 1
	notExists     = 2
	textEquals    = 3
	textNotEquals = 4
)

func textPredicate(field uint64, value string) []byte {
	return appendField(nil, field, string(appendField(nil, 1, value)))
}

// selectorOf encodes an AttributeConstraint.Selector; false for what Mesos does not know.
func selectorOf(attribute string) ([]byte, bool) {
	pseudo := map[string]byte{placement.Hostname: 1, placement.Region: 2, placement.Zone: 3}
	if n, ok := pseudo[attribute]; ok {
		return []byte{1 << 3, n}, true // field 1, a varint
	}
	return appendField(nil, 2, attribute), !strings.HasPrefix(attribute, "@")
}

// constraints encodes OfferConstraints for a master that knows them.
func (c *Core) constraints() string {
	if c.unconstrained || !atLeast(c.state.MasterVersion, 1, 11) {
		return ""
	}
	var out []byte
	for _, r := range c.sortedRoles() {
		if r.member && r.constraints != "" {
			entry := appendField(appendField(nil, 1, r.name), 2, r.constraints)
			out = appendField(out, 1, string(entry)) // role_constraints, a map
		}
	}
	return string(out)
}

// appendField appends a field of bytes, in protobuf.
func appendField(to []byte, number uint64, value string) []byte {
	to = binary.AppendUvarint(to, number<<3|2)
	to = binary.AppendUvarint(to, uint64(len(value)))
	return append(to, value...)
}
