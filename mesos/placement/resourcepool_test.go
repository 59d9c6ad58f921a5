package placement

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

func scalarResource(name string, x float64) mesos.Resource {
	return mesos.Resource{Name: name, Type: mesos.SCALAR.Enum(), Scalar: &mesos.Value_Scalar{Value: x}}
}

// ranges makes ranges of pairs of first and last number.
func ranges(pairs ...uint64) mesos.Ranges {
	var rs mesos.Ranges
	for i := 0; i < len(pairs); i += 2 {
		rs = append(rs, mesos.Value_Range{Begin: pairs[i], End: pairs[i+1]})
	}
	return rs
}

func portsResource(pairs ...uint64) mesos.Resource {
	return mesos.Resource{Name: "ports", Type: mesos.RANGES.Enum(), Ranges: &mesos.Value_Ranges{Range: ranges(pairs...)}}
}

func reservedFor(role string, r mesos.Resource) mesos.Resource {
	r.Reservations = []mesos.Resource_ReservationInfo{{Type: mesos.Resource_ReservationInfo_STATIC.Enum(), Role: &role}}
	return r
}

func mustPool(t *testing.T, rs ...mesos.Resource) resourcePool {
	t.Helper()
	p, err := newResourcePool(rs, "")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPoolOmitsUnusableResources(t *testing.T) {
	t.Parallel()
	with := func(change func(*mesos.Resource)) mesos.Resource {
		r := scalarResource("cpus", 4)
		change(&r)
		return r
	}
	for name, r := range map[string]mesos.Resource{
		"another kind":            scalarResource("gpus", 4),
		"revocable":               with(func(r *mesos.Resource) { r.Revocable = &mesos.Resource_RevocableInfo{} }),
		"shared":                  with(func(r *mesos.Resource) { r.Shared = &mesos.Resource_SharedInfo{} }),
		"a volume":                with(func(r *mesos.Resource) { r.Disk = &mesos.Resource_DiskInfo{} }),
		"of a resource provider":  with(func(r *mesos.Resource) { r.ProviderID = &mesos.ResourceProviderID{Value: "p"} }),
		"without a value":         scalarResource("cpus", 0),
		"less than a thousandth":  scalarResource("cpus", 0.0001),
		"ports without any range": portsResource(),
		"without a valid port":    portsResource(0, 0),
	} {
		if p := mustPool(t, r); p.free != (amounts{}) || len(p.pieces) != 0 {
			t.Errorf("%s: the pool has %v in %d pieces", name, p.free, len(p.pieces))
		}
	}
}

func TestPoolRejectsInvalidAmounts(t *testing.T) {
	t.Parallel()
	many := make([]mesos.Resource, 1001)
	for i := range many {
		many[i] = scalarResource("mem", maxAmount)
	}
	for name, tc := range map[string]struct {
		resources []mesos.Resource
		err       string
	}{
		"negative": {[]mesos.Resource{scalarResource("disk", -1)}, "reading disk: -1 is no amount of a resource"},
		"a sum above the maximum in one resource":      {[]mesos.Resource{scalarResource("cpus", 2*maxAmount)}, "reading cpus: 2e+12 is no amount"},
		"a sum above the maximum in several resources": {many, "reading mem: more than any machine has"},
		"one invalid resource of several":              {[]mesos.Resource{scalarResource("cpus", 1), scalarResource("mem", -1)}, "reading mem"},
	} {
		if _, err := newResourcePool(tc.resources, ""); err == nil || !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
}

func TestReservations(t *testing.T) {
	t.Parallel()
	role, star := "k8sm", "*"
	oldStyle, unreserved := scalarResource("cpus", 1), scalarResource("cpus", 1)
	oldStyle.Role, unreserved.Role = &role, &star
	dynamic := scalarResource("cpus", 1)
	dynamic.Reservation = &mesos.Resource_ReservationInfo{}
	for name, tc := range map[string]struct {
		resource mesos.Resource
		want     bool
	}{
		"a reservation stack":                     {reservedFor("k8sm", scalarResource("cpus", 1)), true},
		"a static reservation in the old format":  {oldStyle, true},
		"a dynamic reservation in the old format": {dynamic, true},
		"unreserved, with role *":                 {unreserved, false},
		"unreserved, without a role":              {scalarResource("cpus", 1), false},
	} {
		if got := isReserved(&tc.resource); got != tc.want {
			t.Errorf("%s: reserved is %v", name, got)
		}
	}
}

func TestTakeUsesReservedResourcesFirst(t *testing.T) {
	t.Parallel()
	p := mustPool(t, scalarResource("cpus", 3), reservedFor("k8sm", scalarResource("cpus", 2)), portsResource(31000, 31001), reservedFor("k8sm", portsResource(32000, 32000)))
	if want := (amounts{cpus: 2000, ports: 1}); p.reserved != want {
		t.Fatalf("reserved are %v, want %v", p.reserved, want)
	}
	taken, portNumbers := p.take(amounts{cpus: 2500, ports: 2}, 0)
	want := []mesos.Resource{
		reservedFor("k8sm", scalarResource("cpus", 2)), scalarResource("cpus", 0.5),
		reservedFor("k8sm", portsResource(32000, 32000)), portsResource(31001, 31001),
	}
	if diff := cmp.Diff(want, taken); diff != "" {
		t.Errorf("taken (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{31001, 32000}, portNumbers); diff != "" {
		t.Errorf("ports (-want +got):\n%s", diff)
	}
	if p.free != (amounts{cpus: 2500, ports: 1}) || p.reserved != (amounts{}) {
		t.Errorf("left are %v, of which %v reserved", p.free, p.reserved)
	}
}

func TestTakeMergesPiecesOfOneOwner(t *testing.T) {
	t.Parallel()
	p := mustPool(t, scalarResource("cpus", 1), scalarResource("cpus", 2), reservedFor("k8sm", scalarResource("cpus", 1)), reservedFor("other", scalarResource("cpus", 1)))
	taken, _ := p.take(amounts{cpus: 5000}, 0)
	want := []mesos.Resource{reservedFor("k8sm", scalarResource("cpus", 1)), reservedFor("other", scalarResource("cpus", 1)), scalarResource("cpus", 3)}
	if diff := cmp.Diff(want, taken); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// An offer is read by many cycles, so that taking from a clone must not change it.
func TestCloneIsIndependent(t *testing.T) {
	t.Parallel()
	p := mustPool(t, scalarResource("cpus", 4), portsResource(31000, 31009))
	c := p.clone()
	c.take(amounts{cpus: 4000, ports: 10}, 0)
	c.merge(&resourcePool{free: amounts{mem: 1}, pieces: []piece{{kind: mem, amount: 1}}})
	again, portNumbers := p.take(amounts{cpus: 4000, ports: 10}, 0)
	if len(again) != 2 || len(portNumbers) != 10 || portNumbers[0] != 31000 {
		t.Errorf("of the original %v and ports %v are left", again, portNumbers)
	}
}

// The totals equal the sum of the pieces after any sequence of takes, and every resource is
// taken once.
func TestPoolTotalsEqualTheSumOfItsPieces(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(9, 9))
	for range 300 {
		var rs []mesos.Resource
		for range r.IntN(8) {
			x := scalarResource(kindNames[r.IntN(3)], float64(r.IntN(5000))/1000)
			if r.IntN(2) == 0 {
				x = reservedFor("k8sm", x)
			}
			rs = append(rs, x)
		}
		p := mustPool(t, rs...)
		whole, taken := p.free, amounts{}
		for range 5 {
			var want amounts
			for k := range kindCount {
				want[k] = r.Int64N(p.free[k] + 1)
			}
			got, _ := p.take(want, 0)
			sum, err := newResourcePool(got, "")
			if err != nil || sum.free != want {
				t.Fatalf("%v was taken, want %v: %v", sum.free, want, err)
			}
			taken.add(&want)
			var left, reserved amounts
			for _, pc := range p.pieces {
				left[pc.kind] += pc.amount
				if pc.isReserved {
					reserved[pc.kind] += pc.amount
				}
			}
			if left != p.free || reserved != p.reserved {
				t.Fatalf("the pieces have %v (%v reserved), the totals %v (%v)", left, reserved, p.free, p.reserved)
			}
		}
		taken.add(&p.free)
		if taken != whole {
			t.Fatalf("taken and left are %v, of %v", taken, whole)
		}
	}
}

func TestSplitResourcesErrorNamesTheResource(t *testing.T) {
	t.Parallel()
	all := []mesos.Resource{scalarResource("cpus", 1)}
	for name, tc := range map[string]struct {
		all  []mesos.Resource
		head Resources
		err  string
	}{
		"an invalid overhead":         {all, Resources{CPUs: -1}, "reading cpus: -1"},
		"an invalid total":            {[]mesos.Resource{scalarResource("mem", -1)}, Resources{}, "reading mem: -1"},
		"an overhead above the total": {all, Resources{CPUs: 2}, "exceeds the whole {CPUs:1 "},
	} {
		if _, _, err := SplitResources(tc.all, tc.head); err == nil || !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
	head, rest, err := SplitResources(all, Resources{})
	if err != nil || len(head) != 0 || len(rest) != 1 {
		t.Errorf("an empty head leaves %v and %v: %v", head, rest, err)
	}
}
