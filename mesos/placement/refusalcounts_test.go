package placement

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLackRecordsTheAgentWithMost(t *testing.T) {
	t.Parallel()
	agents := map[string]*Agent{"S1": {ID: "S1"}, "S2": {ID: "S2"}, "S3": {ID: "S3"}}
	var l lack
	for _, step := range []struct {
		agent string
		free  int64
		want  string
	}{
		{"S2", 0, "S2"}, // any is more than none
		{"S3", 5, "S3"}, // more
		{"S2", 4, "S3"}, // less
		{"S1", 5, "S1"}, // as much, and the lower ID
		{"S2", 5, "S1"}, // as much, and the higher ID
	} {
		l.add(agents[step.agent], step.free, 0)
		if l.agent.ID != step.want {
			t.Errorf("after %d on %s, the most is on %s, want %s", step.free, step.agent, l.agent.ID, step.want)
		}
	}
	if l.count != 5 || l.most != 5 {
		t.Errorf("counted %d agents with at most %d", l.count, l.most)
	}
}

func TestNearestMissIsTheSmallestShare(t *testing.T) {
	t.Parallel()
	slot := func(id string, has amounts) *agentSlot {
		return &agentSlot{first: &Offer{Agent: Agent{ID: id, Hostname: "host-" + id}}, left: resourcePool{free: has}}
	}
	want := amounts{4000, 8_192_000, 0, 2}
	for name, tc := range map[string]struct {
		slots []*agentSlot
		want  *NearestMiss
	}{
		"no agent lacks resources": {slots: []*agentSlot{slot("S1", want)}},
		"the agent that lacks the smaller share is nearer": {
			slots: []*agentSlot{slot("S1", amounts{4000, 2_048_000, 0, 2}), slot("S2", amounts{2000, 8_192_000, 0, 2})},
			want:  &NearestMiss{AgentID: "S2", Hostname: "host-S2", Lacks: Resources{CPUs: 2}, needs: "4 cpus", has: "2 cpus"},
		},
		"missing shares of two resources are added": {
			slots: []*agentSlot{slot("S1", amounts{2000, 4_096_000, 0, 2}), slot("S2", amounts{1000, 8_192_000, 0, 2})},
			want:  &NearestMiss{AgentID: "S2", Hostname: "host-S2", Lacks: Resources{CPUs: 3}, needs: "4 cpus", has: "1 cpus"},
		},
		"every missing resource is shown": {
			slots: []*agentSlot{slot("S1", amounts{3000, 8_000_000, 0, 1})},
			want: &NearestMiss{AgentID: "S1", Hostname: "host-S1", Lacks: Resources{CPUs: 1, MemMiB: 192, Ports: 1},
				needs: "4 cpus, 8192 MiB mem, 2 ports", has: "3 cpus, 8000 MiB mem, 1 ports"},
		},
		"of two equally near agents the lower ID is named": {
			slots: []*agentSlot{slot("S2", amounts{2000, 8_192_000, 0, 2}), slot("S1", amounts{2000, 8_192_000, 0, 2})},
			want:  &NearestMiss{AgentID: "S1", Hostname: "host-S1", Lacks: Resources{CPUs: 2}, needs: "4 cpus", has: "2 cpus"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			counts := refusalCounts{class: &class{want: want}}
			for _, s := range tc.slots {
				counts.addLack(s)
			}
			var got *NearestMiss
			if counts.nearest.slot != nil {
				got = counts.nearest.describe(&want)
			}
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(NearestMiss{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestExplanationAsText(t *testing.T) {
	t.Parallel()
	nearest := &NearestMiss{Hostname: "agent-7", Lacks: Resources{CPUs: 1.5, Ports: 2}, needs: "8 cpus", has: "6.5 cpus"}
	zoned := &Demand{Constraints: []Constraint{{Zone, In, []string{"b"}}}}
	for name, tc := range map[string]struct {
		explanation Explanation
		demand      *Demand
		line, miss  string
	}{
		"an invalid demand": {
			explanation: Explanation{Invalid: "it asks for no resources", Agents: 3}, demand: &Demand{},
			line: "cannot be placed: it asks for no resources", miss: "cannot be placed: it asks for no resources",
		},
		"no offers": {
			explanation: Explanation{Role: "k8sm"}, demand: &Demand{},
			line: "no agent offers anything in role k8sm", miss: "no agent offers anything in role k8sm",
		},
		"no agent meets the constraints": {
			explanation: Explanation{Agents: 2, Reasons: []Reason{{2, "have not @zone in [b]"}}}, demand: zoned,
			line: "0 of 2 agents fit: 2 have not @zone in [b]", miss: "0 of 2 agents fit: 2 have not @zone in [b]",
		},
		"an agent lacks only resources": {
			explanation: Explanation{Agents: 2, Reasons: []Reason{{1, "lacks cpus"}, {1, "is left out after failures"}}, Nearest: nearest}, demand: &Demand{},
			line: "0 of 2 agents fit: 1 lacks cpus, 1 is left out after failures; nearest is agent-7, which lacks 1.5 cpus, 2 ports",
			miss: "needs 8 cpus on one agent; agent-7 comes nearest, with 6.5 cpus free",
		},
		"an agent that meets the constraints lacks only resources": {
			explanation: Explanation{Agents: 1, Reasons: []Reason{{1, "lacks cpus"}}, Nearest: nearest}, demand: zoned,
			line: "0 of 1 agents fit: 1 lacks cpus; nearest is agent-7, which lacks 1.5 cpus, 2 ports",
			miss: "needs 8 cpus on one agent with @zone In [b]; agent-7 comes nearest, with 6.5 cpus free",
		},
	} {
		if got := tc.explanation.String(); got != tc.line {
			t.Errorf("%s: got %q", name, got)
		}
		if got := tc.explanation.nearestMissText(tc.demand, "free"); got != tc.miss {
			t.Errorf("%s: the nearest miss is %q", name, got)
		}
	}
}
