// Package attribute compares the attributes of agents with the values of constraints, both as
// they are written in the agent's flag --attributes. Mesos makes a number, ranges or a text of
// what is written there, and what it made of it decides how it is compared. (Its
// src/common/values.cpp and attributes.cpp are the source of these rules.)
//
// The package knows neither offers nor constraints: mesos/placement asks it whether an
// attribute has a value.
package attribute

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

// Type of an attribute. The zero value is Text.
type Type uint8

// The types.
const (
	Text Type = iota
	Scalar
	Ranges
	Set // no flag has it, but the protocol does
)

// Attribute is one attribute of an agent.
type Attribute struct {
	Name string
	Type Type
	// Text of the attribute: 1700000000000, [1-5,7-9], {a,b}, or the text as it is.
	Text string

	number float64
	ranges mesos.Ranges // sorted, without neighbours
	items  []string     // sorted
}

// Parse reads the attributes of an agent.
func Parse(as []mesos.Attribute) []Attribute {
	if len(as) == 0 {
		return nil
	}
	out := make([]Attribute, 0, len(as))
	for i := range as {
		a := Attribute{Name: as[i].Name}
		switch as[i].Type {
		case mesos.SCALAR:
			a.Type, a.number = Scalar, as[i].GetScalar().GetValue()
			a.Text = formatNumber(a.number)
		case mesos.RANGES:
			a.Type, a.ranges = Ranges, normalize(as[i].GetRanges().GetRange())
			a.Text = formatRanges(a.ranges)
		case mesos.SET:
			a.Type, a.items = Set, slices.Sorted(slices.Values(as[i].GetSet().GetItem()))
			a.Text = "{" + strings.Join(a.items, ",") + "}"
		default:
			a.Text = as[i].GetText().GetValue()
		}
		out = append(out, a)
	}
	return out
}

// OfText returns an attribute that is a text.
func OfText(text string) Attribute { return Attribute{Text: text} }

// formatNumber writes a number in full, as long as that is shorter than what anybody would
// write in a flag.
func formatNumber(x float64) string {
	if math.Abs(x) < 1e21 {
		return strconv.FormatFloat(x, 'f', -1, 64)
	}
	return strconv.FormatFloat(x, 'g', -1, 64)
}

func formatRanges(rs mesos.Ranges) string {
	parts := make([]string, len(rs))
	for i, r := range rs {
		parts[i] = strconv.FormatUint(r.Begin, 10) + "-" + strconv.FormatUint(r.End, 10)
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// normalize sorts ranges and joins those that overlap or are neighbours, as Mesos does.
// (Squash of the library would overflow at the largest number.)
func normalize(rs mesos.Ranges) mesos.Ranges {
	sorted := slices.SortedFunc(slices.Values(rs), func(a, b mesos.Value_Range) int { return cmp.Compare(a.Begin, b.Begin) })
	out := make(mesos.Ranges, 0, len(sorted))
	for _, r := range sorted {
		if last := len(out) - 1; last >= 0 && (out[last].End == math.MaxUint64 || r.Begin <= out[last].End+1) {
			out[last].End = max(out[last].End, r.End)
			continue
		}
		out = append(out, r)
	}
	return out
}

// Has reports whether the attribute has a value: the whole of it or, of ranges and sets, a
// part.
func (a *Attribute) Has(v *Value) bool {
	switch a.Type {
	case Scalar:
		return v.isNumber && sameNumber(a.number, v.number)
	case Ranges:
		if v.hasRanges {
			return slices.Equal(a.ranges, v.ranges)
		}
		return v.isSpan && slices.ContainsFunc(a.ranges, func(r mesos.Value_Range) bool {
			return r.Begin <= v.low && v.high <= r.End
		})
	case Set:
		return slices.Contains(a.items, v.squeezed) || slices.Contains(a.items, v.text) || v.items != nil && slices.Equal(a.items, v.items)
	}
	return a.Text == v.text || a.Text == v.squeezed
}

// sameNumber compares what was read twice from the same text. Readers of numbers may differ
// in the last bits of a fraction, and of whole numbers that are too large to be exact.
func sameNumber(x, y float64) bool {
	const maxExact = 1 << 53
	switch {
	case x == y, math.IsNaN(x) && math.IsNaN(y):
		return true
	case math.IsInf(x, 0), math.IsInf(y, 0):
		return false
	case math.Abs(x) < maxExact && math.Trunc(x) == x && math.Trunc(y) == y:
		return false
	}
	const fewBits = 4 * 0x1p-53
	return math.Abs(x-y) <= fewBits*max(math.Abs(x), math.Abs(y))
}
