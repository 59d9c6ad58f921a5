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
	name   string
	text   string
	scalar bool
	number int64 // thousandths
	spans  mesos.Ranges
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
			a.scalar, a.number = true, int64(math.Round(x*1000))
			a.text = strconv.FormatFloat(x, 'f', -1, 64)
		case mesos.RANGES:
			a.spans = slices.Clone(as[i].GetRanges().GetRange())
			a.text = spanText(a.spans)
		case mesos.TEXT:
			a.text = as[i].GetText().GetValue()
		default:
			a.text = fmt.Sprint(as[i].GetSet().GetItem())
		}
		out = append(out, a)
	}
	return out
}

func spanText(rs mesos.Ranges) string {
	parts := make([]string, len(rs))
	for i, r := range rs {
		parts[i] = fmt.Sprintf("%d-%d", r.Begin, r.End)
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// value is a constraint's value, read once in every way that an attribute may want.
type value struct {
	text    string
	number  int64
	numeric bool
	lo, hi  uint64
	span    bool
}

func parseValue(s string) value {
	v := value{text: s}
	if x, err := strconv.ParseFloat(s, 64); err == nil && !math.IsNaN(x) && math.Abs(x) <= most {
		v.number, v.numeric = int64(math.Round(x*1000)), true
	}
	from, to, two := strings.Cut(s, "-")
	if !two {
		to = from
	}
	lo, errLo := strconv.ParseUint(from, 10, 64)
	hi, errHi := strconv.ParseUint(to, 10, 64)
	v.lo, v.hi, v.span = lo, hi, errLo == nil && errHi == nil && lo <= hi
	return v
}

// is says that the attribute has the value.
func (a *attribute) is(v *value) bool {
	switch {
	case a.scalar:
		return v.numeric && v.number == a.number
	case a.spans != nil:
		return v.span && slices.ContainsFunc(a.spans, func(r mesos.Value_Range) bool {
			return r.Begin <= v.lo && v.hi <= r.End
		})
	}
	return a.text == v.text
}

// constraint is a Constraint that has been read.
type constraint struct {
	Constraint
	builtIn bool
	values  []value
}

func parseConstraints(cs []Constraint) []constraint {
	out := make([]constraint, len(cs))
	for i, c := range cs {
		out[i] = constraint{Constraint: c, builtIn: strings.HasPrefix(c.Attribute, "@"), values: make([]value, len(c.Values))}
		for j, s := range c.Values {
			out[i].values[j] = parseValue(s)
		}
	}
	return out
}

// metBy says whether the agent behind an offer meets the constraint.
func (c *constraint) metBy(o *Offer) bool {
	there, has := c.look(o)
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

// look says whether the attribute is there, and whether it has one of the values.
func (c *constraint) look(o *Offer) (there, has bool) {
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
		return known.text != "", known.text != "" && c.hasAny(&known)
	}
	for i := range o.attributes {
		if a := &o.attributes[i]; a.name == c.Attribute {
			there = true
			has = has || c.hasAny(a)
		}
	}
	return there, has
}

func (c *constraint) hasAny(a *attribute) bool {
	for i := range c.values {
		if a.is(&c.values[i]) {
			return true
		}
	}
	return false
}

// unmet says of n agents what the constraint has against them.
func (c *constraint) unmet(n int) string {
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
