package placement

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

// attribute is one attribute of an agent. A scalar has a number beside its text, and a
// ranges attribute has ranges; a text attribute has neither.
type attribute struct {
	name     string
	text     string
	isScalar bool
	number   int64 // thousandths, as fine as Mesos compares scalars
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

// hasValue reports whether the attribute has the value.
func (a *attribute) hasValue(v *constraintValue) bool {
	switch {
	case a.isScalar:
		return v.isNumber && v.number == a.number
	case a.ranges != nil:
		return v.isRange && slices.ContainsFunc(a.ranges, func(r mesos.Value_Range) bool {
			return r.Begin <= v.low && v.high <= r.End
		})
	}
	return a.text == v.text
}
