package scheduler_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// The constraints that the master is sent must never hide an agent that a demand may be
// placed on: any constraints, against any agents whose attributes have a name each.
func TestConstraintsAdmitEveryUsableAgent(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	hidden, usable := 0, 0
	for range 1500 {
		demands := make([]placement.Demand, 1+r.IntN(3))
		for i := range demands {
			demands[i] = placement.Demand{ID: fmt.Sprint("n", i), Role: "k8sm", Resources: placement.Resources{CPUs: 1}, Constraints: randomConstraints(r)}
		}
		groups := announcedGroups(t, demands)
		for range 10 {
			o := randomAgent(r)
			parsed, err := placement.ParseOffer(&o, "")
			if err != nil {
				t.Fatal(err)
			}
			fits := len(placement.Plan(placement.Input{Demands: demands, Offers: []*placement.Offer{parsed}}).Matches) > 0
			passes := len(groups) == 0 || slices.ContainsFunc(groups, func(g message) bool { return holds(g, &o) })
			if fits && !passes {
				t.Fatalf("the agent %+v fits one of %+v, and is hidden", o.Attributes, demands)
			}
			if fits {
				usable++
			}
			if !passes {
				hidden++
			}
		}
	}
	if hidden < 1000 || usable < 1000 {
		t.Errorf("%d agents are hidden and %d are usable: the test shows nothing", hidden, usable)
	}
}

// announcedGroups returns the constraints that the master is sent for all demands.
func announcedGroups(t *testing.T, demands []placement.Demand) []message {
	t.Helper()
	p := &player{}
	for _, line := range [][]string{{"new", "id=F1"}, {"subscribed", "id=F1"}} {
		if err := p.do(line); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range demands {
		p.core.AddDemand(p.now, d)
	}
	if err := p.do([]string{"wait", "10ms"}); err != nil {
		t.Fatal(err)
	}
	update := p.sent[schedulerpb.Call_UPDATE_FRAMEWORK]
	if update == nil {
		return nil
	}
	return roleConstraints(update)["k8sm"]
}

func randomConstraints(r *rand.Rand) []placement.Constraint {
	out := make([]placement.Constraint, r.IntN(4))
	for i := range out {
		out[i].Attribute = []string{"rack", "slots", "ports", placement.Hostname, placement.Region, placement.Zone, "@else"}[r.IntN(7)]
		out[i].Operator = []placement.Operator{placement.In, placement.NotIn, placement.Exists, placement.DoesNotExist}[r.IntN(4)]
		for range r.IntN(4) {
			out[i].Values = append(out[i].Values, []string{"0", "1", "2", "3", "1 0", "1-2", "[0-1]", "2.0"}[r.IntN(8)])
		}
	}
	return out
}

func randomAgent(r *rand.Rand) mesos.Offer {
	o := mesos.Offer{ID: mesos.OfferID{Value: "O1"}, AgentID: mesos.AgentID{Value: "S1"}, Hostname: strconv.Itoa(r.IntN(4))}
	o.AllocationInfo = &mesos.Resource_AllocationInfo{Role: ptr("k8sm")}
	o.Resources = []mesos.Resource{cpusOf(8)}
	if r.IntN(2) == 0 {
		zone, region := strconv.Itoa(r.IntN(4)), []string{"", "1"}[r.IntN(2)]
		o.Domain = &mesos.DomainInfo{FaultDomain: &mesos.DomainInfo_FaultDomain{
			Region: mesos.DomainInfo_FaultDomain_RegionInfo{Name: region}, Zone: mesos.DomainInfo_FaultDomain_ZoneInfo{Name: zone},
		}}
	}
	for _, name := range []string{"rack", "slots", "ports"} {
		a := mesos.Attribute{Name: name}
		switch n := r.IntN(4); r.IntN(4) {
		case 0:
			a.Type, a.Text = mesos.TEXT, &mesos.Value_Text{Value: []string{"0", "1", "10", "1-2"}[n]}
		case 1:
			a.Type, a.Scalar = mesos.SCALAR, &mesos.Value_Scalar{Value: float64(n)}
		case 2:
			a.Type, a.Ranges = mesos.RANGES, &mesos.Value_Ranges{Range: []mesos.Value_Range{{Begin: uint64(n), End: uint64(n + 1)}}}
		default:
			continue
		}
		o.Attributes = append(o.Attributes, a)
	}
	return o
}

// holds reports whether an agent meets a group of constraints, as Mesos decides it.
func holds(group message, o *mesos.Offer) bool {
	return !slices.ContainsFunc(all(group[1]), func(c message) bool {
		value, text, there := selected(c.in(1), o)
		switch predicate := c.in(2); {
		case predicate[1] != nil:
			return !there
		case predicate[2] != nil:
			return there
		case predicate[3] != nil:
			return !there || (text && value != predicate.in(3)[1][0])
		case predicate[4] != nil:
			return there && text && value == predicate.in(4)[1][0]
		}
		return true
	})
}

// selected is the attribute, or what is like one, that a selector names.
func selected(selector message, o *mesos.Offer) (value string, text, there bool) {
	if len(selector[1]) == 0 {
		i := slices.IndexFunc(o.Attributes, func(a mesos.Attribute) bool { return a.Name == selector[2][0] })
		if i < 0 {
			return "", false, false
		}
		return o.Attributes[i].GetText().GetValue(), o.Attributes[i].Type == mesos.TEXT, true
	}
	domain := o.Domain.GetFaultDomain()
	switch selector[1][0] {
	case "1":
		return o.Hostname, true, true
	case "2":
		return domain.GetRegion().Name, true, domain != nil
	default:
		return domain.GetZone().Name, true, domain != nil
	}
}

// The parser of mesos-go does not know offer constraints, like that of an older master.
func TestOlderParsersSkipConstraints(t *testing.T) {
	t.Parallel()
	p := &player{}
	for _, line := range [][]string{{"new", "id=F1"}, {"subscribed", "id=F1"}, {"demand", "n1", "with=rack:In:r1"}, {"wait", "1s"}} {
		if err := p.do(line); err != nil {
			t.Fatal(err)
		}
	}
	update := p.sent[schedulerpb.Call_UPDATE_FRAMEWORK]
	if got, want := constraintsText(update), "k8sm:rack=r1"; got != want {
		t.Errorf("the constraints on the wire are %q, want %q", got, want)
	}
	read := decoded(t, update)
	if read.Type != schedulerpb.Call_UPDATE_FRAMEWORK || read.GetFrameworkID().GetValue() != "F1" {
		t.Errorf("it reads %s of %v", read.Type, read.FrameworkID)
	}
	if got := read.GetUpdateFramework().FrameworkInfo.Roles; !slices.Equal(got, []string{"k8sm"}) {
		t.Errorf("it reads the roles %v", got)
	}
}

func decoded(t *testing.T, c *scheduler.Call) *schedulerpb.Call {
	t.Helper()
	b, err := c.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	read := &schedulerpb.Call{}
	if err := read.Unmarshal(b); err != nil {
		t.Fatalf("a parser that does not know offer constraints: %v", err)
	}
	return read
}
