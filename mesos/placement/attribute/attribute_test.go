package attribute

import (
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

func text(s string) mesos.Attribute {
	return mesos.Attribute{Name: "a", Type: mesos.TEXT, Text: &mesos.Value_Text{Value: s}}
}

func scalar(x float64) mesos.Attribute {
	return mesos.Attribute{Name: "a", Type: mesos.SCALAR, Scalar: &mesos.Value_Scalar{Value: x}}
}

func ranges(pairs ...uint64) mesos.Attribute {
	a := mesos.Attribute{Name: "a", Type: mesos.RANGES, Ranges: &mesos.Value_Ranges{}}
	for i := 0; i < len(pairs); i += 2 {
		a.Ranges.Range = append(a.Ranges.Range, mesos.Value_Range{Begin: pairs[i], End: pairs[i+1]})
	}
	return a
}

func set(items ...string) mesos.Attribute {
	return mesos.Attribute{Name: "a", Type: mesos.SET, Set: &mesos.Value_Set{Item: items}}
}

func has(a mesos.Attribute, value string) bool {
	v := ParseValue(value)
	return Parse([]mesos.Attribute{a})[0].Has(&v)
}

// What stands in the flag has the value that is written alike, whatever Mesos made of it.
func TestAttributesMatchAsTheyAreWrittenInTheFlag(t *testing.T) {
	t.Parallel()
	for written, parsed := range map[string]mesos.Attribute{
		"r1":                             text("r1"),
		"row 1, rack 2":                  text("row1,rack2"), // Mesos removes spaces
		"1.2.3":                          text("1.2.3"),
		"8-15":                           text("8-15"),
		"0x1F.8":                         text("0x1F.8"),
		"1e400":                          text("1e400"), // too large for a number
		"1700000000000":                  scalar(1700000000000),
		"1700000000001":                  scalar(1700000000001),
		"9007199254740991":               scalar(9007199254740991),
		"18446744073709551616":           scalar(18446744073709551616),
		"123456789012345678901234567890": scalar(123456789012345678901234567890),
		"007":                            scalar(7),
		"+5":                             scalar(5),
		"-3":                             scalar(-3),
		"2.50":                           scalar(2.5),
		"1.0001":                         scalar(1.0001),
		"1e3":                            scalar(1000),
		"1e300":                          scalar(1e300),
		"0x1F":                           scalar(31),
		"-0X1f":                          scalar(-31),
		"0xffffffffffffffff":             scalar(math.MaxUint64),
		"inf":                            scalar(math.Inf(1)),
		"-Infinity":                      scalar(math.Inf(-1)),
		"nan":                            scalar(math.NaN()),
		"[1-5,7-9]":                      ranges(1, 5, 7, 9),
		"[7-9, 1-5]":                     ranges(1, 5, 7, 9),
		"[1-3,4-5,7-9]":                  ranges(1, 5, 7, 9), // Mesos joins neighbours
		"[8-8]":                          ranges(8, 8),
		"{a,b}":                          set("a", "b"),
		"{b, a}":                         set("a", "b"),
	} {
		if !has(parsed, written) {
			t.Errorf("%s does not have the value %q", Parse([]mesos.Attribute{parsed})[0].Text, written)
		}
		for _, other := range []string{"", "r2", "1700000000002", "6", "1.0002", "9007199254740990", "[1-5]", "{a}", "{}", "[]", "0", "31.5"} {
			if has(parsed, other) {
				t.Errorf("%s (written %s) has the value %q", Parse([]mesos.Attribute{parsed})[0].Text, written, other)
			}
		}
	}
}

func TestAPartOfRangesAndSetsMatches(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		attribute mesos.Attribute
		value     string
		want      bool
	}{
		"a number within a range":               {ranges(1, 5, 7, 9), "8", true},
		"a number between the ranges":           {ranges(1, 5, 7, 9), "6", false},
		"a span within a range":                 {ranges(1, 5, 7, 9), "2-4", true},
		"a span that leaves the range":          {ranges(1, 5, 7, 9), "4-8", false},
		"a span over neighbours":                {ranges(1, 3, 4, 5), "2-5", true},
		"a span that runs backwards":            {ranges(1, 5), "4-2", false},
		"a fraction":                            {ranges(1, 5), "2.5", false},
		"the largest number":                    {ranges(0, math.MaxUint64), "18446744073709551615", true},
		"a range that is a part":                {ranges(1, 5), "[2-4]", false},
		"broken ranges":                         {ranges(1, 5), "[1-5", false},
		"ranges that are a number":              {ranges(1, 5), "[1]", false},
		"an item of a set":                      {set("a", "b"), "b", true},
		"an item with a space":                  {set("row1"), "row 1", true},
		"no item of a set":                      {set("a", "b"), "c", false},
		"a text with spaces, unlike Mesos":      {text("row 1"), "row 1", true},
		"a number is not the text of a number":  {text("8.0"), "8", false},
		"the same number with other digits":     {scalar(8), "8.000", true},
		"a text that is no number":              {scalar(8), "eight", false},
		"a number that differs in its last bit": {scalar(math.Nextafter(0.1, 1)), "0.1", true},
		"a number that differs a little more":   {scalar(0.1000000001), "0.1", false},
		"an infinite one, and a large number":   {scalar(math.Inf(1)), "1e308", false},
		"a large number, and an infinite one":   {scalar(1e308), "inf", false},
	} {
		if got := has(tc.attribute, tc.value); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

func TestAttributesAsText(t *testing.T) {
	t.Parallel()
	for want, a := range map[string]mesos.Attribute{
		"r1":            text("r1"),
		"2.5":           scalar(2.5),
		"8":             scalar(8),
		"1700000000000": scalar(1700000000000),
		"1e+300":        scalar(1e300),
		"NaN":           scalar(math.NaN()),
		"[1-2,5-5]":     ranges(5, 5, 1, 2),
		"[1-5]":         ranges(1, 3, 2, 5),
		"[]":            ranges(),
		"{a,b}":         set("b", "a"),
		"{}":            set(),
		"":              {Name: "nothing", Type: mesos.TEXT},
	} {
		if got := Parse([]mesos.Attribute{a})[0].Text; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := OfText("eu"); got.Text != "eu" || got.Type != Text {
		t.Errorf("a text is %+v", got)
	}
}

func TestMessagesOfAgentsAreNotChanged(t *testing.T) {
	t.Parallel()
	as := []mesos.Attribute{ranges(7, 9, 1, 5), set("b", "a")}
	before := fmt.Sprint(as)
	Parse(as)
	if diff := cmp.Diff(before, fmt.Sprint(as)); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
}

// No text makes a value panic, and every text that is one in the flag has itself.
func FuzzParseValue(f *testing.F) {
	for _, s := range []string{"", "8", "[1-2]", "{a}", "[", "-", "0x", "-0x", "nan", "[18446744073709551615-18446744073709551615,0-1]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !has(text(Squeeze(s)), s) {
			t.Errorf("the text %q does not have itself", s)
		}
		v := ParseValue(s)
		if v.isNumber && !has(scalar(v.number), s) {
			t.Errorf("the number %v does not have %q", v.number, s)
		}
		if v.hasRanges && !(&Attribute{Type: Ranges, ranges: v.ranges}).Has(&v) {
			t.Errorf("the ranges %v do not have %q", v.ranges, s)
		}
	})
}
