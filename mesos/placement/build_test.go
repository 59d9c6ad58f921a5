package placement_test

import (
	"fmt"
	"testing"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/placement"
)

// offer builds offers for tests. By default it is of one agent, in role "k8sm".
type offer struct{ mesos.Offer }

func makeOffer(n int) *offer {
	o := &offer{}
	o.ID.Value = fmt.Sprintf("offer-%d", n)
	o.AgentID.Value = fmt.Sprintf("S%d", n)
	o.Hostname = fmt.Sprintf("agent-%d", n)
	o.AllocationInfo = &mesos.Resource_AllocationInfo{Role: ptr("k8sm")}
	return o
}

func ptr[T any](x T) *T { return &x }

func (o *offer) id(id string) *offer { o.ID.Value = id; return o }

func (o *offer) role(role string) *offer { o.AllocationInfo.Role = &role; return o }

func (o *offer) resource(r mesos.Resource) *offer {
	r.AllocationInfo = o.AllocationInfo
	o.Offer.Resources = append(o.Offer.Resources, r)
	return o
}

func scalar(name string, x float64) mesos.Resource {
	return mesos.Resource{Name: name, Type: mesos.SCALAR.Enum(), Scalar: &mesos.Value_Scalar{Value: x}}
}

func portRange(lo, hi uint64) mesos.Resource {
	return mesos.Resource{Name: "ports", Type: mesos.RANGES.Enum(), Ranges: &mesos.Value_Ranges{Range: []mesos.Value_Range{{Begin: lo, End: hi}}}}
}

func reserved(r mesos.Resource, role string) mesos.Resource {
	r.Reservations = []mesos.Resource_ReservationInfo{{Type: mesos.Resource_ReservationInfo_STATIC.Enum(), Role: &role}}
	return r
}

// has gives the agent unreserved cpus, mem, disk and a hundred ports.
func (o *offer) has(cpus, mem, disk float64) *offer {
	return o.resource(scalar("cpus", cpus)).resource(scalar("mem", mem)).resource(scalar("disk", disk)).resource(portRange(31000, 31099))
}

func (o *offer) text(name, value string) *offer {
	o.Offer.Attributes = append(o.Offer.Attributes, mesos.Attribute{Name: name, Type: mesos.TEXT, Text: &mesos.Value_Text{Value: value}})
	return o
}

func (o *offer) number(name string, x float64) *offer {
	o.Offer.Attributes = append(o.Offer.Attributes, mesos.Attribute{Name: name, Type: mesos.SCALAR, Scalar: &mesos.Value_Scalar{Value: x}})
	return o
}

func (o *offer) span(name string, lo, hi uint64) *offer {
	o.Offer.Attributes = append(o.Offer.Attributes, mesos.Attribute{Name: name, Type: mesos.RANGES,
		Ranges: &mesos.Value_Ranges{Range: []mesos.Value_Range{{Begin: lo, End: hi}}}})
	return o
}

func (o *offer) at(ip string) *offer {
	o.URL = &mesos.URL{Scheme: "http", Address: mesos.Address{IP: &ip, Port: 5051}}
	return o
}

func (o *offer) zone(region, zone string) *offer {
	o.Domain = &mesos.DomainInfo{FaultDomain: &mesos.DomainInfo_FaultDomain{
		Region: mesos.DomainInfo_FaultDomain_RegionInfo{Name: region},
		Zone:   mesos.DomainInfo_FaultDomain_ZoneInfo{Name: zone},
	}}
	return o
}

func (o *offer) parse(t testing.TB) *placement.Offer {
	t.Helper()
	p, err := placement.ParseOffer(&o.Offer, "")
	if err != nil {
		t.Fatalf("parsing offer: %v", err)
	}
	return p
}

func parseAll(t testing.TB, os ...*offer) []*placement.Offer {
	t.Helper()
	out := make([]*placement.Offer, len(os))
	for i, o := range os {
		out[i] = o.parse(t)
	}
	return out
}

// demand of the general pool: 4 cpus, 4 GiB, 2 ports.
func makeDemand(n int) placement.Demand {
	return placement.Demand{
		ID: fmt.Sprintf("node-%d", n), Group: "general", Role: "k8sm",
		Resources: placement.Resources{CPUs: 4, MemMiB: 4096, DiskMiB: 1024, Ports: 2},
	}
}

func demands(n int, change ...func(*placement.Demand)) []placement.Demand {
	ds := make([]placement.Demand, n)
	for i := range ds {
		ds[i] = makeDemand(i)
		for _, f := range change {
			f(&ds[i])
		}
	}
	return ds
}
