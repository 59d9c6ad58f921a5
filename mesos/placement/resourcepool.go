package placement

import (
	"fmt"
	"slices"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/placement/portrange"
)

// resourcePool holds resources to take from. Reserved resources are taken before the
// others: they are held for this role already, so that taking them costs no other
// framework anything.
type resourcePool struct {
	free     amounts
	reserved amounts // the part of free that is reserved
	pieces   []piece // none in a synthetic offer
	omitted  omissions
}

// piece is the remaining part of one resource of an offer. It has one kind and one owner.
type piece struct {
	kind       resourceKind
	isReserved bool
	amount     int64
	ports      mesos.Ranges    // of ports only
	origin     *mesos.Resource // all but its value goes into what is taken
}

// The types of resources, shared by all resources that are made here.
var (
	scalarType = mesos.SCALAR.Enum()
	rangesType = mesos.RANGES.Enum()
)

// newResourcePool makes a pool of the resources that may be used by a framework of some
// principal.
func newResourcePool(rs []mesos.Resource, principal string) (resourcePool, error) {
	p := resourcePool{pieces: make([]piece, 0, len(rs))}
	for i := range rs {
		if p.omits(&rs[i], principal) {
			continue
		}
		if err := p.add(&rs[i]); err != nil {
			return resourcePool{}, err
		}
	}
	p.sort()
	return p, nil
}

// add adds a resource of one of the known kinds.
func (p *resourcePool) add(r *mesos.Resource) error {
	k, known := kindOf(r.Name)
	if !known {
		return nil
	}
	pc := piece{kind: k, isReserved: isReserved(r), origin: r}
	if k == ports {
		pc.ports = portrange.Valid(r.GetRanges().GetRange())
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
	if pc.isReserved {
		p.reserved[k] += pc.amount
	}
	return nil
}

// sort orders the pieces by kind, the reserved ones first.
func (p *resourcePool) sort() {
	slices.SortStableFunc(p.pieces, func(a, b piece) int {
		if a.kind != b.kind {
			return int(a.kind - b.kind)
		}
		if a.isReserved != b.isReserved {
			if a.isReserved {
				return -1
			}
			return 1
		}
		return 0
	})
}

// take removes what is wanted, and returns it as resources and its ports as sorted
// numbers. The seed chooses the ports. The caller has checked that the pool covers it.
func (p *resourcePool) take(want amounts, seed uint64) (taken []mesos.Resource, portNumbers []int) {
	taken = make([]mesos.Resource, 0, kindCount)
	for i := range p.pieces {
		pc := &p.pieces[i]
		n := min(want[pc.kind], pc.amount)
		if n == 0 {
			continue
		}
		want[pc.kind] -= n
		p.free[pc.kind] -= n
		if pc.isReserved {
			p.reserved[pc.kind] -= n
		}
		r := pc.take(n, seed)
		portNumbers = portrange.Append(portNumbers, r.GetRanges().GetRange())
		taken = appendMerged(taken, r)
	}
	slices.Sort(portNumbers)
	return taken, portNumbers
}

// take removes n of the piece, and returns it as a resource.
func (pc *piece) take(n int64, seed uint64) mesos.Resource {
	pc.amount -= n
	r := *pc.origin
	r.Scalar, r.Ranges = nil, nil
	if pc.kind != ports {
		r.Type, r.Scalar = scalarType, &mesos.Value_Scalar{Value: float64(n) / 1000}
		return r
	}
	var chosen mesos.Ranges
	chosen, pc.ports = portrange.Choose(pc.ports, n, seed)
	r.Type, r.Ranges = rangesType, &mesos.Value_Ranges{Range: chosen}
	return r
}

// appendMerged appends a resource, or adds it to the last one where only the value differs.
// (The library's own addition silently drops resources that it considers invalid; refined
// reservations are among them.)
func appendMerged(rs []mesos.Resource, r mesos.Resource) []mesos.Resource {
	if len(rs) == 0 || !sameOwner(rs[len(rs)-1], r) {
		return append(rs, r)
	}
	last := &rs[len(rs)-1]
	last.Scalar = last.Scalar.Add(r.Scalar)
	last.Ranges = last.Ranges.Add(r.Ranges)
	return rs
}

// sameOwner reports whether two resources are the same but for their values.
func sameOwner(a, b mesos.Resource) bool {
	if a.Name != b.Name {
		return false
	}
	a.Scalar, b.Scalar, a.Ranges, b.Ranges = nil, nil, nil, nil
	return a.Equal(&b)
}

// clone returns a pool that can be taken from without changing p.
func (p *resourcePool) clone() resourcePool {
	c := *p
	c.pieces = slices.Clone(p.pieces)
	return c
}

// merge adds the pieces of another pool to p.
func (p *resourcePool) merge(o *resourcePool) {
	p.pieces = append(p.pieces, o.pieces...)
	p.free.add(&o.free)
	p.reserved.add(&o.reserved)
	p.omitted.add(&o.omitted)
	p.sort()
}

// SplitResources splits resources into a head of the wanted size and the rest, such as an
// executor's part and the task's. It returns an error when an amount is not valid, or the
// head is larger than the whole.
func SplitResources(all []mesos.Resource, headSize Resources) (head, rest []mesos.Resource, err error) {
	want, err := amountsOf(headSize)
	if err != nil {
		return nil, nil, err
	}
	p := resourcePool{pieces: make([]piece, 0, len(all))}
	for i := range all {
		if err := p.add(&all[i]); err != nil {
			return nil, nil, err
		}
	}
	if !p.free.covers(&want) {
		return nil, nil, fmt.Errorf("the part %+v exceeds the whole %+v", headSize, p.free.toResources())
	}
	head, _ = p.take(want, 0)
	rest, _ = p.take(p.free, 0)
	return head, rest, nil
}

func isReserved(r *mesos.Resource) bool {
	return len(r.Reservations) > 0 || r.Reservation != nil || (r.GetRole() != "" && r.GetRole() != mesos.DefaultRole)
}
