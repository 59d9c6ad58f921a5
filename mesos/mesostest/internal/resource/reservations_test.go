package resource

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

func scalar(name string, value float64, reservations ...mesos.Resource_ReservationInfo) mesos.Resource {
	return mesos.Resource{
		Name: name, Type: mesos.SCALAR.Enum(), Scalar: &mesos.Value_Scalar{Value: value}, Reservations: reservations,
	}
}

func reservation(kind mesos.Resource_ReservationInfo_Type, role, principal string) mesos.Resource_ReservationInfo {
	out := mesos.Resource_ReservationInfo{Type: &kind, Role: &role}
	if principal != "" {
		out.Principal = &principal
	}
	return out
}

func static(role string) mesos.Resource_ReservationInfo {
	return reservation(mesos.Resource_ReservationInfo_STATIC, role, "")
}

func dynamic(role string) mesos.Resource_ReservationInfo {
	return reservation(mesos.Resource_ReservationInfo_DYNAMIC, role, "p")
}

func volume(r mesos.Resource, id string) mesos.Resource {
	r.Disk = &mesos.Resource_DiskInfo{Persistence: &mesos.Resource_DiskInfo_Persistence{ID: id}}
	return r
}

func TestReservationsTellResourcesApart(t *testing.T) {
	labelled := dynamic("a")
	labelled.Labels = &mesos.Labels{Labels: []mesos.Label{{Key: "k", Value: labelled.Role}}}
	distinct := []mesos.Resource{
		scalar("disk", 1),
		scalar("mem", 1),
		scalar("disk", 1, static("a")),
		scalar("disk", 1, static("b")),
		scalar("disk", 1, dynamic("a")),
		scalar("disk", 1, reservation(mesos.Resource_ReservationInfo_DYNAMIC, "a", "q")),
		scalar("disk", 1, labelled),
		scalar("disk", 1, static("a"), dynamic("a/b")),
		volume(scalar("disk", 1, dynamic("a")), "v"),
		volume(scalar("disk", 1, dynamic("a")), "w"),
	}
	for i, have := range distinct {
		for j, want := range distinct {
			if got := QuantitiesOf(have).Contains(QuantitiesOf(want)); got != (i == j) {
				t.Errorf("%s of %d in %d: got %t", want.Name, j, i, got)
			}
		}
	}
}

func TestOldReservationsAreReadLikeNewOnes(t *testing.T) {
	role, all, principal := "a", "*", "p"
	old := func(role *string, r *mesos.Resource_ReservationInfo) mesos.Resource {
		out := scalar("cpus", 1)
		out.Role, out.Reservation = role, r
		return out
	}
	for name, test := range map[string]struct{ old, same mesos.Resource }{
		"reserved for a role":   {old(&role, nil), scalar("cpus", 1, static("a"))},
		"reserved by somebody":  {old(&role, &mesos.Resource_ReservationInfo{Principal: &principal}), scalar("cpus", 1, dynamic("a"))},
		"for the role of all":   {old(&all, nil), scalar("cpus", 1)},
		"for an empty role":     {old(new(string), nil), scalar("cpus", 1)},
		"without a role at all": {old(nil, nil), scalar("cpus", 1)},
	} {
		t.Run(name, func(t *testing.T) {
			if got, want := text(QuantitiesOf(test.old)), text(QuantitiesOf(test.same)); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestOldFieldsThatAreWritten(t *testing.T) {
	for name, test := range map[string]struct {
		resource  mesos.Resource
		role      string
		principal string
	}{
		"not reserved":          {scalar("cpus", 1), "*", ""},
		"reserved by the agent": {scalar("cpus", 1, static("a")), "a", ""},
		"reserved by somebody":  {scalar("cpus", 1, dynamic("a")), "a", "p"},
		"refined":               {scalar("cpus", 1, static("a"), dynamic("a/b")), "a/b", "p"},
	} {
		t.Run(name, func(t *testing.T) {
			got := QuantitiesOf(test.resource).Messages("", true)[0]
			if got.GetRole() != test.role || got.Reservation.GetPrincipal() != test.principal {
				t.Errorf("got role %s, principal %s", got.GetRole(), got.Reservation.GetPrincipal())
			}
		})
	}
}

func TestReservationsInMessages(t *testing.T) {
	value := "v"
	labelled := dynamic("a")
	labelled.Labels = &mesos.Labels{Labels: []mesos.Label{{Key: "k", Value: &value}, {Key: "l"}}}
	for want, r := range map[string]mesos.Resource{
		"cpus:1":                                             scalar("cpus", 1),
		"cpus(reservations: [(STATIC,a)]):1":                 scalar("cpus", 1, static("a")),
		"cpus(reservations: [(DYNAMIC,a,p)]):1":              scalar("cpus", 1, dynamic("a")),
		"cpus(reservations: [(STATIC,a),(DYNAMIC,a/b,p)]):1": scalar("cpus", 1, static("a"), dynamic("a/b")),
		"cpus(reservations: [(DYNAMIC,a,p,{k: v, l: })]):1":  scalar("cpus", 1, labelled),
		"cpus(allocated: r)(reservations: [(STATIC,a)]):1":   allocated(scalar("cpus", 1, static("a")), "r"),
		"cpus(allocated: r):1":                               allocated(scalar("cpus", 1), "r"),
	} {
		if got := Describe([]mesos.Resource{r}); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func allocated(r mesos.Resource, role string) mesos.Resource {
	r.AllocationInfo = &mesos.Resource_AllocationInfo{Role: &role}
	return r
}

func TestConversions(t *testing.T) {
	reserved, refined := scalar("disk", 2, dynamic("a")), scalar("disk", 2, dynamic("a"), dynamic("a/b"))
	list := func(r mesos.Resource) []mesos.Resource { return []mesos.Resource{r} }
	for name, test := range map[string]struct {
		operation     mesos.Offer_Operation
		before, after mesos.Resource
	}{
		"RESERVE": {
			mesos.Offer_Operation{Type: mesos.Offer_Operation_RESERVE, Reserve: &mesos.Offer_Operation_Reserve{Resources: list(reserved)}},
			scalar("disk", 2), reserved,
		},
		"RESERVE of what is reserved": {
			mesos.Offer_Operation{Type: mesos.Offer_Operation_RESERVE, Reserve: &mesos.Offer_Operation_Reserve{Resources: list(refined)}},
			reserved, refined,
		},
		"UNRESERVE": {
			mesos.Offer_Operation{Type: mesos.Offer_Operation_UNRESERVE, Unreserve: &mesos.Offer_Operation_Unreserve{Resources: list(reserved)}},
			reserved, scalar("disk", 2),
		},
		"UNRESERVE of what is refined": {
			mesos.Offer_Operation{Type: mesos.Offer_Operation_UNRESERVE, Unreserve: &mesos.Offer_Operation_Unreserve{Resources: list(refined)}},
			refined, reserved,
		},
		"CREATE": {
			mesos.Offer_Operation{Type: mesos.Offer_Operation_CREATE, Create: &mesos.Offer_Operation_Create{Volumes: list(volume(reserved, "v"))}},
			reserved, volume(reserved, "v"),
		},
		"DESTROY": {
			mesos.Offer_Operation{Type: mesos.Offer_Operation_DESTROY, Destroy: &mesos.Offer_Operation_Destroy{Volumes: list(volume(reserved, "v"))}},
			volume(reserved, "v"), reserved,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, ok := ConversionOf(&test.operation)
			if !ok {
				t.Fatal("it is none")
			}
			q := QuantitiesOf(test.before, scalar("cpus", 1))
			if !q.Contains(QuantitiesOf(c.Consumed...)) {
				t.Errorf("it consumes %s of %s", Describe(c.Consumed), text(q))
			}
			c.Apply(q)
			if diff := cmp.Diff(text(QuantitiesOf(test.after, scalar("cpus", 1))), text(q)); diff != "" {
				t.Errorf("after it (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOperationsThatConvertNothing(t *testing.T) {
	for _, op := range []mesos.Offer_Operation{
		{Type: mesos.Offer_Operation_LAUNCH, Launch: &mesos.Offer_Operation_Launch{}},
		{Type: mesos.Offer_Operation_GROW_VOLUME},
		{Type: mesos.Offer_Operation_RESERVE},
		{Type: mesos.Offer_Operation_UNRESERVE},
		{Type: mesos.Offer_Operation_CREATE},
		{Type: mesos.Offer_Operation_DESTROY},
	} {
		if c, ok := ConversionOf(&op); ok {
			t.Errorf("%s converts %v", op.Type, c)
		}
	}
}

// The operation is the framework's message: finding out what it consumes must not change
// it.
func TestConversionsLeaveTheirOperationAlone(t *testing.T) {
	op := &mesos.Offer_Operation{Type: mesos.Offer_Operation_RESERVE, Reserve: &mesos.Offer_Operation_Reserve{
		Resources: []mesos.Resource{scalar("disk", 2, static("a"), dynamic("a/b"))},
	}}
	before := Describe(op.Reserve.Resources)
	c, _ := ConversionOf(op)
	c.Consumed[0].Reservations = append(c.Consumed[0].Reservations, dynamic("x"))
	if got := Describe(op.Reserve.Resources); got != before {
		t.Errorf("%s became %s", before, got)
	}
}
