package codec

import (
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// color is an enum of which 0 and 1 are known.
type color int32

func (c color) IsKnown() bool { return c == 0 || c == 1 }

type leaf struct {
	Name string `protobuf:"bytes,1,req,name=name"`
}

// tree is a message as this package's own are: strings, messages, enums, lists and maps of
// messages.
type tree struct {
	Title  *string         `protobuf:"bytes,1,opt,name=title"`
	Color  *color          `protobuf:"varint,2,opt,name=color,enum=Color"`
	Leaf   *leaf           `protobuf:"bytes,3,opt,name=leaf"`
	Leaves []leaf          `protobuf:"bytes,4,rep,name=leaves"`
	Named  map[string]leaf `protobuf:"bytes,5,rep,name=named"`
	Local  string          // not on the wire
}

func varint(number int, value uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(nil, uint64(number)<<3), value)
}

func delimited(number int, content ...[]byte) []byte {
	var body []byte
	for _, c := range content {
		body = append(body, c...)
	}
	out := binary.AppendUvarint(nil, uint64(number)<<3|2)
	return append(binary.AppendUvarint(out, uint64(len(body))), body...)
}

func text(number int, value string) []byte { return delimited(number, []byte(value)) }

func join(parts ...[]byte) []byte {
	var out []byte
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func TestFieldsOfProtobuf(t *testing.T) {
	title, red := "t", color(1)
	for name, test := range map[string]struct {
		raw  []byte
		want tree
	}{
		"nothing":                    {nil, tree{}},
		"a string":                   {text(1, "t"), tree{Title: &title}},
		"the last of two strings":    {join(text(1, "s"), text(1, "t")), tree{Title: &title}},
		"an enum":                    {varint(2, 1), tree{Color: &red}},
		"an unknown enum value":      {varint(2, 7), tree{}},
		"a negative enum value":      {varint(2, math.MaxUint64), tree{}},
		"a message":                  {delimited(3, text(1, "l")), tree{Leaf: &leaf{"l"}}},
		"a list":                     {join(delimited(4, text(1, "a")), delimited(4, text(1, "b"))), tree{Leaves: []leaf{{"a"}, {"b"}}}},
		"a map":                      {join(delimited(5, text(1, "x"), delimited(2, text(1, "a"))), delimited(5, text(1, "y"), delimited(2, text(1, "b")))), tree{Named: map[string]leaf{"x": {"a"}, "y": {"b"}}}},
		"an entry without a key":     {delimited(5, delimited(2, text(1, "a"))), tree{Named: map[string]leaf{"": {"a"}}}},
		"an entry with its key last": {delimited(5, delimited(2, text(1, "a")), text(1, "x")), tree{Named: map[string]leaf{"x": {"a"}}}},
		"unknown fields":             {join(text(99, "x"), varint(98, 5), text(1, "t")), tree{Title: &title}},
		"a fixed field of 8 bytes":   {join([]byte{9<<3 | 1, 1, 2, 3, 4, 5, 6, 7, 8}, text(1, "t")), tree{Title: &title}},
		"a fixed field of 4 bytes":   {join([]byte{9<<3 | 5, 1, 2, 3, 4}, text(1, "t")), tree{Title: &title}},
		"an empty string":            {text(1, ""), tree{Title: new(string)}},
	} {
		t.Run(name, func(t *testing.T) {
			var got tree
			if err := DecodeFields(test.raw, &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		})
	}
}

func TestProtobufThatIsRefused(t *testing.T) {
	for name, raw := range map[string][]byte{
		"a truncated key":              {0x80},
		"a key without a value":        {1 << 3},
		"an endless number":            append([]byte{1 << 3}, strings.Repeat("\xff", 11)...),
		"a length without content":     {1<<3 | 2, 5},
		"a length beyond the content":  {1<<3 | 2, 5, 'a'},
		"a truncated length":           {1<<3 | 2, 0x80},
		"a group":                      {1<<3 | 3},
		"a truncated field of 8 bytes": {1<<3 | 1, 1, 2},
		"a truncated field of 4 bytes": {1<<3 | 5, 1},
		"no required field":            delimited(3),
		"no required field in a list":  delimited(4),
		"no required field in a map":   delimited(5, text(1, "x"), delimited(2)),
		"a truncated message":          {3<<3 | 2, 2, 1<<3 | 2, 9},
	} {
		t.Run(name, func(t *testing.T) {
			if err := DecodeFields(raw, &tree{}); !errors.Is(err, errWire) {
				t.Errorf("got %v, want %v", err, errWire)
			}
		})
	}
}

func TestEachFieldStopsAtAnError(t *testing.T) {
	enough := errors.New("enough")
	visits := 0
	err := EachField(join(text(1, "a"), text(2, "b")), func(int, []byte, uint64) error {
		visits++
		return enough
	})
	if !errors.Is(err, enough) || visits != 1 {
		t.Errorf("got %v after %d visits", err, visits)
	}
}

// What a visitor appends to a field's bytes must not end up in the field behind it.
func TestFieldsDoNotShareTheirBytes(t *testing.T) {
	raw := join(text(1, "a"), text(2, "b"))
	_ = EachField(raw, func(_ int, bytes []byte, _ uint64) error {
		_ = append(bytes, "overwritten"...)
		return nil
	})
	if diff := cmp.Diff(join(text(1, "a"), text(2, "b")), raw); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
}

// FuzzEachField looks for bytes that make the reader panic or never end.
func FuzzEachField(f *testing.F) {
	f.Add(join(text(1, "a"), varint(2, 1)))
	f.Add([]byte{0x80, 0x80})
	f.Add(append([]byte{3<<3 | 2}, strings.Repeat("\xff", 9)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		total := 0
		err := EachField(data, func(_ int, bytes []byte, _ uint64) error {
			total += len(bytes)
			return nil
		})
		if err == nil && total > len(data) {
			t.Errorf("%d bytes in fields of %d", total, len(data))
		}
		_ = DecodeFields(data, &tree{})
	})
}
