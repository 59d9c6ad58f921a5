package placement_test

import (
	"strings"
	"testing"
	"time"

	"github.com/k8sm/k8sm/mesos/placement"
)

// backoffs have agent S1 left alone until a time.
func backoffs(until time.Time, group string) placement.Backoffs {
	return placement.Backoffs{ByAgentID: map[string]*placement.Backoff{
		"S1": {Until: until, Group: group, Reason: "after a failure: TASK_FAILED"},
	}}
}

func TestAgentsAreLeftAloneAfterFailures(t *testing.T) {
	t.Parallel()
	later, before := noon.Add(time.Minute), noon
	otherHost := placement.Backoffs{ByHostname: map[string]*placement.Backoff{"agent-1": {Until: later}}}
	for name, tc := range map[string]struct {
		backoffs placement.Backoffs
		agents   []*offer
		want     string // the agent that is chosen; empty for none
	}{
		"the only agent backs off":                   {backoffs(later, ""), []*offer{makeOffer(1)}, ""},
		"another agent is there":                     {backoffs(later, ""), []*offer{makeOffer(1), makeOffer(2)}, "S2"},
		"the back-off has ended":                     {backoffs(before, ""), []*offer{makeOffer(1)}, "S1"},
		"it has ended, and another agent is there":   {backoffs(before, ""), []*offer{makeOffer(1), makeOffer(2)}, "S2"},
		"another group failed there, by itself":      {backoffs(later, "other"), []*offer{makeOffer(1), makeOffer(2)}, "S1"},
		"the group itself failed there":              {backoffs(later, "general"), []*offer{makeOffer(1), makeOffer(2)}, "S2"},
		"the agent came back under another ID":       {otherHost, []*offer{makeOffer(1)}, ""},
		"an agent without a host name":               {otherHost, []*offer{hostless(1)}, "S1"},
		"nothing failed anywhere: the first is used": {placement.Backoffs{}, []*offer{makeOffer(1), makeOffer(2)}, "S1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, o := range tc.agents {
				o.has(8, 8192, 10240)
			}
			in := placement.Input{Demands: demands(1), Offers: parseAll(t, tc.agents...), Now: noon, Backoffs: tc.backoffs}
			got := ""
			if res := placement.Plan(in); len(res.Matches) > 0 {
				got = res.Matches[0].Agent.ID
			}
			if got != tc.want {
				t.Errorf("placed on %q, want %q", got, tc.want)
			}
		})
	}
}

func hostless(n int) *offer {
	o := makeOffer(n)
	o.Hostname = ""
	return o
}

// An agent on which something failed is used last, even if it is the emptiest.
func TestAgentsWithoutFailuresAreFilledFirst(t *testing.T) {
	t.Parallel()
	in := placement.Input{
		Demands: demands(3), Now: noon, Backoffs: backoffs(noon, ""), Occupied: map[string]map[string]int{"general": {"S2": 5}},
		Offers: parseAll(t, makeOffer(1).has(8, 8192, 10240), makeOffer(2).has(8, 8192, 10240)),
	}
	var got []string
	for _, m := range placement.Plan(in).Matches {
		got = append(got, m.Agent.ID)
	}
	if want := "S2 S2 S1"; strings.Join(got, " ") != want {
		t.Errorf("placed on %v, want %s", got, want)
	}
}

func TestExplanationQuotesWhyAnAgentIsLeftAlone(t *testing.T) {
	t.Parallel()
	explain := func(b placement.Backoffs) string {
		return placement.Plan(placement.Input{
			Demands: demands(1), Now: noon, Backoffs: b, Offers: parseAll(t, makeOffer(1).has(8, 8192, 10240), makeOffer(2).has(8, 8192, 10240), makeOffer(3).has(1, 8192, 10240)),
		}).Refusals[0].Explanation.String()
	}
	b := backoffs(noon.Add(time.Minute), "")
	b.ByAgentID["S2"] = &placement.Backoff{Until: noon.Add(time.Hour), Reason: "after 4 failures in a row, the last: TASK_FAILED: no hugetlb"}
	if got, want := explain(b), "0 of 3 agents fit: 2 are left alone after failures (agent-1 until 12:01:00 UTC, after a failure: TASK_FAILED)"; !strings.HasPrefix(got, want) {
		t.Errorf("got  %s\nwant %s…", got, want)
	}
	delete(b.ByAgentID, "S1")
	b.ByAgentID["S1"] = &placement.Backoff{Until: noon.Add(time.Hour), Group: "other"}
	in := placement.Input{Demands: demands(1), Now: noon, Backoffs: b, Offers: parseAll(t, makeOffer(2).has(8, 8192, 10240))}
	got := placement.Plan(in).Refusals[0].Explanation.String()
	if want := "0 of 1 agents fit: 1 is left alone until 13:00:00 UTC (agent-2, after 4 failures in a row, the last: TASK_FAILED: no hugetlb)"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestHeadroomLeavesAgentsAloneThatBackOff(t *testing.T) {
	t.Parallel()
	offers := parseAll(t, makeOffer(1).has(8, 8192, 10240), makeOffer(2).has(4, 8192, 10240))
	c := placement.Capacity{SurveyedAt: noon, Totals: offers, Free: placement.Input{Offers: offers, Now: noon, Backoffs: backoffs(noon.Add(time.Minute), "")}}
	if got := c.Headroom(makeDemand(1)); got.Count != 1 {
		t.Errorf("there is room for %d, want 1: %s", got.Count, got.Reason)
	}
	if got := c.HeadroomWhenEmpty(makeDemand(1)); got.Count != 3 {
		t.Errorf("when empty there is room for %d, want 3: %s", got.Count, got.Reason)
	}
}
