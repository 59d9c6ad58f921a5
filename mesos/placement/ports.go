package placement

import (
	"math"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

// validPorts returns the port numbers in ranges, sorted and without overlap.
func validPorts(rs mesos.Ranges) mesos.Ranges {
	valid := make(mesos.Ranges, 0, len(rs))
	for _, r := range rs {
		r.Begin, r.End = max(r.Begin, 1), min(r.End, math.MaxUint16)
		if r.Begin <= r.End {
			valid = append(valid, r)
		}
	}
	return valid.Sort().Squash()
}

// splitLowest splits sorted ranges into the n lowest ports and the rest.
func splitLowest(rs mesos.Ranges, n int64) (low, rest mesos.Ranges) {
	for i, r := range rs {
		size := int64(r.End - r.Begin + 1)
		if n < size {
			if n > 0 {
				low = append(low, mesos.Value_Range{Begin: r.Begin, End: r.Begin + uint64(n) - 1})
			}
			rest = append(rest, mesos.Value_Range{Begin: r.Begin + uint64(n), End: r.End})
			return low, append(rest, rs[i+1:]...)
		}
		low = append(low, r)
		n -= size
	}
	return low, nil
}

func appendPorts(to []int, rs mesos.Ranges) []int {
	for _, r := range rs {
		for n := r.Begin; n <= r.End; n++ {
			to = append(to, int(n))
		}
	}
	return to
}
