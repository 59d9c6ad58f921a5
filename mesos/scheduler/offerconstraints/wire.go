package offerconstraints

import (
	"encoding/binary"
	"strings"

	"github.com/k8sm/k8sm/mesos/placement"
)

// Numbers of fields in mesos/v1/scheduler/scheduler.proto.
const (
	offerConstraintsRoles = 1 // OfferConstraints.role_constraints, a map
	roleConstraintsGroups = 1 // OfferConstraints.RoleConstraints.groups
	groupConstraints      = 1 // OfferConstraints.RoleConstraints.Group.attribute_constraints
	constraintSelector    = 1 // AttributeConstraint.selector
	constraintPredicate   = 2 // AttributeConstraint.predicate
	selectorPseudo        = 1 // AttributeConstraint.Selector.pseudoattribute_type
	selectorAttribute     = 2 // AttributeConstraint.Selector.attribute_name
	mapKey                = 1
	mapValue              = 2

	// AttributeConstraint.Predicate
	predicateExists        = 1
	predicateNotExists     = 2
	predicateTextEquals    = 3
	predicateTextNotEquals = 4
	predicateValue         = 1
)

// pseudoAttributes are values of AttributeConstraint.Selector.PseudoattributeType.
var pseudoAttributes = map[string]byte{placement.Hostname: 1, placement.Region: 2, placement.Zone: 3}

// RoleConstraints are the encoded constraints of one role.
type RoleConstraints struct {
	Role        string
	Constraints string // from Encoder.Role
}

// Framework encodes OfferConstraints for all roles of a framework. Roles without
// constraints are left out; the result is empty when no role has any.
func Framework(roles []RoleConstraints) string {
	var out []byte
	for _, r := range roles {
		if r.Constraints != "" {
			entry := AppendField(AppendField(nil, mapKey, r.Role), mapValue, r.Constraints)
			out = AppendField(out, offerConstraintsRoles, string(entry))
		}
	}
	return string(out)
}

// AppendField appends a field that holds bytes, a string or a message to an encoded
// message.
func AppendField(to []byte, number uint64, value string) []byte {
	const lengthDelimited = 2
	to = binary.AppendUvarint(to, number<<3|lengthDelimited)
	to = binary.AppendUvarint(to, uint64(len(value)))
	return append(to, value...)
}

// extend adds an AttributeConstraint to each group.
func extend(groups []string, selector, predicate []byte) []string {
	constraint := AppendField(AppendField(nil, constraintSelector, string(selector)), constraintPredicate, string(predicate))
	out := make([]string, len(groups))
	for i, g := range groups {
		out[i] = string(AppendField([]byte(g), groupConstraints, string(constraint)))
	}
	return out
}

func textPredicate(field uint64, value string) []byte {
	return AppendField(nil, field, string(AppendField(nil, predicateValue, value)))
}

// selectorOf encodes an AttributeConstraint.Selector. It returns false for names with an @
// that Mesos does not know.
func selectorOf(attribute string) ([]byte, bool) {
	if n, ok := pseudoAttributes[attribute]; ok {
		return []byte{selectorPseudo << 3, n}, true // an enumeration is a varint
	}
	return AppendField(nil, selectorAttribute, attribute), !strings.HasPrefix(attribute, "@")
}
