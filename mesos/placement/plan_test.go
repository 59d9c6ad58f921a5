package placement_test

import (
	"fmt"
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/placement"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// places formats each match as "demand on agent".
func places(ds []placement.Demand, r placement.Result) []string {
	var out []string
	for _, m := range r.Matches {
		out = append(out, ds[m.Demand].ID+" on "+m.Agent.Hostname)
	}
	return out
}

func TestPlanChoosesAgents(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		demands  []placement.Demand
		offers   []*offer
		occupied map[string]map[string]int
		want     []string
	}{
		"nodes of a group are spread over agents": {
			demands: demands(3),
			offers:  []*offer{makeOffer(1).has(16, 65536, 9999), makeOffer(2).has(16, 65536, 9999), makeOffer(3).has(16, 65536, 9999)},
			want:    []string{"node-0 on agent-1", "node-1 on agent-2", "node-2 on agent-3"},
		},
		"agents without nodes of the group are preferred": {
			demands:  demands(1),
			offers:   []*offer{makeOffer(1).has(16, 65536, 9999), makeOffer(2).has(16, 65536, 9999)},
			occupied: map[string]map[string]int{"general": {"S1": 1}},
			want:     []string{"node-0 on agent-2"},
		},
		"the smallest agent that fits is used": {
			demands: demands(1),
			offers:  []*offer{makeOffer(1).has(32, 65536, 9999), makeOffer(2).has(4.5, 5000, 9999), makeOffer(3).has(8, 8192, 9999)},
			want:    []string{"node-0 on agent-2"},
		},
		"an agent with a reservation for the role is preferred to a smaller agent": {
			demands: demands(1),
			offers: []*offer{
				makeOffer(1).has(4, 4096, 1024),
				makeOffer(2).resource(reserved(scalar("cpus", 8), "k8sm")).resource(reserved(scalar("mem", 9000), "k8sm")).has(1, 1, 1024),
			},
			want: []string{"node-0 on agent-2"},
		},
		"several nodes share an agent until its resources are used": {
			demands: demands(3),
			offers:  []*offer{makeOffer(1).has(9, 65536, 9999)},
			want:    []string{"node-0 on agent-1", "node-1 on agent-1"},
		},
		"MaxPerAgent limits the nodes of a group on an agent": {
			demands: demands(3, func(d *placement.Demand) { d.MaxPerAgent = 1 }),
			offers:  []*offer{makeOffer(1).has(64, 65536, 9999), makeOffer(2).has(64, 65536, 9999)},
			want:    []string{"node-0 on agent-1", "node-1 on agent-2"},
		},
		"MaxPerAgent counts the nodes that exist": {
			demands:  demands(3, func(d *placement.Demand) { d.MaxPerAgent = 2 }),
			offers:   []*offer{makeOffer(1).has(64, 65536, 9999)},
			occupied: map[string]map[string]int{"general": {"S1": 1}, "other": {"S1": 7}},
			want:     []string{"node-0 on agent-1"},
		},
		"MaxPerAgent counts demands of the group in another class": {
			demands: append(demands(1, func(d *placement.Demand) { d.MaxPerAgent = 1 }),
				demands(1, func(d *placement.Demand) { d.ID, d.MaxPerAgent, d.Resources.CPUs = "big", 1, 8 })...),
			offers: []*offer{makeOffer(1).has(64, 65536, 9999)},
			want:   []string{"node-0 on agent-1"},
		},
		"offers of one agent in one role are combined": {
			demands: demands(1),
			offers:  []*offer{makeOffer(1).has(2, 2048, 1024), makeOffer(1).id("offer-1b").resource(scalar("cpus", 2)).resource(scalar("mem", 2048))},
			want:    []string{"node-0 on agent-1"},
		},
		"offers of one agent in two roles are not combined": {
			demands: demands(1),
			offers:  []*offer{makeOffer(1).has(2, 2048, 1024), makeOffer(1).id("offer-1b").role("other").has(2, 2048, 1024)},
		},
		"an agent that one demand avoids is used for the next": {
			demands: append(demands(1, func(d *placement.Demand) { d.Avoid = []string{"S1", "S9"} }), makeDemand(1)),
			offers:  []*offer{makeOffer(1).has(4, 4096, 1024), makeOffer(2).has(64, 65536, 9999)},
			want:    []string{"node-0 on agent-2", "node-1 on agent-1"},
		},
		"a demand that avoids all agents is not placed": {
			demands: append(demands(1, func(d *placement.Demand) { d.Avoid = []string{"S1"} }), makeDemand(1)),
			offers:  []*offer{makeOffer(1).has(4, 4096, 1024)},
			want:    []string{"node-1 on agent-1"},
		},
		"two classes do not use the same resources": {
			demands: append(demands(1), demands(1, func(d *placement.Demand) { d.ID, d.Group = "gpu-0", "gpu" })...),
			offers:  []*offer{makeOffer(1).has(6, 8192, 9999)},
			want:    []string{"node-0 on agent-1"},
		},
		"revocable, shared and special disks are not used": {
			demands: demands(1),
			offers: []*offer{makeOffer(1).has(3, 4096, 1000).
				resource(func() mesos.Resource { r := scalar("cpus", 9); r.Revocable = &mesos.Resource_RevocableInfo{}; return r }()).
				resource(func() mesos.Resource { r := scalar("disk", 9999); r.Disk = &mesos.Resource_DiskInfo{}; return r }())},
		},
		"an agent with GPUs is used like another": {
			demands: demands(1),
			offers:  []*offer{makeOffer(1).has(4, 4096, 1024).resource(scalar("gpus", 2))},
			want:    []string{"node-0 on agent-1"},
		},
		"demands without or with invalid resources are not placed": {
			demands: []placement.Demand{
				{ID: "none", Role: "k8sm"},
				{ID: "nan", Role: "k8sm", Resources: placement.Resources{CPUs: math.NaN()}},
				{ID: "negative", Role: "k8sm", Resources: placement.Resources{CPUs: 1, MemMiB: -1}},
			},
			offers: []*offer{makeOffer(1).has(3, 4096, 1000)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := placement.Plan(placement.Input{Demands: tc.demands, Offers: parseAll(t, tc.offers...), Occupied: tc.occupied, Now: noon})
			if diff := cmp.Diff(tc.want, places(tc.demands, res)); diff != "" {
				t.Errorf("places (-want +got):\n%s", diff)
			}
			if len(res.Matches)+len(res.Refusals) != len(tc.demands) {
				t.Errorf("%d matches and %d refusals for %d demands", len(res.Matches), len(res.Refusals), len(tc.demands))
			}
		})
	}
}

func TestPlanMeetsConstraints(t *testing.T) {
	t.Parallel()
	agent := makeOffer(1).has(64, 65536, 9999).text("rack", "r1").text("rack", "r2").number("slots", 2.5).span("open", 1000, 1999).zone("eu", "eu-a").parse(t)
	bare := makeOffer(2).has(64, 65536, 9999).parse(t)
	type c = placement.Constraint
	for name, tc := range map[string]struct {
		c               c
		onAgent, onBare bool
	}{
		"In matches a text among the values":                        {c{"rack", placement.In, []string{"r0", "r2"}}, true, false},
		"NotIn matches a text that is not among the values":         {c{"rack", placement.NotIn, []string{"r1"}}, false, true},
		"Exists matches a text":                                     {c{"rack", placement.Exists, nil}, true, false},
		"DoesNotExist matches a missing attribute":                  {c{"rack", placement.DoesNotExist, nil}, false, true},
		"In matches a scalar by its number":                         {c{"slots", placement.In, []string{"2.50"}}, true, false},
		"In does not match another number":                          {c{"slots", placement.In, []string{"2", "x", "NaN"}}, false, false},
		"In matches ranges that contain the number":                 {c{"open", placement.In, []string{"1500"}}, true, false},
		"In matches ranges that contain the range":                  {c{"open", placement.In, []string{"1500-1600"}}, true, false},
		"In does not match ranges that contain a part of the range": {c{"open", placement.In, []string{"1500-2600"}}, false, false},
		"NotIn matches ranges with a word":                          {c{"open", placement.NotIn, []string{"http"}}, true, true},
		"zone":                                                      {c{placement.Zone, placement.In, []string{"eu-a"}}, true, false},
		"NotIn matches an agent without a region":                   {c{placement.Region, placement.NotIn, []string{"eu"}}, false, true},
		"DoesNotExist matches an agent without a zone":              {c{placement.Zone, placement.DoesNotExist, nil}, false, true},
		"In matches the host name":                                  {c{placement.Hostname, placement.In, []string{"agent-2"}}, false, true},
		"an unknown pseudo-attribute does not exist":                {c{"@rack", placement.Exists, nil}, false, false},
		"an unknown operator matches nothing":                       {c{"rack", "Like", []string{"r1"}}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, on := range []struct {
				offer *placement.Offer
				want  bool
			}{{agent, tc.onAgent}, {bare, tc.onBare}} {
				d := makeDemand(0)
				d.Constraints = []placement.Constraint{tc.c}
				res := placement.Plan(placement.Input{Demands: []placement.Demand{d}, Offers: []*placement.Offer{on.offer}, Now: noon})
				if got := len(res.Matches) == 1; got != on.want {
					t.Errorf("placed on %s: %v, want %v", on.offer.Agent.Hostname, got, on.want)
				}
			}
		})
	}
}

func TestPlanAvoidsAgentsBeforeMaintenance(t *testing.T) {
	t.Parallel()
	window := func(start time.Time, length time.Duration) *mesos.Unavailability {
		u := &mesos.Unavailability{Start: mesos.TimeInfo{Nanoseconds: start.UnixNano()}}
		if length > 0 {
			u.Duration = &mesos.DurationInfo{Nanoseconds: length.Nanoseconds()}
		}
		return u
	}
	for name, tc := range map[string]struct {
		window *mesos.Unavailability
		want   bool
	}{
		"no window is planned":                    {nil, true},
		"the window begins later than the margin": {window(noon.Add(2*time.Hour), time.Hour), true},
		"near":                                {window(noon.Add(30*time.Minute), time.Hour), false},
		"the window has begun":                {window(noon.Add(-time.Minute), time.Hour), false},
		"the window is over":                  {window(noon.Add(-2*time.Hour), time.Hour), true},
		"the window has begun and has no end": {window(noon.Add(-200*time.Hour), 0), false},
		"the window begins now":               {window(noon, time.Second), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := makeOffer(1).has(64, 65536, 9999)
			o.Unavailability = tc.window
			res := placement.Plan(placement.Input{Demands: demands(1), Offers: parseAll(t, o), Now: noon, MaintenanceLead: time.Hour})
			if got := len(res.Matches) == 1; got != tc.want {
				t.Errorf("placed: %v, want %v (%v)", got, tc.want, res.Refusals)
			}
		})
	}
}

func TestPlanAvoidsMaintenanceAndDrainingAgents(t *testing.T) {
	t.Parallel()
	soon := placement.MaintenanceWindow{Start: noon.Add(time.Minute)}
	for name, tc := range map[string]struct {
		in   placement.Input
		want string // the refusal
	}{
		"the agent has a window soon":     {in: placement.Input{Maintenance: map[string]placement.MaintenanceWindow{"S1": soon}}, want: "0 of 1 agents fit: 1 is down for maintenance, or about to be"},
		"another agent has a window soon": {in: placement.Input{Maintenance: map[string]placement.MaintenanceWindow{"S2": soon}}},
		"drains":                          {in: placement.Input{Draining: map[string]time.Time{"S1": noon.Add(time.Second)}}, want: "0 of 1 agents fit: 1 refused a task a short time ago, because it was draining"},
		"the agent has drained":           {in: placement.Input{Draining: map[string]time.Time{"S1": noon}}},
		"another agent drains":            {in: placement.Input{Draining: map[string]time.Time{"S2": noon.Add(time.Hour)}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := tc.in
			in.Demands, in.Offers, in.Now, in.MaintenanceLead = demands(1), parseAll(t, makeOffer(1).has(64, 65536, 9999)), noon, time.Hour
			got := ""
			for _, r := range placement.Plan(in).Refusals {
				got = r.Explanation.String()
			}
			if got != tc.want {
				t.Errorf("refused with %q, want %q", got, tc.want)
			}
		})
	}
}

func TestMatchKeepsReservationsOfTheOffer(t *testing.T) {
	t.Parallel()
	o := makeOffer(1).zone("eu", "eu-a").text("rack", "r1").
		resource(scalar("cpus", 3)).resource(reserved(scalar("cpus", 2), "k8sm")).
		resource(scalar("mem", 8192)).resource(scalar("disk", 2048)).
		resource(portRange(31000, 31000)).resource(reserved(portRange(32000, 32005), "k8sm")).
		resource(scalar("gpus", 2)).resource(func() mesos.Resource {
		r := scalar("mem", 9999)
		r.Revocable = &mesos.Resource_RevocableInfo{}
		return r
	}())
	o.URL = &mesos.URL{Address: mesos.Address{IP: ptr("10.0.0.7"), Port: 5051}}
	res := placement.Plan(placement.Input{Demands: demands(1, func(d *placement.Demand) { d.Resources.Ports = 7 }), Offers: parseAll(t, o), Now: noon})
	if len(res.Matches) != 1 {
		t.Fatalf("no match: %v", res.Refusals[0].Explanation)
	}
	m := res.Matches[0]
	want := placement.Match{
		Agent:    placement.Agent{ID: "S1", Hostname: "agent-1", Address: "10.0.0.7", Region: "eu", Zone: "eu-a"},
		OfferIDs: []string{"offer-1"},
		Ports:    []int{31000, 32000, 32001, 32002, 32003, 32004, 32005},
	}
	alloc := o.AllocationInfo
	for _, r := range []mesos.Resource{
		reserved(scalar("cpus", 2), "k8sm"), scalar("cpus", 2), scalar("mem", 4096), scalar("disk", 1024),
		reserved(portRange(32000, 32005), "k8sm"), portRange(31000, 31000),
	} {
		r.AllocationInfo = alloc
		want.Resources = append(want.Resources, r)
	}
	if diff := cmp.Diff(map[string]string{"rack": "r1"}, m.Offer.Attributes()); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	m.Offer = nil
	if diff := cmp.Diff(want, m); diff != "" {
		t.Errorf("match (-want +got):\n%s", diff)
	}
}

func TestSplitResourcesDividesWithoutLoss(t *testing.T) {
	t.Parallel()
	all := []mesos.Resource{reserved(scalar("cpus", 0.5), "k8sm"), scalar("cpus", 3.5), scalar("mem", 4096), portRange(31000, 31001)}
	head, rest, err := placement.SplitResources(all, placement.Resources{CPUs: 1, MemMiB: 64})
	if err != nil {
		t.Fatal(err)
	}
	wantHead := []mesos.Resource{reserved(scalar("cpus", 0.5), "k8sm"), scalar("cpus", 0.5), scalar("mem", 64)}
	wantRest := []mesos.Resource{scalar("cpus", 3), scalar("mem", 4032), portRange(31000, 31001)}
	if diff := cmp.Diff([][]mesos.Resource{wantHead, wantRest}, [][]mesos.Resource{head, rest}); diff != "" {
		t.Errorf("parts (-want +got):\n%s", diff)
	}
	if _, _, err := placement.SplitResources(all, placement.Resources{MemMiB: 5000}); err == nil {
		t.Error("a part larger than the whole was given")
	}
}

func TestExplanationCountsReasons(t *testing.T) {
	t.Parallel()
	zoned := func(d *placement.Demand) {
		d.Constraints = []placement.Constraint{{Attribute: placement.Zone, Operator: placement.In, Values: []string{"b"}}}
		d.MaxPerAgent = 1
		d.Avoid = []string{"S7"}
	}
	down := makeOffer(8).has(8, 8192, 9999).zone("eu", "b")
	down.Unavailability = &mesos.Unavailability{Start: mesos.TimeInfo{Nanoseconds: noon.UnixNano()}}
	for name, tc := range map[string]struct {
		demand placement.Demand
		offers []*offer
		want   string
	}{
		"no offers in the role": {
			demand: makeDemand(0),
			offers: []*offer{makeOffer(1).role("other").has(9, 9999, 9999)},
			want:   "no agent offers anything in role k8sm",
		},
		"each reason has its count, and the nearest agent is named": {
			demand: demands(1, zoned)[0],
			offers: []*offer{
				makeOffer(1).has(9, 9999, 9999).zone("eu", "a"), makeOffer(2).has(9, 9999, 9999),
				makeOffer(3).has(2, 9999, 9999).zone("eu", "b"), makeOffer(4).has(1, 9999, 9999).zone("eu", "b"), makeOffer(5).has(2, 1024, 9999).zone("eu", "b"),
				makeOffer(6).has(9, 9999, 9999).zone("eu", "b"), makeOffer(7).has(9, 9999, 9999).zone("eu", "b"), down,
			},
			want: "0 of 8 agents fit: 3 lack cpus (most offered 2 on agent-3, wants 4), 2 have not @zone in [b], " +
				"1 holds as many as allowed (1) already, 1 is left out after failures, 1 is down for maintenance, or about to be; " +
				"nearest is agent-3, which lacks 2 cpus",
		},
		"an agent with a loopback address": {
			demand: makeDemand(0),
			offers: []*offer{makeOffer(1).has(9, 9999, 9999).at("127.0.0.1"), makeOffer(2).has(9, 9999, 9999).at("169.254.3.4")},
			want:   "0 of 2 agents fit: 2 have an address that no other machine can reach (set the agents' --ip)",
		},
		"the nearest agent lacks two resources": {
			demand: makeDemand(0),
			offers: []*offer{makeOffer(1).has(3.5, 2048, 9999), makeOffer(2).has(8, 1024, 9999)},
			want: "0 of 2 agents fit: 1 lacks cpus (most offered 3.5 on agent-1, wants 4), 1 lacks mem (most offered 1024 MiB on agent-2, wants 4096 MiB); " +
				"nearest is agent-1, which lacks 0.5 cpus, 2048 MiB mem",
		},
		"an invalid resource is named": {
			demand: placement.Demand{Role: "k8sm", Resources: placement.Resources{CPUs: -1}},
			offers: []*offer{makeOffer(1).has(3.5, 2048, 9999)},
			want:   "cannot be placed: reading cpus: -1 is no amount of a resource",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := placement.Plan(placement.Input{
				Demands: []placement.Demand{tc.demand}, Offers: parseAll(t, tc.offers...),
				Occupied: map[string]map[string]int{"general": {"S6": 1}}, Now: noon,
			})
			if len(res.Refusals) != 1 {
				t.Fatalf("matched: %v", res.Matches)
			}
			if diff := cmp.Diff(tc.want, res.Refusals[0].Explanation.String()); diff != "" {
				t.Errorf("explanation (-want +got):\n%s", diff)
			}
		})
	}
}

func TestExplanationCountsResourcesTakenByThePlan(t *testing.T) {
	t.Parallel()
	res := placement.Plan(placement.Input{Demands: demands(3), Offers: parseAll(t, makeOffer(1).has(9, 65536, 9999)), Now: noon})
	want := "0 of 1 agents fit: 1 lacks cpus (most offered 1 on agent-1, wants 4); nearest is agent-1, which lacks 3 cpus"
	if got := res.Refusals[0].Explanation.String(); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestParseOfferRejectsInvalidOffers(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]*offer{
		"no agent":  func() *offer { o := makeOffer(1); o.AgentID.Value = ""; return o }(),
		"no ID":     makeOffer(1).id(""),
		"negative":  makeOffer(1).resource(scalar("cpus", -4)),
		"no number": makeOffer(1).resource(scalar("mem", math.NaN())),
		"infinite":  makeOffer(1).resource(scalar("disk", math.Inf(1))),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if p, err := placement.ParseOffer(&o.Offer, ""); err == nil {
				t.Errorf("was read as %+v", p)
			}
		})
	}
}

func TestDuplicateAttributesOfAnOffer(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		offer *offer
		want  []string
	}{
		"none":                 {offer: makeOffer(1)},
		"one of each":          {offer: makeOffer(1).text("rack", "r1").number("slots", 8)},
		"two of a name":        {offer: makeOffer(1).text("disk", "ssd").text("rack", "r1").text("disk", "nvme"), want: []string{"disk"}},
		"two of several types": {offer: makeOffer(1).number("slots", 8).text("slots", "many"), want: []string{"slots"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, parseAll(t, tc.offer)[0].DuplicateAttributes()); diff != "" {
				t.Errorf("repeated (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseOfferLimitsPortsToValidNumbers(t *testing.T) {
	t.Parallel()
	o := makeOffer(1).resource(portRange(0, math.MaxUint64)).resource(portRange(9, 3)).resource(mesos.Resource{Name: "ports"})
	if got := o.parse(t).Resources().Ports; got != math.MaxUint16 {
		t.Errorf("%d ports, want %d", got, math.MaxUint16)
	}
}

func ExamplePlan() {
	o := makeOffer(3).has(2, 8192, 9999)
	parsed, _ := placement.ParseOffer(&o.Offer, "")
	res := placement.Plan(placement.Input{
		Demands: []placement.Demand{{ID: "general-x7k2p", Role: "k8sm", Resources: placement.Resources{CPUs: 4, MemMiB: 4096}}},
		Offers:  []*placement.Offer{parsed},
	})
	fmt.Println(res.Refusals[0].Explanation)
	// Output: 0 of 1 agents fit: 1 lacks cpus (most offered 2 on agent-3, wants 4); nearest is agent-3, which lacks 2 cpus
}

// What listens on the first ports of every agent must not keep all attempts from starting.
func TestAnotherAttemptHasOtherPorts(t *testing.T) {
	t.Parallel()
	offers := parseAll(t, makeOffer(1).has(8, 8192, 10240))
	ports := func(id string) string {
		d := makeDemand(1)
		d.ID = id
		return fmt.Sprint(placement.Plan(placement.Input{Demands: []placement.Demand{d}, Offers: offers, Now: noon}).Matches[0].Ports)
	}
	seen := map[string]bool{}
	for attempt := range 10 {
		seen[ports(fmt.Sprintf("general-x7k2p.0f1e2d3c.%d", attempt))] = true
	}
	first, again := ports("a.1"), ports("a.1")
	if len(seen) < 9 || first != again {
		t.Errorf("ten attempts have the ports %v", seen)
	}
}

// Mesos makes numbers of values such as serial numbers, however long they are.
func TestConstraintsCompareNumbersOfAnySize(t *testing.T) {
	t.Parallel()
	for _, serial := range []float64{8, 999_999_999_999, 1_700_000_000_000, 1_700_000_000_001, 9_007_199_254_740_991} {
		value := strconv.FormatFloat(serial, 'f', -1, 64)
		for operator, want := range map[placement.Operator]int{placement.In: 1, placement.NotIn: 0} {
			d := makeDemand(1)
			d.Constraints = []placement.Constraint{{Attribute: "serial", Operator: operator, Values: []string{value}}}
			in := placement.Input{Demands: []placement.Demand{d}, Offers: parseAll(t, makeOffer(1).has(8, 8192, 10240).number("serial", serial)), Now: noon}
			if got := len(placement.Plan(in).Matches); got != want {
				t.Errorf("serial %s %s: %d nodes are placed, want %d", operator, value, got, want)
			}
		}
	}
}
