package placement

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

// ranges makes ranges of pairs of first and last port.
func ranges(pairs ...uint64) mesos.Ranges {
	var rs mesos.Ranges
	for i := 0; i < len(pairs); i += 2 {
		rs = append(rs, mesos.Value_Range{Begin: pairs[i], End: pairs[i+1]})
	}
	return rs
}

func TestValidPorts(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ in, want mesos.Ranges }{
		"none":                                {nil, nil},
		"sorted":                              {ranges(31000, 31009, 32000, 32000), ranges(31000, 31009, 32000, 32000)},
		"unsorted":                            {ranges(32000, 32000, 31000, 31009), ranges(31000, 31009, 32000, 32000)},
		"overlapping":                         {ranges(31000, 31009, 31005, 31012), ranges(31000, 31012)},
		"adjacent":                            {ranges(31000, 31009, 31010, 31012), ranges(31000, 31012)},
		"a range within another is merged":    {ranges(31000, 31009, 31002, 31003), ranges(31000, 31009)},
		"port 0 is left out":                  {ranges(0, 2), ranges(1, 2)},
		"a range of only port 0 is dropped":   {ranges(0, 0), nil},
		"a range is cut at port 65535":        {ranges(65530, 70000), ranges(65530, 65535)},
		"a range above port 65535 is dropped": {ranges(70000, 70010), nil},
		"a range whose end is before its begin is dropped": {ranges(31009, 31000), nil},
		"a range of all uint64 numbers is cut":             {ranges(0, ^uint64(0)), ranges(1, 65535)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := validPorts(tc.in)
			if len(got) == 0 {
				got = nil
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestSplitLowest(t *testing.T) {
	t.Parallel()
	all := ranges(31000, 31002, 32000, 32001)
	for name, tc := range map[string]struct {
		n         int64
		low, rest mesos.Ranges
	}{
		"none":                      {0, nil, all},
		"less than the first range": {2, ranges(31000, 31001), ranges(31002, 31002, 32000, 32001)},
		"the whole first range":     {3, ranges(31000, 31002), ranges(32000, 32001)},
		"the first range and a part of the second": {4, ranges(31000, 31002, 32000, 32000), ranges(32001, 32001)},
		"all": {5, all, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			low, rest := splitLowest(all, tc.n)
			if diff := cmp.Diff([]mesos.Ranges{tc.low, tc.rest}, []mesos.Ranges{low, rest}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// No port is lost or doubled, and every port of the low part is below every one of the rest.
func TestSplitLowestKeepsEveryPort(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 3))
	for range 500 {
		var raw mesos.Ranges
		for range r.IntN(5) {
			begin := uint64(r.IntN(300))
			raw = append(raw, mesos.Value_Range{Begin: begin, End: begin + uint64(r.IntN(40))})
		}
		all := validPorts(raw)
		size := len(appendPorts(nil, all))
		n := r.IntN(size + 1)
		low, rest := splitLowest(all, int64(n))
		got := appendPorts(appendPorts(nil, low), rest)
		if diff := cmp.Diff(appendPorts(nil, all), got); diff != "" {
			t.Fatalf("%d of %v (-want +got):\n%s", n, all, diff)
		}
		if len(appendPorts(nil, low)) != n {
			t.Fatalf("the low part of %v has not %d ports: %v", all, n, low)
		}
	}
}
