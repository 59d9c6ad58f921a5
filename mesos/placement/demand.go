package placement

import (
	"fmt"
	"slices"
	"strings"
)

// Resources of one node, or what is left of an agent: cores, MiB, MiB and a count of
// ports.
type Resources struct {
	CPUs    float64
	MemMiB  float64
	DiskMiB float64
	Ports   int
}

// Operator relates an agent's attribute to a constraint's values.
type Operator string

// The operators.
const (
	// In is met when the attribute has one of the values.
	In Operator = "In"
	// NotIn is met when the attribute has none of the values, or is absent.
	NotIn Operator = "NotIn"
	// Exists is met when the attribute is there, whatever its value.
	Exists Operator = "Exists"
	// DoesNotExist is met when the attribute is absent.
	DoesNotExist Operator = "DoesNotExist"
)

// Attributes that no agent sets: Mesos itself knows them.
const (
	// Hostname is the agent's --hostname.
	Hostname = "@hostname"
	// Region of the agent's fault domain.
	Region = "@region"
	// Zone of the agent's fault domain.
	Zone = "@zone"
)

// Constraint is one demand on an agent. A text attribute is compared as it is, a
// scalar as a number, and a ranges attribute has a value when it holds it ("8", or
// "8-15" whole).
type Constraint struct {
	Attribute string
	Operator  Operator
	Values    []string
}

// Equal says that two constraints are the same.
func (c Constraint) Equal(o Constraint) bool {
	return c.Attribute == o.Attribute && c.Operator == o.Operator && slices.Equal(c.Values, o.Values)
}

// String is the constraint for a person: "rack In [r1 r2]".
func (c Constraint) String() string {
	if len(c.Values) == 0 {
		return fmt.Sprintf("%s %s", c.Attribute, c.Operator)
	}
	return fmt.Sprintf("%s %s %v", c.Attribute, c.Operator, c.Values)
}

// FormatConstraints is constraints for a person.
func FormatConstraints(cs []Constraint) string {
	parts := make([]string, len(cs))
	for i, c := range cs {
		parts[i] = c.String()
	}
	return strings.Join(parts, " and ")
}

// Demand asks for one task.
type Demand struct {
	// ID of the task: one demand, one task, one attempt.
	ID string
	// Group the demand belongs to; what is spread, and counted for MaxPerAgent.
	Group string
	// Role in which the resources are offered.
	Role string
	// Resources that the task takes, its executor included.
	Resources Resources
	// Constraints that the agent must meet, all of them.
	Constraints []Constraint
	// MaxPerAgent bounds the tasks of the group on one agent; 0 is no bound.
	MaxPerAgent int
	// Avoid lists the IDs of agents to leave out now.
	Avoid []string
}
