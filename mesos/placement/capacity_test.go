package placement_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/placement"
)

// known returns offers as synthetic ones, as the scheduler keeps them.
func known(t testing.TB, os ...*offer) []*placement.Offer {
	t.Helper()
	out := parseAll(t, os...)
	for i := range out {
		out[i] = out[i].ToSynthetic()
	}
	return out
}

func named(id string, d placement.Demand) placement.Demand {
	d.ID = id
	return d
}

func TestHeadroom(t *testing.T) {
	t.Parallel()
	inZone := func(zones ...string) func(*placement.Demand) {
		return func(d *placement.Demand) {
			d.Constraints = []placement.Constraint{{Attribute: placement.Zone, Operator: placement.In, Values: zones}}
		}
	}
	one := func(d *placement.Demand) { d.MaxPerAgent = 1 }
	for name, tc := range map[string]struct {
		agents   []*offer
		change   []func(*placement.Demand)
		waiting  int // demands that are like it
		occupied map[string]map[string]int
		inVain   []placement.UnplacedDemand
		asked    string // ID of the demand that is asked for
		unknown  bool
		want     placement.Headroom
	}{
		"the count is the sum of what each agent holds": {
			agents: []*offer{makeOffer(1).has(9, 16384, 9999), makeOffer(2).has(4, 4096, 1024), makeOffer(3).has(3, 65536, 9999)},
			want:   placement.Headroom{Count: 3, Reason: "needs 4 cpus on one agent; agent-3 comes nearest, with 3 cpus free"},
		},
		"the reason names the nearest agent that meets the constraints": {
			agents: []*offer{makeOffer(1).has(64, 65536, 9999).zone("r", "a"), makeOffer(17).has(3.5, 8192, 9999).zone("r", "b"), makeOffer(18).has(1, 8192, 9999).zone("r", "b")},
			change: []func(*placement.Demand){inZone("b")},
			want:   placement.Headroom{Reason: "needs 4 cpus on one agent with @zone In [b]; agent-17 comes nearest, with 3.5 cpus free"},
		},
		"the reason names every resource that the nearest agent lacks": {
			agents: []*offer{makeOffer(1).has(3, 2048, 9999)},
			want:   placement.Headroom{Reason: "needs 4 cpus, 4096 MiB mem on one agent; agent-1 comes nearest, with 3 cpus, 2048 MiB mem free"},
		},
		"the reason is the constraint if no agent meets it": {
			agents: []*offer{makeOffer(1).has(64, 65536, 9999).zone("r", "a")},
			change: []func(*placement.Demand){inZone("b", "c")},
			want:   placement.Headroom{Reason: "0 of 1 agents fit: 1 has not @zone in [b c]"},
		},
		"MaxPerAgent counts the nodes that exist": {
			agents:   []*offer{makeOffer(1).has(64, 65536, 9999), makeOffer(2).has(64, 65536, 9999)},
			change:   []func(*placement.Demand){one},
			occupied: map[string]map[string]int{"general": {"S1": 1}},
			want:     placement.Headroom{Count: 1, Reason: "0 of 2 agents fit: 2 hold as many as allowed (1) already"},
		},
		"waiting demands take their places first": {
			agents:  []*offer{makeOffer(1).has(8, 65536, 9999), makeOffer(2).has(8, 65536, 9999)},
			waiting: 3,
			want:    placement.Headroom{Count: 1, Reason: "needs 4 cpus on one agent; agent-1 comes nearest, with 0 cpus free"},
		},
		"a waiting demand does not take the place of itself": {
			agents:  []*offer{makeOffer(1).has(4, 65536, 9999)},
			waiting: 1, asked: "node-0",
			want: placement.Headroom{Count: 1, Reason: "needs 4 cpus on one agent; agent-1 comes nearest, with 0 cpus free"},
		},
		"there is no room for a demand like an unplaced one": {
			agents: []*offer{makeOffer(1).has(64, 65536, 9999)},
			inVain: []placement.UnplacedDemand{{Demand: named("other", makeDemand(0)), Reason: "the quota is used up"}},
			want:   placement.Headroom{Reason: "the quota is used up"},
		},
		"there is room for a demand that is smaller than an unplaced one": {
			agents: []*offer{makeOffer(1).has(5, 65536, 9999)},
			inVain: []placement.UnplacedDemand{{Demand: named("other", func() placement.Demand { d := makeDemand(0); d.Resources.CPUs = 8; return d }()), Reason: "no"}},
			want:   placement.Headroom{Count: 1, Reason: "needs 4 cpus on one agent; agent-1 comes nearest, with 1 cpus free"},
		},
		"the count is unknown without a survey": {
			agents: []*offer{makeOffer(1).has(64, 65536, 9999)}, unknown: true,
			want: placement.Headroom{Count: placement.UnknownCount, Reason: "403"},
		},
		"a demand without resources is refused": {
			agents: []*offer{makeOffer(1).has(64, 65536, 9999)},
			change: []func(*placement.Demand){func(d *placement.Demand) { d.Resources = placement.Resources{} }},
			want:   placement.Headroom{Reason: "cannot be placed: it asks for no resources"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := placement.Capacity{SurveyedAt: noon, UnknownReason: "403", Unplaced: tc.inVain}
			if tc.unknown {
				c = placement.Capacity{UnknownReason: "403"}
			}
			c.Free = placement.Input{Offers: known(t, tc.agents...), Demands: demands(tc.waiting, tc.change...), Occupied: tc.occupied, Now: noon}
			d := demands(1, tc.change...)[0]
			d.ID = "asked"
			if tc.asked != "" {
				d.ID = tc.asked
			}
			for range 2 { // it is a snapshot: to ask changes nothing
				if diff := cmp.Diff(tc.want, c.Headroom(d)); diff != "" {
					t.Errorf("room (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// Plan places exactly as many demands as the headroom, and not one more.
func TestHeadroomEqualsWhatPlanPlaces(t *testing.T) {
	t.Parallel()
	forSeeds(t, 300, func(t *testing.T, s randomInput) {
		if len(s.in.Demands) == 0 {
			return
		}
		like := s.in.Demands[0]
		c := placement.Capacity{SurveyedAt: noon, Free: s.in}
		c.Free.Demands = nil
		c.Free.Offers = nil
		for _, o := range s.in.Offers {
			c.Free.Offers = append(c.Free.Offers, o.ToSynthetic())
		}
		room := c.Headroom(like)
		in := s.in
		in.Demands = nil
		for i := range room.Count + 1 {
			in.Demands = append(in.Demands, named(fmt.Sprintf("n%d", i), like))
		}
		if placed := len(placement.Plan(in).Matches); placed != room.Count {
			t.Errorf("there is room for %d %+v, and %d are placed: %s", room.Count, like, placed, room.Reason)
		}
	})
}

func TestAgentReportsGiveResourcesOfARole(t *testing.T) {
	t.Parallel()
	report := placement.AgentReport{
		Info: &mesos.AgentInfo{
			ID: &mesos.AgentID{Value: "S1"}, Hostname: "agent-1",
			Domain:     makeOffer(1).zone("r", "b").Domain,
			Attributes: makeOffer(1).text("rack", "r1").Offer.Attributes,
		},
		PID:   "slave(1)@10.0.0.7:5051",
		Total: []mesos.Resource{scalar("cpus", 8), reserved(scalar("cpus", 4), "k8sm"), reserved(scalar("cpus", 16), "spark"), scalar("mem", 8192), portRange(31000, 31009)},
		Allocated: []mesos.Resource{
			scalar("cpus", 6), reserved(scalar("cpus", 16), "spark"), reserved(scalar("cpus", 1), "k8sm"), scalar("mem", 9000), portRange(31000, 31001),
		},
	}
	total, free, err := report.ForRole("k8sm", "")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(placement.Resources{CPUs: 12, MemMiB: 8192, Ports: 10}, total.Resources()); diff != "" {
		t.Errorf("in all (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(placement.Resources{CPUs: 5, Ports: 8}, free.Resources()); diff != "" {
		t.Errorf("free (-want +got):\n%s", diff)
	}
	want := placement.Agent{ID: "S1", Hostname: "agent-1", Address: "10.0.0.7", Region: "r", Zone: "b"}
	if diff := cmp.Diff(want, free.Agent); diff != "" {
		t.Errorf("agent (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"rack": "r1"}, free.Attributes()); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	report.Total = append(report.Total, scalar("cpus", -1))
	if _, _, err := report.ForRole("k8sm", ""); err == nil {
		t.Error("nonsense was taken for resources")
	}
}

func TestHeadroomWhenEmptyIgnoresRunningTasks(t *testing.T) {
	t.Parallel()
	d := makeDemand(0)
	d.MaxPerAgent, d.Avoid = 1, []string{"S1"}
	c := placement.Capacity{SurveyedAt: noon, Totals: known(t, makeOffer(1).has(8, 8192, 9999), makeOffer(2).has(2, 8192, 9999))}
	c.Free.Occupied = map[string]map[string]int{"general": {"S1": 1}}
	if got := c.HeadroomWhenEmpty(d); got.Count != 1 {
		t.Errorf("got %+v, want one place", got)
	}
	d.Resources.CPUs = 64
	want := placement.Headroom{Reason: "needs 64 cpus on one agent; agent-1 comes nearest, with 8 cpus in all"}
	if diff := cmp.Diff(want, c.HeadroomWhenEmpty(d)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
