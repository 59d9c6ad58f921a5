package placement

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

// attribute of an agent. Exactly one of number and spans says more than the text, for
// scalars and ranges.
type attribute struct {
	name     string
	text     string
	isScalar bool
	number   int64 // thousandths
	ranges   mesos.Ranges
}

func parseAttributes(as []mesos.Attribute) []attribute {
	if len(as) == 0 {
		return nil
	}
	out := make([]attribute, 0, len(as))
	for i := range as {
		a := attribute{name: as[i].Name}
		switch as[i].Type {
		case mesos.SCALAR:
			x := as[i].GetScalar().GetValue()
			a.isScalar, a.number = true, int64(math.Round(x*1000))
			a.text = strconv.FormatFloat(x, 'f', -1, 64)
		case mesos.RANGES:
			a.ranges = slices.Clone(as[i].GetRanges().GetRange())
			a.text = rangesText(a.ranges)
		case mesos.TEXT:
			a.text = as[i].GetText().GetValue()
		default:
			a.text = fmt.Sprint(as[i].GetSet().GetItem())
		}
		out = append(out, a)
	}
	return out
}

func rangesText(rs mesos.Ranges) string {
	parts := make([]string, len(rs))
	for i, r := range rs {
		parts[i] = fmt.Sprintf("%d-%d", r.Begin, r.End)
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// constraintValue is a constraint's value, read once in every way that an attribute may want.
type constraintValue struct {
	text    string
	number  int64
	numeric bool
	lo, hi  uint64
	isRange bool
}

func parseConstraintValue(s string) constraintValue {
	v := constraintValue{text: s}
	if x, err := strconv.ParseFloat(s, 64); err == nil && !math.IsNaN(x) && math.Abs(x) <= maxAmount {
		v.number, v.numeric = int64(math.Round(x*1000)), true
	}
	from, to, two := strings.Cut(s, "-")
	if !two {
		to = from
	}
	lo, errLo := strconv.ParseUint(from, 10, 64)
	hi, errHi := strconv.ParseUint(to, 10, 64)
	v.lo, v.hi, v.isRange = lo, hi, errLo == nil && errHi == nil && lo <= hi
	return v
}

// hasValue says that the attribute has the value.
func (a *attribute) hasValue(v *constraintValue) bool {
	switch {
	case a.isScalar:
		return v.numeric && v.number == a.number
	case a.ranges != nil:
		return v.isRange && slices.ContainsFunc(a.ranges, func(r mesos.Value_Range) bool {
			return r.Begin <= v.lo && v.hi <= r.End
		})
	}
	return a.text == v.text
}

// parsedConstraint is a Constraint that has been read.
type parsedConstraint struct {
	Constraint
	builtIn bool
	values  []constraintValue
}

func parseConstraints(cs []Constraint) []parsedConstraint {
	out := make([]parsedConstraint, len(cs))
	for i, c := range cs {
		out[i] = parsedConstraint{Constraint: c, builtIn: strings.HasPrefix(c.Attribute, "@"), values: make([]constraintValue, len(c.Values))}
		for j, s := range c.Values {
			out[i].values[j] = parseConstraintValue(s)
		}
	}
	return out
}

// isMetBy says whether the agent behind an offer meets the constraint.
func (c *parsedConstraint) isMetBy(o *Offer) bool {
	there, has := c.lookUp(o)
	switch c.Operator {
	case In:
		return has
	case NotIn:
		return !has
	case Exists:
		return there
	case DoesNotExist:
		return !there
	}
	return false
}

// lookUp says whether the attribute is there, and whether it has one of the values.
func (c *parsedConstraint) lookUp(o *Offer) (there, has bool) {
	if c.builtIn {
		known := attribute{}
		switch c.Attribute {
		case Hostname:
			known.text = o.Agent.Hostname
		case Region:
			known.text = o.Agent.Region
		case Zone:
			known.text = o.Agent.Zone
		}
		return known.text != "", known.text != "" && c.matchesAny(&known)
	}
	for i := range o.attributes {
		if a := &o.attributes[i]; a.name == c.Attribute {
			there = true
			has = has || c.matchesAny(a)
		}
	}
	return there, has
}

func (c *parsedConstraint) matchesAny(a *attribute) bool {
	for i := range c.values {
		if a.hasValue(&c.values[i]) {
			return true
		}
	}
	return false
}

// refusalText says of n agents what the constraint has against them.
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
