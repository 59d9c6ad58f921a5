// Package portrange chooses ports from the ranges that Mesos offers. It knows no offers and no
// demands: mesos/placement calls it with what one resource has left.
package portrange

import (
	"math"
	"slices"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

// Valid returns the port numbers in ranges, sorted and without overlap.
func Valid(rs mesos.Ranges) mesos.Ranges {
	valid := make(mesos.Ranges, 0, len(rs))
	for _, r := range rs {
		r.Begin, r.End = max(r.Begin, 1), min(r.End, math.MaxUint16)
		if r.Begin <= r.End {
			valid = append(valid, r)
		}
	}
	return valid.Sort().Squash()
}

// Append appends the port numbers in ranges.
func Append(to []int, rs mesos.Ranges) []int {
	for _, r := range rs {
		for n := r.Begin; n <= r.End; n++ {
			to = append(to, int(n))
		}
	}
	return to
}

// Seed returns the seed of a name, for Choose.
func Seed(name string) uint64 {
	seed := uint64(14695981039346656037) // FNV-1a
	for i := range len(name) {
		seed = (seed ^ uint64(name[i])) * 1099511628211
	}
	return seed
}

// Choose chooses n ports of valid ranges, spread over all of them, and returns them sorted,
// and the rest. The same seed gives the same ports; with another one the ports are others, so
// that a port on which something listens already is not chosen again and again. Ports that
// are known to be used by common software come last.
func Choose(rs mesos.Ranges, n int64, seed uint64) (chosen, rest mesos.Ranges) {
	if size(rs) <= uint64(max(n, 0)) {
		return rs, nil
	}
	rest = append(make(mesos.Ranges, 0, len(rs)+int(min(n, 8))), rs...)
	for i := range n {
		port := choosePort(rest, mix(seed+uint64(i)))
		rest = remove(rest, port)
		chosen = append(chosen, mesos.Value_Range{Begin: port, End: port})
	}
	if len(chosen) > 1 {
		chosen = chosen.Sort().Squash()
	}
	return chosen, rest
}

// maxTries is how often another port is drawn before the next one above is taken.
const maxTries = 8

// choosePort chooses one port.
func choosePort(rs mesos.Ranges, seed uint64) uint64 {
	total := size(rs)
	for range maxTries {
		if port := at(rs, seed%total); !isCommon(port) {
			return port
		}
		seed = mix(seed)
	}
	first := seed % total
	for i := range total {
		if port := at(rs, (first+i)%total); !isCommon(port) {
			return port
		}
	}
	return at(rs, first)
}

// mix returns a number in which every bit depends on every bit of x (splitmix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func size(rs mesos.Ranges) (n uint64) {
	for _, r := range rs {
		n += r.End - r.Begin + 1
	}
	return n
}

// at returns the port with an index, counted over all ranges.
func at(rs mesos.Ranges, index uint64) uint64 {
	for _, r := range rs {
		if n := r.End - r.Begin + 1; index >= n {
			index -= n
			continue
		}
		return r.Begin + index
	}
	return 0
}

// remove removes a port. It changes the slice.
func remove(rs mesos.Ranges, port uint64) mesos.Ranges {
	i := slices.IndexFunc(rs, func(r mesos.Value_Range) bool { return port <= r.End })
	switch r := rs[i]; {
	case r.Begin == r.End:
		return slices.Delete(rs, i, i+1)
	case r.Begin == port:
		rs[i].Begin++
	case r.End == port:
		rs[i].End--
	default:
		rs[i].Begin = port + 1
		rs = slices.Insert(rs, i, mesos.Value_Range{Begin: r.Begin, End: port - 1})
	}
	return rs
}
