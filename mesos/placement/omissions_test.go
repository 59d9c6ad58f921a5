package placement_test

import (
	"strings"
	"testing"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/placement"
)

// dynamic reserves a resource dynamically, on top of the reservations that it has.
func dynamic(r mesos.Resource, principal string, labels ...string) mesos.Resource {
	info := mesos.Resource_ReservationInfo{Type: mesos.Resource_ReservationInfo_DYNAMIC.Enum(), Role: ptr("k8sm")}
	if principal != "" {
		info.Principal = &principal
	}
	for _, key := range labels {
		if info.Labels == nil {
			info.Labels = &mesos.Labels{}
		}
		info.Labels.Labels = append(info.Labels.Labels, mesos.Label{Key: key})
	}
	r.Reservations = append(r.Reservations, info)
	return r
}

// before14 is the form of a dynamic reservation in the endpoints, and in masters before 1.4.
func before14(r mesos.Resource, principal string) mesos.Resource {
	r.Role, r.Reservation = ptr("k8sm"), &mesos.Resource_ReservationInfo{Principal: &principal}
	return r
}

func TestDynamicReservationsOfOthersAreLeftAlone(t *testing.T) {
	t.Parallel()
	cpus := scalar("cpus", 4)
	for name, tc := range map[string]struct {
		resource  mesos.Resource
		principal string // ours
		want      float64
	}{
		"unreserved":                             {cpus, "k8sm", 4},
		"reserved statically":                    {reserved(cpus, "k8sm"), "k8sm", 4},
		"by another principal":                   {dynamic(cpus, "marathon"), "k8sm", 0},
		"by another principal, for its own task": {dynamic(cpus, "marathon", "marathon_task_id"), "k8sm", 0},
		"by nobody that is known":                {dynamic(cpus, ""), "k8sm", 0},
		"by somebody, and we have no principal":  {dynamic(cpus, "marathon"), "", 0},
		"by us":                                  {dynamic(cpus, "k8sm"), "k8sm", 4},
		"by nobody, and we have no principal":    {dynamic(cpus, ""), "", 4},
		"by a framework that shares our principal, for its own task": {dynamic(cpus, "k8sm", "resource_id"), "k8sm", 0},
		"statically, and by another on top of it":                    {dynamic(reserved(cpus, "k8sm"), "marathon"), "k8sm", 0},
		"by another, and by us on top of it":                         {dynamic(dynamic(cpus, "marathon"), "k8sm"), "k8sm", 0},
		"by another, as masters before 1.4 say it":                   {before14(cpus, "marathon"), "k8sm", 0},
		"by us, as masters before 1.4 say it":                        {before14(cpus, "k8sm"), "k8sm", 4},
		"ports by another":                                           {dynamic(portRange(9042, 9043), "marathon"), "k8sm", 0},
		"a volume by us":                                             {withDisk(dynamic(scalar("disk", 9), "k8sm"), nil), "k8sm", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := makeOffer(1).resource(tc.resource)
			p, err := placement.ParseOffer(&o.Offer, tc.principal)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Resources(); got.CPUs != tc.want || got.Ports != 0 || got.DiskMiB != 0 {
				t.Errorf("the offer has %+v, want %v cpus", got, tc.want)
			}
		})
	}
}

// Agent S1 is unreserved; what S2 has more is reserved by marathon for one of its tasks.
func TestNodesDoNotTakeWhatMarathonReserved(t *testing.T) {
	t.Parallel()
	second := makeOffer(2).has(2, 4096, 10240)
	for _, r := range []mesos.Resource{scalar("cpus", 4), scalar("mem", 4096), portRange(9042, 9043)} {
		second.resource(dynamic(r, "marathon", "marathon_task_id"))
	}
	in := placement.Input{Demands: demands(2), Offers: parseAll(t, makeOffer(1).has(4, 4096, 10240), second), Now: noon}
	res := placement.Plan(in)
	if len(res.Matches) != 1 || res.Matches[0].Agent.ID != "S1" {
		t.Fatalf("matches %v, want one on S1", res.Matches)
	}
	if got, want := res.Refusals[0].Explanation.String(), "most offered 2 on agent-2, wants 4; what others reserved dynamically does not count)"; !strings.Contains(got, want) {
		t.Errorf("got %s\nwant …%s", got, want)
	}
}

func withDisk(r mesos.Resource, source *mesos.Resource_DiskInfo_Source) mesos.Resource {
	r.Disk = &mesos.Resource_DiskInfo{Source: source}
	return r
}

func TestDisksWithASourceDoNotCountAndThatIsSaid(t *testing.T) {
	t.Parallel()
	mount := &mesos.Resource_DiskInfo_Source{Type: mesos.Resource_DiskInfo_Source_MOUNT}
	agent := func(disks ...mesos.Resource) *placement.Offer {
		o := makeOffer(1).resource(scalar("cpus", 8)).resource(scalar("mem", 8192)).resource(portRange(31000, 31009))
		for _, d := range disks {
			o.resource(d)
		}
		return o.parse(t)
	}
	for name, tc := range map[string]struct {
		offer *placement.Offer
		want  string
	}{
		"all disks are MOUNT disks": {agent(withDisk(scalar("disk", 99999), mount)),
			"1 lacks disk (most offered 0 MiB on agent-1, wants 1024 MiB; disks with a source of their own, such as MOUNT disks, do not count)"},
		"some are":            {agent(scalar("disk", 100), withDisk(scalar("disk", 99999), mount)), "most offered 100 MiB on agent-1, wants 1024 MiB; disks with a source"},
		"none is":             {agent(scalar("disk", 100)), "most offered 100 MiB on agent-1, wants 1024 MiB)"},
		"a persistent volume": {agent(scalar("disk", 100), withDisk(scalar("disk", 99999), nil)), "most offered 100 MiB on agent-1, wants 1024 MiB)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, o := range []*placement.Offer{tc.offer, tc.offer.ToSynthetic()} {
				res := placement.Plan(placement.Input{Demands: demands(1), Offers: []*placement.Offer{o}, Now: noon})
				if got := res.Refusals[0].Explanation.String(); !strings.Contains(got, tc.want) {
					t.Errorf("got %s\nwant …%s…", got, tc.want)
				}
			}
		})
	}
}

func TestAgentReportsLeaveOutWhatOffersDo(t *testing.T) {
	t.Parallel()
	info := &mesos.AgentInfo{ID: &mesos.AgentID{Value: "S1"}, Hostname: "agent-1"}
	report := placement.AgentReport{Info: info, Total: []mesos.Resource{
		scalar("cpus", 8), dynamic(scalar("cpus", 4), "marathon"), dynamic(scalar("cpus", 2), "k8sm"),
		withDisk(scalar("disk", 999), &mesos.Resource_DiskInfo_Source{Type: mesos.Resource_DiskInfo_Source_MOUNT}),
	}, Allocated: []mesos.Resource{scalar("cpus", 1), dynamic(scalar("cpus", 4), "marathon")}}
	total, free, err := report.ForRole("k8sm", "k8sm")
	if err != nil || total.Resources().CPUs != 10 || free.Resources().CPUs != 9 {
		t.Fatalf("in all %+v, free %+v: %v", total.Resources(), free.Resources(), err)
	}
	d := makeDemand(1)
	d.Resources = placement.Resources{CPUs: 1, DiskMiB: 10}
	c := placement.Capacity{SurveyedAt: noon, Totals: []*placement.Offer{total}}
	if got := c.HeadroomWhenEmpty(d); got.Count != 0 || !strings.Contains(got.Reason, "agent-1 comes nearest, with 0 MiB disk in all; disks with a source of their own, such as MOUNT disks, do not count") {
		t.Errorf("there is room for %d: %s", got.Count, got.Reason)
	}
}

// A private agent's resources are reserved for nobody, and offered to every role.
func TestARoleIsOfferedUnreservedResourcesToo(t *testing.T) {
	t.Parallel()
	d := makeDemand(1)
	d.Role = "slave_public"
	private := makeOffer(1).role("slave_public").has(4, 4096, 1024)
	public := makeOffer(2).role("slave_public")
	for _, r := range []mesos.Resource{scalar("cpus", 8), scalar("mem", 8192), scalar("disk", 2048), portRange(31000, 31009)} {
		public.resource(reserved(r, "slave_public"))
	}
	place := func(offers ...*offer) string {
		res := placement.Plan(placement.Input{Demands: []placement.Demand{d}, Offers: parseAll(t, offers...), Now: noon})
		return res.Matches[0].Agent.ID
	}
	if got := place(private, public); got != "S2" {
		t.Errorf("placed on %s: what is reserved is not preferred", got)
	}
	if got := place(private); got != "S1" {
		t.Errorf("placed on %s", got)
	}
}
