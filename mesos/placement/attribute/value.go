package attribute

import (
	"slices"
	"strconv"
	"strings"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

// Value is one value of a constraint, as it would be written in an agent's flag. It is parsed
// once in every form that an attribute may have.
type Value struct {
	text string
	// squeezed is the text without spaces: Mesos removes those from what the flag says.
	squeezed string

	number   float64
	isNumber bool
	// A span is a number (8), or the numbers from one to another (8-15).
	low, high uint64
	isSpan    bool
	ranges    mesos.Ranges // of [1-5,7-9]
	hasRanges bool
	items     []string // of {a,b}; nil if it is no set
}

// ParseValue parses a value. Every text is one.
func ParseValue(text string) Value {
	v := Value{text: text, squeezed: Squeeze(text)}
	v.number, v.isNumber = parseNumber(v.squeezed)
	v.low, v.high, v.isSpan = parseSpan(v.squeezed)
	v.ranges, v.hasRanges = parseRanges(v.squeezed)
	if inner, ok := bracketed(v.squeezed, "{", "}"); ok {
		v.items = splitList(inner)
		slices.Sort(v.items)
	}
	return v
}

// Squeeze returns a text without spaces, which is what Mesos keeps of a text in the flag.
func Squeeze(text string) string { return strings.ReplaceAll(text, " ", "") }

// parseNumber reads what Mesos takes for a number: decimal, with or without an exponent,
// hexadecimal without a fraction, and the names of numbers that are none.
func parseNumber(s string) (float64, bool) {
	digits, isHex := cutHex(s)
	if !isHex {
		x, err := strconv.ParseFloat(s, 64)
		return x, err == nil
	}
	n, err := strconv.ParseUint(digits, 16, 64)
	if strings.HasPrefix(s, "-") {
		return -float64(n), err == nil
	}
	return float64(n), err == nil
}

func cutHex(s string) (digits string, isHex bool) {
	rest := strings.TrimPrefix(s, "-")
	if strings.HasPrefix(rest, "0x") || strings.HasPrefix(rest, "0X") {
		return rest[2:], true
	}
	return "", false
}

// parseSpan reads "8" or "8-15".
func parseSpan(s string) (low, high uint64, ok bool) {
	from, to, hasDash := strings.Cut(s, "-")
	if !hasDash {
		to = from
	}
	low, errLow := strconv.ParseUint(from, 10, 64)
	high, errHigh := strconv.ParseUint(to, 10, 64)
	return low, high, errLow == nil && errHigh == nil && low <= high
}

// parseRanges reads "[1-5,7-9]".
func parseRanges(s string) (mesos.Ranges, bool) {
	inner, ok := bracketed(s, "[", "]")
	if !ok {
		return nil, false
	}
	var rs mesos.Ranges
	for _, part := range splitList(inner) {
		low, high, ok := parseSpan(part)
		if !ok || !strings.Contains(part, "-") {
			return nil, false
		}
		rs = append(rs, mesos.Value_Range{Begin: low, End: high})
	}
	return normalize(rs), true
}

func bracketed(s, open, end string) (inner string, ok bool) {
	s, hasOpen := strings.CutPrefix(s, open)
	s, hasEnd := strings.CutSuffix(s, end)
	return s, hasOpen && hasEnd
}

// splitList splits at commas. Empty parts are left out, as Mesos does. The result is not nil.
func splitList(s string) []string {
	return slices.DeleteFunc(strings.Split(s, ","), func(part string) bool { return part == "" })
}
