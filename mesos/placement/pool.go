package placement

import (
	"fmt"
	"math"
	"slices"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

// resourceKind of a resource, in the order in which a lack of it is told.
type resourceKind int

const (
	cpus resourceKind = iota
	mem
	disk
	ports
	kindCount
)

var kindNames = [kindCount]string{"cpus", "mem", "disk", "ports"}

// kindOf tells the kind of a resource by its name; false for those we do not use.
func kindOf(name string) (resourceKind, bool) {
	i := slices.Index(kindNames[:], name)
	return resourceKind(i), i >= 0
}

// amounts of each kind in thousandths (as fine as Mesos counts), but ports by one.
type amounts [kindCount]int64

// maxAmount is above any machine, and far from where sums of thousandths overflow.
const maxAmount = 1e12

// maxTotal keeps the sum over all offers of an agent from overflowing.
const maxTotal = 1000 * maxAmount

func thousandths(x float64) (int64, error) {
	if math.IsNaN(x) || x < 0 || x > maxAmount {
		return 0, fmt.Errorf("%g is no amount of a resource", x)
	}
	return int64(math.Round(x * 1000)), nil
}

func amountsOf(r Resources) (amounts, error) {
	var a amounts
	for k, x := range [...]float64{r.CPUs, r.MemMiB, r.DiskMiB} {
		n, err := thousandths(x)
		if err != nil {
			return a, fmt.Errorf("reading %s: %w", kindNames[k], err)
		}
		a[k] = n
	}
	if r.Ports < 0 || r.Ports > math.MaxUint16 {
		return a, fmt.Errorf("reading ports: %d is no count of ports", r.Ports)
	}
	a[ports] = int64(r.Ports)
	return a, nil
}

func (a amounts) toResources() Resources {
	return Resources{
		CPUs:    float64(a[cpus]) / 1000,
		MemMiB:  float64(a[mem]) / 1000,
		DiskMiB: float64(a[disk]) / 1000,
		Ports:   int(a[ports]),
	}
}

// covers says that b fits into a.
func (a *amounts) covers(b *amounts) bool {
	return a[cpus] >= b[cpus] && a[mem] >= b[mem] && a[disk] >= b[disk] && a[ports] >= b[ports]
}

func (a *amounts) add(b *amounts) {
	for k := range a {
		a[k] += b[k]
	}
}

// piece is one resource of an offer: an amount with one owner.
type piece struct {
	kind     resourceKind
	reserved bool
	amount   int64
	ports    mesos.Ranges    // of ports only
	like     *mesos.Resource // whose value does not count
}

// Types of resources, shared by all that are made here.
var (
	scalarType = mesos.SCALAR.Enum()
	rangesType = mesos.RANGES.Enum()
)

// resourcePool is resources to take from, the reserved before the others: they are held for us
// already, and cost nobody else anything.
type resourcePool struct {
	free     amounts
	reserved amounts
	pieces   []piece
}

func newResourcePool(rs []mesos.Resource) (resourcePool, error) {
	p := resourcePool{pieces: make([]piece, 0, len(rs))}
	for i := range rs {
		if err := p.add(&rs[i]); err != nil {
			return resourcePool{}, err
		}
	}
	p.sort()
	return p, nil
}

// add adds a resource, unless it is of those that are not ours to use.
func (p *resourcePool) add(r *mesos.Resource) error {
	k, known := kindOf(r.Name)
	if !known || r.Revocable != nil || r.Shared != nil || r.Disk != nil || r.ProviderID != nil {
		return nil
	}
	pc := piece{kind: k, reserved: isReserved(r), like: r}
	if k == ports {
		pc.ports = validPorts(r.GetRanges().GetRange())
		pc.amount = int64(pc.ports.Size())
	} else {
		n, err := thousandths(r.GetScalar().GetValue())
		if err != nil {
			return fmt.Errorf("reading %s: %w", r.Name, err)
		}
		pc.amount = n
	}
	if pc.amount == 0 {
		return nil
	}
	if pc.amount > maxTotal-p.free[k] {
		return fmt.Errorf("reading %s: more than any machine has", r.Name)
	}
	p.pieces = append(p.pieces, pc)
	p.free[k] += pc.amount
	if pc.reserved {
		p.reserved[k] += pc.amount
	}
	return nil
}

func (p *resourcePool) sort() {
	slices.SortStableFunc(p.pieces, func(a, b piece) int {
		if a.kind != b.kind {
			return int(a.kind - b.kind)
		}
		if a.reserved != b.reserved {
			if a.reserved {
				return -1
			}
			return 1
		}
		return 0
	})
}

// take removes what is wanted and gives it as resources, with the ports by number. The
// caller has made sure that it is there.
func (p *resourcePool) take(want amounts) (taken []mesos.Resource, portNumbers []int) {
	taken = make([]mesos.Resource, 0, kindCount)
	for i := range p.pieces {
		pc := &p.pieces[i]
		n := min(want[pc.kind], pc.amount)
		if n == 0 {
			continue
		}
		want[pc.kind] -= n
		pc.amount -= n
		p.free[pc.kind] -= n
		if pc.reserved {
			p.reserved[pc.kind] -= n
		}
		r := *pc.like
		r.Scalar, r.Ranges = nil, nil
		if pc.kind == ports {
			var got mesos.Ranges
			got, pc.ports = splitLowest(pc.ports, n)
			r.Type, r.Ranges = rangesType, &mesos.Value_Ranges{Range: got}
			portNumbers = appendPorts(portNumbers, got)
		} else {
			r.Type, r.Scalar = scalarType, &mesos.Value_Scalar{Value: float64(n) / 1000}
		}
		taken = appendMerged(taken, r)
	}
	slices.Sort(portNumbers)
	return taken, portNumbers
}

// appendMerged adds a resource of our making to others. (The library's own addition drops
// what it holds to be invalid, refined reservations among it, without a word.)
func appendMerged(rs []mesos.Resource, r mesos.Resource) []mesos.Resource {
	if len(rs) == 0 || !sameOwner(rs[len(rs)-1], r) {
		return append(rs, r)
	}
	last := &rs[len(rs)-1]
	last.Scalar = last.Scalar.Add(r.Scalar)
	last.Ranges = last.Ranges.Add(r.Ranges)
	return rs
}

func sameOwner(a, b mesos.Resource) bool {
	if a.Name != b.Name {
		return false
	}
	a.Scalar, b.Scalar, a.Ranges, b.Ranges = nil, nil, nil, nil
	return a.Equal(&b)
}

// clone is a pool that can be taken from without changing the first.
func (p *resourcePool) clone() resourcePool {
	c := *p
	c.pieces = slices.Clone(p.pieces)
	return c
}

// merge puts the pieces of another pool into p.
func (p *resourcePool) merge(o *resourcePool) {
	p.pieces = append(p.pieces, o.pieces...)
	p.free.add(&o.free)
	p.reserved.add(&o.reserved)
	p.sort()
}

// SplitResources divides resources into a part of the size asked for and the rest.
func SplitResources(all []mesos.Resource, part Resources) (head, rest []mesos.Resource, err error) {
	want, err := amountsOf(part)
	if err != nil {
		return nil, nil, err
	}
	p, err := newResourcePool(all)
	if err != nil {
		return nil, nil, err
	}
	if !p.free.covers(&want) {
		return nil, nil, fmt.Errorf("the part %+v exceeds the whole %+v", part, p.free.toResources())
	}
	head, _ = p.take(want)
	rest, _ = p.take(p.free)
	return head, rest, nil
}

func isReserved(r *mesos.Resource) bool {
	return len(r.Reservations) > 0 || r.Reservation != nil || (r.GetRole() != "" && r.GetRole() != mesos.DefaultRole)
}

// validPorts are the ranges that hold port numbers, in order and without overlap.
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

// splitLowest divides n ports off the low end of ranges.
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
