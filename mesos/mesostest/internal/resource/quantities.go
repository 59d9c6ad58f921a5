// Package resource is the algebra of Mesos resources: scalars and ranges, reserved or
// not, as an allocator counts them.
//
// It reads and writes resources as messages and as text. It knows nothing of agents,
// offers or quotas.
package resource

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/naming"
)

// span is an interval of a ranges resource, both ends included.
type span struct{ begin, end uint64 }

// Quantities are amounts of resources by key, as the allocator counts them: scalars
// in thousandths, as Mesos rounds them, and ranges sorted and disjoint. The key is the
// name, and how it is reserved if it is.
type Quantities struct {
	Scalars map[string]int64
	ranges  map[string][]span
}

// usualOrder is the order in which resources are listed in offers.
var usualOrder = []string{"ports", "cpus", "mem", "disk", "gpus"}

// QuantitiesOf sums up resources. It does not matter which roles they are allocated to.
func QuantitiesOf(resources ...mesos.Resource) Quantities {
	q := Quantities{Scalars: map[string]int64{}, ranges: map[string][]span{}}
	for _, r := range resources {
		if r.Scalar != nil {
			q.Scalars[keyOfResource(r)] += int64(math.Round(r.Scalar.Value * 1000))
		}
		if r.Ranges != nil {
			for _, x := range r.Ranges.Range {
				key := keyOfResource(r)
				q.ranges[key] = addSpan(q.ranges[key], span{x.Begin, x.End})
			}
		}
	}
	return q
}

// Clone returns a copy that shares nothing with q.
func (q Quantities) Clone() Quantities {
	c := Quantities{Scalars: maps.Clone(q.Scalars), ranges: map[string][]span{}}
	if c.Scalars == nil {
		c.Scalars = map[string]int64{}
	}
	for name, spans := range q.ranges {
		c.ranges[name] = slices.Clone(spans)
	}
	return c
}

// Add adds o to q.
func (q Quantities) Add(o Quantities) {
	for name, amount := range o.Scalars {
		q.Scalars[name] += amount
	}
	for name, spans := range o.ranges {
		for _, s := range spans {
			q.ranges[name] = addSpan(q.ranges[name], s)
		}
	}
}

// Subtract takes o away. Amounts do not become less than nothing.
func (q Quantities) Subtract(o Quantities) {
	for name, amount := range o.Scalars {
		if q.Scalars[name] -= amount; q.Scalars[name] <= 0 {
			delete(q.Scalars, name)
		}
	}
	for name, spans := range o.ranges {
		for _, s := range spans {
			q.ranges[name] = cutSpan(q.ranges[name], s)
		}
		if len(q.ranges[name]) == 0 {
			delete(q.ranges, name)
		}
	}
}

// Contains reports whether q has at least as much of everything as o, and ranges that
// contain the quantities of o.
func (q Quantities) Contains(o Quantities) bool {
	for name, amount := range o.Scalars {
		if q.Scalars[name] < amount {
			return false
		}
	}
	for name, spans := range o.ranges {
		for _, s := range spans {
			covers := func(have span) bool { return have.begin <= s.begin && s.end <= have.end }
			if !slices.ContainsFunc(q.ranges[name], covers) {
				return false
			}
		}
	}
	return true
}

// Overlaps reports whether both have some of the same.
func (q Quantities) Overlaps(o Quantities) bool {
	return slices.ContainsFunc(q.keys(), func(key string) bool { return slices.Contains(o.keys(), key) })
}

// IsEmpty reports whether there is nothing.
func (q Quantities) IsEmpty() bool {
	return len(q.Scalars) == 0 && len(q.ranges) == 0
}

// Unreserved are the quantities that are reserved for no role.
func (q Quantities) Unreserved() Quantities {
	return q.only(func(key string) bool { return !isReserved(key) })
}

// AllocatableTo a role is what is reserved for no role, for it or for one above it.
func (q Quantities) AllocatableTo(role string) Quantities {
	return q.only(func(key string) bool { return !isReserved(key) || naming.IsWithin(role, reservedFor(key)) })
}

// only keeps the quantities with wanted keys. It returns q itself if all are wanted.
func (q Quantities) only(wanted func(key string) bool) Quantities {
	unwanted := func(key string) bool { return !wanted(key) }
	if !slices.ContainsFunc(q.keys(), unwanted) {
		return q
	}
	out := q.Clone()
	maps.DeleteFunc(out.Scalars, func(key string, _ int64) bool { return unwanted(key) })
	maps.DeleteFunc(out.ranges, func(key string, _ []span) bool { return unwanted(key) })
	return out
}

func (q Quantities) keys() []string {
	return slices.AppendSeq(slices.Collect(maps.Keys(q.Scalars)), maps.Keys(q.ranges))
}

// ByName sums up what differs only in how it is reserved. It is q itself if nothing is.
func (q Quantities) ByName() Quantities {
	if !slices.ContainsFunc(q.keys(), isReserved) {
		return q
	}
	out := QuantitiesOf()
	for key, amount := range q.Scalars {
		out.Scalars[nameOf(key)] += amount
	}
	for key, spans := range q.ranges {
		for _, s := range spans {
			out.ranges[nameOf(key)] = addSpan(out.ranges[nameOf(key)], s)
		}
	}
	return out
}

// ReservedByRole sums up reserved scalars by the role that they are reserved for.
func (q Quantities) ReservedByRole() map[string]map[string]int64 {
	out := map[string]map[string]int64{}
	for key, amount := range q.Scalars {
		if !isReserved(key) {
			continue
		}
		role := reservedFor(key)
		if out[role] == nil {
			out[role] = map[string]int64{}
		}
		out[role][nameOf(key)] += amount
	}
	return out
}

// sortedKeys in the usual order of names, others behind by name; but for ranges,
// reserved ones come first.
func (q Quantities) sortedKeys() []string {
	keys := q.keys()
	rank := func(key string) int {
		if i := slices.Index(usualOrder, nameOf(key)); i >= 0 {
			return i
		}
		return len(usualOrder)
	}
	slices.SortFunc(keys, func(a, b string) int {
		return cmp.Or(q.group(a)-q.group(b), rank(a)-rank(b), strings.Compare(a, b))
	})
	return keys
}

func (q Quantities) group(key string) int {
	_, ranges := q.ranges[key]
	switch {
	case ranges:
		return 0
	case isReserved(key):
		return 1
	}
	return 2
}

// Messages lists the quantities as messages, allocated to the role if it is not
// empty. Frameworks without RESERVATION_REFINEMENT read the old fields, too.
func (q Quantities) Messages(role string, oldFormat bool) []mesos.Resource {
	var out []mesos.Resource
	for _, key := range q.sortedKeys() {
		r := templateOf(key)
		if amount, ok := q.Scalars[key]; ok {
			r.Type = mesos.SCALAR.Enum()
			r.Scalar = &mesos.Value_Scalar{Value: float64(amount) / 1000}
		} else {
			r.Type = mesos.RANGES.Enum()
			r.Ranges = &mesos.Value_Ranges{}
			for _, s := range q.ranges[key] {
				r.Ranges.Range = append(r.Ranges.Range, mesos.Value_Range{Begin: s.begin, End: s.end})
			}
		}
		if role != "" {
			r.AllocationInfo = &mesos.Resource_AllocationInfo{Role: &role}
		}
		if oldFormat {
			setOldFields(&r)
		}
		out = append(out, r)
	}
	return out
}

// Describe writes resources as Mesos does in its messages.
func Describe(resources []mesos.Resource) string {
	var parts []string
	for _, r := range resources {
		name := r.Name
		if r.AllocationInfo != nil && r.AllocationInfo.Role != nil {
			name += "(allocated: " + *r.AllocationInfo.Role + ")"
		}
		name += describeReservations(r.Reservations)
		value := ""
		if r.Scalar != nil {
			value = strconv.FormatFloat(r.Scalar.Value, 'f', -1, 64)
		}
		if r.Ranges != nil {
			var spans []string
			for _, x := range r.Ranges.Range {
				spans = append(spans, fmt.Sprintf("%d-%d", x.Begin, x.End))
			}
			value = "[" + strings.Join(spans, ", ") + "]"
		}
		parts = append(parts, name+":"+value)
	}
	return strings.Join(parts, "; ")
}

// addSpan unites a span with sorted disjoint ones.
func addSpan(spans []span, s span) []span {
	var out []span
	for _, have := range spans {
		switch {
		case have.end+1 < s.begin:
			out = append(out, have)
		case s.end+1 < have.begin:
			out = append(out, s)
			s = have
		default:
			s = span{min(s.begin, have.begin), max(s.end, have.end)}
		}
	}
	return append(out, s)
}

// cutSpan takes a span out of sorted disjoint ones.
func cutSpan(spans []span, s span) []span {
	var out []span
	for _, have := range spans {
		if have.end < s.begin || s.end < have.begin {
			out = append(out, have)
			continue
		}
		if have.begin < s.begin {
			out = append(out, span{have.begin, s.begin - 1})
		}
		if s.end < have.end {
			out = append(out, span{s.end + 1, have.end})
		}
	}
	return out
}

// Parse reads cpus:4;mem:4096;cpus(role):1;ports:[31000-32000]. What bears a
// role is reserved for it.
func Parse(text string) (Quantities, error) {
	var resources []mesos.Resource
	for _, pair := range splitPairs(text) {
		r := mesos.Resource{Name: pair.name}
		if name, role, ok := strings.Cut(pair.name, "("); ok {
			role = strings.TrimSuffix(role, ")")
			if err := naming.ValidateRole(role); err != nil {
				return Quantities{}, fmt.Errorf("parsing resource %q: %w", pair.name, err)
			}
			r.Name, r.Role = name, &role
		}
		value, err := parseValue(pair.value)
		switch {
		case err != nil:
			return Quantities{}, fmt.Errorf("parsing resource %q: %w", pair.name, err)
		case value.Scalar != nil:
			r.Scalar = value.Scalar
		case value.Ranges != nil:
			r.Ranges = value.Ranges
		default:
			return Quantities{}, fmt.Errorf("parsing resource %q: %q is neither a number nor ranges", pair.name, pair.value)
		}
		resources = append(resources, r)
	}
	return QuantitiesOf(resources...), nil
}

// ParseAttributes reads rack:r1;slots:8;ports_open:[1000-1999].
func ParseAttributes(text string) ([]mesos.Attribute, error) {
	var out []mesos.Attribute
	for _, pair := range splitPairs(text) {
		a, err := parseValue(pair.value)
		if err != nil {
			return nil, fmt.Errorf("parsing attribute %q: %w", pair.name, err)
		}
		a.Name = pair.name
		out = append(out, a)
	}
	return out, nil
}

type nameValue struct{ name, value string }

func splitPairs(text string) []nameValue {
	var out []nameValue
	for _, part := range strings.Split(text, ";") {
		if part = strings.TrimSpace(part); part != "" {
			name, value, _ := strings.Cut(part, ":")
			out = append(out, nameValue{strings.TrimSpace(name), strings.TrimSpace(value)})
		}
	}
	return out
}

// parseValue reads a value, as an attribute without a name. Mesos ignores all spaces in it.
func parseValue(text string) (mesos.Attribute, error) {
	text = strings.ReplaceAll(text, " ", "")
	if text == "" {
		return mesos.Attribute{}, fmt.Errorf("no value")
	}
	if strings.HasPrefix(text, "{") {
		return mesos.Attribute{}, fmt.Errorf("sets are not supported")
	}
	if strings.HasPrefix(text, "[") {
		ranges, err := parseRanges(strings.Trim(text, "[]"))
		return mesos.Attribute{Type: mesos.RANGES, Ranges: ranges}, err
	}
	if number, err := strconv.ParseFloat(text, 64); err == nil {
		return mesos.Attribute{Type: mesos.SCALAR, Scalar: &mesos.Value_Scalar{Value: number}}, nil
	}
	return mesos.Attribute{Type: mesos.TEXT, Text: &mesos.Value_Text{Value: text}}, nil
}

func parseRanges(text string) (*mesos.Value_Ranges, error) {
	ranges := &mesos.Value_Ranges{}
	for _, part := range strings.Split(text, ",") {
		var x mesos.Value_Range
		if _, err := fmt.Sscanf(strings.TrimSpace(part), "%d-%d", &x.Begin, &x.End); err != nil || x.End < x.Begin {
			return nil, fmt.Errorf("%q is not a range", part)
		}
		ranges.Range = append(ranges.Range, x)
	}
	return ranges, nil
}
