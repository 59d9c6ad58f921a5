package placement

import (
	"fmt"
	"slices"
	"strings"
)

// Resources is an amount of what an agent offers, or a task needs.
type Resources struct {
	CPUs    float64 // cores
	MemMiB  float64
	DiskMiB float64
	Ports   int // number of ports
}

// Operator relates an agent's attribute to a constraint's values.
type Operator string

// The operators.
const (
	// In is met when the attribute has one of the values.
	In Operator = "In"
	// NotIn is met when the attribute has none of the values, or is absent.
	NotIn Operator = "NotIn"
	// Exists is met when the agent has the attribute, whatever its value.
	Exists Operator = "Exists"
	// DoesNotExist is met when the agent does not have the attribute.
	DoesNotExist Operator = "DoesNotExist"
)

// The built-in attributes. Mesos itself knows their values; no agent sets them.
const (
	// Hostname is the agent's --hostname.
	Hostname = "@hostname"
	// Region is the region of the agent's fault domain.
	Region = "@region"
	// Zone is the zone of the agent's fault domain.
	Zone = "@zone"
)

// Constraint is one requirement that an agent's attributes must meet. Package attribute
// describes how attributes and values are compared.
type Constraint struct {
	Attribute string
	Operator  Operator
	Values    []string
}

// Equal reports whether two constraints are the same.
func (c Constraint) Equal(o Constraint) bool {
	return c.Attribute == o.Attribute && c.Operator == o.Operator && slices.Equal(c.Values, o.Values)
}

// String formats the constraint for a person: "rack In [r1 r2]".
func (c Constraint) String() string {
	if len(c.Values) == 0 {
		return fmt.Sprintf("%s %s", c.Attribute, c.Operator)
	}
	return fmt.Sprintf("%s %s %v", c.Attribute, c.Operator, c.Values)
}

// FormatConstraints formats constraints for a person: "rack In [r1 r2] and gpu Exists".
func FormatConstraints(cs []Constraint) string {
	parts := make([]string, len(cs))
	for i, c := range cs {
		parts[i] = c.String()
	}
	return strings.Join(parts, " and ")
}

// Constrains reports whether a constraint is on an attribute.
func (d *Demand) Constrains(attribute string) bool {
	return slices.ContainsFunc(d.Constraints, func(c Constraint) bool { return c.Attribute == attribute })
}

// Demand asks for one task.
type Demand struct {
	// ID of the task. Each demand is for one task and one attempt to launch it.
	ID string
	// Group is the set of tasks that are spread over agents and counted for MaxPerAgent.
	Group string
	// Role in which the resources are offered.
	Role string
	// Resources that the task takes, its executor included.
	Resources Resources
	// Constraints that the agent must meet, all of them.
	Constraints []Constraint
	// MaxPerAgent is the maximum number of the group's tasks on one agent; 0 is no limit.
	MaxPerAgent int
	// Avoid lists the IDs of agents that must not be used in this cycle.
	Avoid []string
}
