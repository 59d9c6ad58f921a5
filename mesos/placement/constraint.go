package placement

import (
	"fmt"
	"slices"
	"strings"

	"github.com/k8sm/k8sm/mesos/placement/attribute"
)

// parsedConstraint is a Constraint whose values have been parsed.
type parsedConstraint struct {
	Constraint
	isBuiltIn bool
	values    []attribute.Value
}

func parseConstraints(cs []Constraint) []parsedConstraint {
	out := make([]parsedConstraint, len(cs))
	for i, c := range cs {
		out[i] = parsedConstraint{Constraint: c, isBuiltIn: strings.HasPrefix(c.Attribute, "@"), values: make([]attribute.Value, len(c.Values))}
		for j, s := range c.Values {
			out[i].values[j] = attribute.ParseValue(s)
		}
	}
	return out
}

// isMetBy reports whether the agent behind an offer meets the constraint. An unknown
// operator is never met.
func (c *parsedConstraint) isMetBy(o *Offer) bool {
	exists, matches := c.lookUp(o)
	switch c.Operator {
	case In:
		return matches
	case NotIn:
		return !matches
	case Exists:
		return exists
	case DoesNotExist:
		return !exists
	}
	return false
}

// AllowsFaultDomain reports whether an agent meets the constraints on its region and zone.
func (d *Demand) AllowsFaultDomain(a Agent) bool {
	cs := parseConstraints(d.Constraints)
	return !slices.ContainsFunc(cs, func(c parsedConstraint) bool {
		return (c.Attribute == Region || c.Attribute == Zone) && !c.isMetBy(&Offer{Agent: a})
	})
}

// lookUp reports whether the agent has the attribute, and whether the attribute has one of
// the values. An agent may have several attributes with one name: any of them may match.
func (c *parsedConstraint) lookUp(o *Offer) (exists, matches bool) {
	if c.isBuiltIn {
		a := attribute.OfText(builtInValue(c.Attribute, &o.Agent))
		return a.Text != "", a.Text != "" && c.matchesAny(&a)
	}
	for i := range o.attributes {
		if a := &o.attributes[i]; a.Name == c.Attribute {
			exists = true
			matches = matches || c.matchesAny(a)
		}
	}
	return exists, matches
}

// builtInValue returns the value of a built-in attribute, "" where the agent has none.
func builtInValue(name string, a *Agent) string {
	switch name {
	case Hostname:
		return a.Hostname
	case Region:
		return a.Region
	case Zone:
		return a.Zone
	}
	return ""
}

func (c *parsedConstraint) matchesAny(a *attribute.Attribute) bool {
	for i := range c.values {
		if a.Has(&c.values[i]) {
			return true
		}
	}
	return false
}

// refusalText returns in what way n agents do not meet the constraint.
func (c *parsedConstraint) refusalText(n int) string {
	has := verb(n, "has", "have")
	list := "[" + strings.Join(c.Values, " ") + "]"
	switch c.Operator {
	case In:
		return fmt.Sprintf("%s not %s in %s", has, c.Attribute, list)
	case NotIn:
		return fmt.Sprintf("%s %s in %s", has, c.Attribute, list)
	case Exists:
		return fmt.Sprintf("%s not the attribute %s", has, c.Attribute)
	case DoesNotExist:
		return fmt.Sprintf("%s the attribute %s", has, c.Attribute)
	}
	return fmt.Sprintf("cannot be judged: %q is no operator", string(c.Operator))
}
