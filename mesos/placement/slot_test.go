package placement

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func slotOffer(id, agentID string, cpuCount float64) *Offer {
	return &Offer{ID: id, Agent: Agent{ID: agentID, Hostname: agentID, Address: "10.0.0.7"}, Role: "k8sm",
		usable: resourcePool{free: amounts{cpus: int64(cpuCount * 1000)}, pieces: []piece{}}}
}

func newTestSlots(in *Input, offers ...*Offer) []agentSlot {
	SortOffers(offers)
	return newSlots(offers, in, &profileIndex{numbers: map[profile]int32{}})
}

func TestSlotsJoinTheOffersOfAnAgent(t *testing.T) {
	t.Parallel()
	b, a, other := slotOffer("o2", "S1", 2), slotOffer("o1", "S1", 1), slotOffer("o3", "S2", 4)
	slots := newTestSlots(&Input{}, b, other, a)
	if len(slots) != 2 {
		t.Fatalf("%d slots for 2 agents", len(slots))
	}
	if diff := cmp.Diff([]string{"o1", "o2"}, slots[0].collectOfferIDs()); diff != "" {
		t.Errorf("offers (-want +got):\n%s", diff)
	}
	if got := slots[0].left.free[cpus]; got != 3000 {
		t.Errorf("the agent has %d thousandths of a core", got)
	}
	if a.usable.free[cpus] != 1000 || b.usable.free[cpus] != 2000 {
		t.Error("joining changed the offers")
	}
}

func TestExclusion(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	now := MaintenanceWindow{Start: noon.Add(-time.Minute), Duration: time.Hour}
	over := MaintenanceWindow{Start: noon.Add(-2 * time.Hour), Duration: time.Hour}
	for name, tc := range map[string]struct {
		in     Input
		change func(first, second *Offer)
		want   exclusion
		text   string
	}{
		"a usable agent": {want: notExcluded},
		"a loopback address": {
			change: func(o, _ *Offer) { o.Agent.Address = "127.0.1.1" },
			want:   hostLocalAddress, text: "has an address that no other machine can reach (set the agents' --ip)",
		},
		"an unknown address": {change: func(o, _ *Offer) { o.Agent.Address = "" }, want: notExcluded},
		"an invalid address": {change: func(o, _ *Offer) { o.Agent.Address = "localhost" }, want: notExcluded},
		"a window in its first offer": {
			change: func(o, _ *Offer) { o.Maintenance = &now },
			want:   inMaintenance, text: "is down for maintenance, or about to be",
		},
		"a window in its second offer": {
			change: func(_, o *Offer) { o.Maintenance = &now },
			want:   inMaintenance, text: "is down for maintenance, or about to be",
		},
		"a window in the input": {
			in:   Input{Maintenance: map[string]MaintenanceWindow{"S1": now}},
			want: inMaintenance, text: "is down for maintenance, or about to be",
		},
		"a window that is over": {change: func(o, _ *Offer) { o.Maintenance = &over }, want: notExcluded},
		"a draining agent": {
			in:   Input{Draining: map[string]time.Time{"S1": noon.Add(1)}},
			want: draining, text: "refused a task a short time ago, because it was draining",
		},
		"an agent that has drained": {in: Input{Draining: map[string]time.Time{"S1": noon}}, want: notExcluded},
		"another agent drains":      {in: Input{Draining: map[string]time.Time{"S2": noon.Add(time.Hour)}}, want: notExcluded},
		"an unusable address is reported before maintenance": {
			in:     Input{Maintenance: map[string]MaintenanceWindow{"S1": now}},
			change: func(o, _ *Offer) { o.Agent.Address = "::1" },
			want:   hostLocalAddress, text: "has an address that no other machine can reach (set the agents' --ip)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, second := slotOffer("o1", "S1", 1), slotOffer("o2", "S1", 1)
			if tc.change != nil {
				tc.change(first, second)
			}
			tc.in.Now = noon
			slots := newTestSlots(&tc.in, first, second)
			if got := slots[0].exclusion; got != tc.want {
				t.Errorf("the exclusion is %d, want %d", got, tc.want)
			}
			if got := tc.want.text(1); got != tc.text {
				t.Errorf("it is explained as %q, want %q", got, tc.text)
			}
		})
	}
}

// Every exclusion that an agent may have must be explained.
func TestEveryExclusionHasAText(t *testing.T) {
	t.Parallel()
	seen := map[string]exclusion{}
	for e := notExcluded + 1; e < exclusionCount; e++ {
		for _, n := range []int{1, 2} {
			text := e.text(n)
			if other, twice := seen[text]; text == "" || twice {
				t.Errorf("exclusion %d of %d agents is explained as %q, as is %d", e, n, text, other)
			}
			seen[text] = e
		}
	}
}

func TestTaskCountAddsBeforeAndNow(t *testing.T) {
	t.Parallel()
	slots := newTestSlots(&Input{}, slotOffer("o1", "S1", 1))
	for name, tc := range map[string]struct {
		group group
		want  int
	}{
		"nothing":          {group{}, 0},
		"before the cycle": {group{occupied: map[string]int{"S1": 2, "S2": 7}}, 2},
		"in the cycle":     {group{placed: map[string]int{"S1": 1}}, 1},
		"both":             {group{occupied: map[string]int{"S1": 2}, placed: map[string]int{"S1": 1}}, 3},
	} {
		if got := tc.group.taskCount(&slots[0]); got != tc.want {
			t.Errorf("%s: got %d, want %d", name, got, tc.want)
		}
	}
}
