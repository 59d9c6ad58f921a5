package scheduler_test

import (
	"encoding/binary"
	"fmt"
	"sort"
	"strings"

	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/scheduler"
)

// message is protobuf without a schema: the contents of each field by its number.
type message map[uint64][]string

func parse(b string) (message, error) {
	m := message{}
	for len(b) > 0 {
		tag, n := binary.Uvarint([]byte(b))
		if n <= 0 {
			return nil, fmt.Errorf("no tag at %q", b)
		}
		b = b[n:]
		x, n := binary.Uvarint([]byte(b))
		switch {
		case tag&7 == 1 && len(b) >= 8: // a double
			n, x = 8, 0
		case n <= 0:
			return nil, fmt.Errorf("no number at %q", b)
		case tag&7 == 2 && uint64(len(b)-n) >= x:
			m[tag>>3] = append(m[tag>>3], b[n:n+int(x)])
			b = b[n+int(x):]
			continue
		case tag&7 != 0:
			return nil, fmt.Errorf("wire type %d", tag&7)
		}
		m[tag>>3] = append(m[tag>>3], fmt.Sprint(x))
		b = b[n:]
	}
	return m, nil
}

// in follows fields into a message, merging what comes several times, as parsers do.
func (m message) in(path ...uint64) message {
	for _, number := range path {
		next, err := parse(strings.Join(m[number], ""))
		if err != nil {
			panic(err)
		}
		m = next
	}
	return m
}

func all(ms []string) []message {
	out := make([]message, len(ms))
	for i, s := range ms {
		m, err := parse(s)
		if err != nil {
			panic(err)
		}
		out[i] = m
	}
	return out
}

// constraintsText reads the offer constraints off the wire.
func constraintsText(c *scheduler.Call) string {
	var roles []string
	for role, gs := range roleConstraints(c) {
		var groups []string
		for _, g := range gs {
			var parts []string
			for _, a := range all(g[1]) {
				parts = append(parts, attributeText(a))
			}
			groups = append(groups, strings.Join(parts, "&"))
		}
		roles = append(roles, role+":"+strings.Join(groups, "|"))
	}
	sort.Strings(roles)
	return strings.Join(roles, " ")
}

// roleConstraints are the groups of each role.
func roleConstraints(c *scheduler.Call) map[string][]message {
	b, err := c.Marshal()
	if err != nil {
		panic(err)
	}
	call, err := parse(string(b))
	if err != nil {
		panic(err)
	}
	body := uint64(3)
	if c.Type == schedulerpb.Call_UPDATE_FRAMEWORK {
		body = 19
	}
	out := map[string][]message{}
	for _, entry := range all(call.in(body, 3)[1]) {
		out[entry[1][0]] = all(entry.in(2)[1])
	}
	return out
}

func attributeText(a message) string {
	selector, predicate := a.in(1), a.in(2)
	name := strings.Join(selector[2], "")
	if p := selector[1]; len(p) > 0 {
		name = map[string]string{"1": "HOSTNAME", "2": "REGION", "3": "ZONE"}[p[0]]
	}
	switch {
	case predicate[1] != nil:
		return name
	case predicate[2] != nil:
		return "!" + name
	case predicate[3] != nil:
		return name + "=" + predicate.in(3)[1][0]
	case predicate[4] != nil:
		return name + "!=" + predicate.in(4)[1][0]
	}
	return "?"
}
