package offerconstraints_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/k8sm/k8sm/mesos/scheduler/offerconstraints"
)

// parse reads protobuf without a schema: the contents of each field by its number.
func parse(t *testing.T, b string) map[uint64][]string {
	t.Helper()
	m := map[uint64][]string{}
	for len(b) > 0 {
		tag, n := binary.Uvarint([]byte(b))
		if n <= 0 {
			t.Fatalf("no tag at %q", b)
		}
		b = b[n:]
		x, n := binary.Uvarint([]byte(b))
		if n <= 0 {
			t.Fatalf("no number at %q", b)
		}
		b = b[n:]
		switch tag & 7 {
		case 0:
			m[tag>>3] = append(m[tag>>3], fmt.Sprint(x))
		case 2:
			m[tag>>3] = append(m[tag>>3], b[:x])
			b = b[x:]
		default:
			t.Fatalf("wire type %d", tag&7)
		}
	}
	return m
}

// groupsText writes RoleConstraints as "rack=r1&ssd|!gpu".
func groupsText(t *testing.T, role string) string {
	t.Helper()
	var groups []string
	for _, g := range parse(t, role)[1] {
		var parts []string
		for _, c := range parse(t, g)[1] {
			constraint := parse(t, c)
			parts = append(parts, constraintText(t, parse(t, constraint[1][0]), parse(t, constraint[2][0])))
		}
		groups = append(groups, strings.Join(parts, "&"))
	}
	slices.Sort(groups) // in the message they are sorted by their bytes
	return strings.Join(groups, "|")
}

func constraintText(t *testing.T, selector, predicate map[uint64][]string) string {
	t.Helper()
	name := strings.Join(selector[2], "")
	if pseudo := selector[1]; len(pseudo) > 0 {
		name = map[string]string{"1": "HOSTNAME", "2": "REGION", "3": "ZONE"}[pseudo[0]]
	}
	switch {
	case predicate[1] != nil:
		return name
	case predicate[2] != nil:
		return "!" + name
	case predicate[3] != nil:
		return name + "=" + parse(t, predicate[3][0])[1][0]
	case predicate[4] != nil:
		return name + "!=" + parse(t, predicate[4][0])[1][0]
	}
	t.Fatalf("an empty predicate for %s", name)
	return ""
}

func TestAppendFieldWritesLengthDelimitedFields(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		number uint64
		value  string
		want   string
	}{
		{1, "", "\x0a\x00"},
		{3, "ab", "\x1a\x02ab"},
		{19, "x", "\x9a\x01\x01x"}, // a tag of two bytes
		{1, strings.Repeat("y", 200), "\x0a\xc8\x01" + strings.Repeat("y", 200)},
	} {
		if got := string(offerconstraints.AppendField([]byte("before"), tc.number, tc.value)); got != "before"+tc.want {
			t.Errorf("field %d of %d bytes is %q, want %q", tc.number, len(tc.value), got, "before"+tc.want)
		}
	}
}
