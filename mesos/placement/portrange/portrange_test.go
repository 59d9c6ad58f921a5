package portrange

import (
	"fmt"
	"math/rand/v2"
	"slices"
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

func TestValid(t *testing.T) {
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
			got := Valid(tc.in)
			if len(got) == 0 {
				got = nil
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Ports are chosen once each, and none is lost.
func TestChooseKeepsEveryPort(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 3))
	for range 500 {
		var raw mesos.Ranges
		for range r.IntN(5) {
			begin := uint64(r.IntN(300))
			raw = append(raw, mesos.Value_Range{Begin: begin, End: begin + uint64(r.IntN(40))})
		}
		all := Valid(raw)
		before := slices.Clone(all)
		ports := Append(nil, all)
		n := r.IntN(len(ports) + 1)
		chosen, rest := Choose(all, int64(n), r.Uint64())
		if diff := cmp.Diff(before, all); diff != "" {
			t.Fatalf("the ranges were changed (-before +after):\n%s", diff)
		}
		if got := len(Append(nil, chosen)); got != n {
			t.Fatalf("%d ports of %v were chosen, want %d: %v", got, all, n, chosen)
		}
		if !slices.IsSorted(Append(nil, chosen)) || !slices.IsSorted(Append(nil, rest)) {
			t.Fatalf("chosen are %v, the rest is %v: not sorted", chosen, rest)
		}
		got := append(Append(nil, chosen), Append(nil, rest)...)
		slices.Sort(got)
		if !slices.Equal(ports, got) {
			t.Fatalf("%d of %v: chosen are %v, the rest is %v", n, all, chosen, rest)
		}
	}
}

// A daemon on any one port of the agents keeps at most a few attempts from starting.
func TestChoiceDependsOnTheAttempt(t *testing.T) {
	t.Parallel()
	all := ranges(31000, 31499, 32000, 32499)
	again, _ := Choose(all, 2, Seed("general-x7k2p.0f1e2d3c.1"))
	count := map[int]int{}
	for attempt := range 100 {
		chosen, _ := Choose(all, 2, Seed(fmt.Sprintf("general-x7k2p.0f1e2d3c.%d", attempt)))
		for _, port := range Append(nil, chosen) {
			count[port]++
		}
		if attempt == 1 && !slices.Equal(again, chosen) {
			t.Errorf("the same attempt has the ports %v and %v", again, chosen)
		}
	}
	inSecond, most := 0, 0
	for port, n := range count {
		most = max(most, n)
		if port >= 32000 {
			inSecond += n
		}
	}
	if len(count) < 150 || most > 5 || inSecond < 60 || inSecond > 140 {
		t.Errorf("100 attempts chose %d ports, one of them %d times, and %d of the second range", len(count), most, inSecond)
	}
}

func TestCommonPortsAreChosenLast(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		all  mesos.Ranges
		n    int64
		want mesos.Ranges
	}{
		"there are others":             {ranges(9042, 9043, 10240, 10241), 3, ranges(9043, 9043, 10240, 10241)},
		"system ports and two others":  {ranges(1, 1025), 2, ranges(1024, 1025)},
		"one other among many of them": {ranges(8030, 8034), 1, ranges(8034, 8034)},
		"none but common ones":         {ranges(80, 80, 443, 443, 6443, 6443), 3, ranges(80, 80, 443, 443, 6443, 6443)},
	} {
		for seed := range uint64(50) {
			if chosen, _ := Choose(tc.all, tc.n, mix(seed)); !slices.Equal(chosen, tc.want) {
				t.Errorf("%s: chosen are %v, want %v", name, chosen, tc.want)
			}
		}
	}
	for range 50 {
		if chosen, rest := Choose(ranges(80, 80, 443, 443), 1, 7); len(chosen) != 1 || len(rest) != 1 {
			t.Errorf("chosen are %v, the rest is %v", chosen, rest)
		}
	}
	if !slices.IsSorted(commonPorts) {
		t.Error("the common ports are not sorted")
	}
}

func BenchmarkChoose(b *testing.B) {
	all := ranges(31000, 31999)
	for b.Loop() {
		Choose(all, 2, 42)
	}
}
