package capacity_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler/capacity"
	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const maxAge = 2 * time.Minute

func at(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }

// offer makes an offer of an agent in role a.
func offer(t *testing.T, id, agentID string, cpus float64) *placement.Offer {
	t.Helper()
	role := "a"
	o, err := placement.ParseOffer(&mesos.Offer{
		ID: mesos.OfferID{Value: id}, AgentID: mesos.AgentID{Value: agentID}, Hostname: "host-" + agentID,
		AllocationInfo: &mesos.Resource_AllocationInfo{Role: &role},
		Resources: []mesos.Resource{{
			Name: "cpus", Type: mesos.SCALAR.Enum(), Scalar: &mesos.Value_Scalar{Value: cpus},
			AllocationInfo: &mesos.Resource_AllocationInfo{Role: &role},
		}},
	}, "")
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func isGone(string) bool { return false }
func isFree(string) bool { return true }

// freeText writes what agents have free as "S1:8".
func freeText(s *capacity.Observations, now time.Time) []string {
	var out []string
	for _, o := range s.Free(now) {
		out = append(out, fmt.Sprintf("%s:%g", o.Agent.ID, o.Resources().CPUs))
	}
	slices.Sort(out)
	return out
}

func TestObservations(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		do   func(t *testing.T, s *capacity.Observations)
		now  time.Time
		want []string
	}{
		"without offers nothing is free": {do: func(*testing.T, *capacity.Observations) {}, now: at(0)},
		"an offer is remembered after it was declined": {
			do:  func(t *testing.T, s *capacity.Observations) { s.OfferSeen(at(0), offer(t, "O1", "S1", 8), isGone) },
			now: at(60), want: []string{"S1:8"},
		},
		"a later offer replaces an earlier one": {
			do: func(t *testing.T, s *capacity.Observations) {
				s.OfferSeen(at(0), offer(t, "O1", "S1", 8), isGone)
				s.OfferSeen(at(1), offer(t, "O2", "S1", 3), isGone)
			},
			now: at(60), want: []string{"S1:3"},
		},
		"outstanding offers of one agent are added": {
			do: func(t *testing.T, s *capacity.Observations) {
				s.OfferSeen(at(0), offer(t, "O1", "S1", 8), isGone)
				s.OfferSeen(at(1), offer(t, "O2", "S1", 3), isFree)
			},
			now: at(60), want: []string{"S1:11"},
		},
		"placed resources are subtracted": {
			do: func(t *testing.T, s *capacity.Observations) {
				s.OfferSeen(at(0), offer(t, "O1", "S1", 8), isGone)
				s.Placed(at(1), "a", "S1", placement.Resources{CPUs: 5})
				s.Placed(at(1), "a", "unknown", placement.Resources{CPUs: 5})
			},
			now: at(60), want: []string{"S1:3"},
		},
		"free resources are never negative": {
			do: func(t *testing.T, s *capacity.Observations) {
				s.OfferSeen(at(0), offer(t, "O1", "S1", 8), isGone)
				s.Placed(at(1), "a", "S1", placement.Resources{CPUs: 50})
			},
			now: at(60), want: []string{"S1:0"},
		},
		"a lost agent is removed in the given roles": {
			do: func(t *testing.T, s *capacity.Observations) {
				s.OfferSeen(at(0), offer(t, "O1", "S1", 8), isGone)
				s.OfferSeen(at(0), offer(t, "O2", "S2", 8), isGone)
				s.Forget("S1", "b")
				s.Forget("S2", "a", "b")
			},
			now: at(60), want: []string{"S1:8"},
		},
		"observations expire": {
			do: func(t *testing.T, s *capacity.Observations) {
				s.OfferSeen(at(0), offer(t, "O1", "S1", 8), isGone)
				s.OfferSeen(at(1), offer(t, "O2", "S2", 8), isGone)
			},
			now: at(120), want: []string{"S2:8"},
		},
		"a placement extends the life of the remaining resources": {
			do: func(t *testing.T, s *capacity.Observations) {
				s.OfferSeen(at(0), offer(t, "O1", "S1", 8), isGone)
				s.Placed(at(60), "a", "S1", placement.Resources{CPUs: 1})
			},
			now: at(120), want: []string{"S1:7"},
		},
		"a survey replaces older observations and keeps newer ones": {
			do: func(t *testing.T, s *capacity.Observations) {
				s.OfferSeen(at(0), offer(t, "O1", "S1", 8), isGone)
				s.OfferSeen(at(0), offer(t, "O2", "gone", 8), isGone)
				s.OfferSeen(at(20), offer(t, "O3", "S2", 2), isGone)
				s.Survey(at(10), nil, []*placement.Offer{offer(t, "survey", "S1", 5), offer(t, "survey", "S2", 6)})
			},
			now: at(60), want: []string{"S1:5", "S2:2"},
		},
		"an older survey is ignored": {
			do: func(t *testing.T, s *capacity.Observations) {
				s.Survey(at(10), nil, []*placement.Offer{offer(t, "survey", "S1", 5)})
				s.Survey(at(10), nil, []*placement.Offer{offer(t, "survey", "S1", 7)})
				s.Survey(at(5), nil, nil)
			},
			now: at(60), want: []string{"S1:5"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := capacity.NewObservations(maxAge, timers.NewQueue())
			tc.do(t, s)
			if got := freeText(s, tc.now); !slices.Equal(got, tc.want) {
				t.Errorf("free are %v, want %v", got, tc.want)
			}
		})
	}
}

func TestTotalsComeFromTheSurvey(t *testing.T) {
	t.Parallel()
	s := capacity.NewObservations(maxAge, timers.NewQueue())
	if totals, surveyed := s.Totals(at(0)); totals != nil || !surveyed.IsZero() {
		t.Errorf("before a survey the totals are %v, from %s", totals, surveyed)
	}
	s.Survey(at(10), []*placement.Offer{offer(t, "survey", "S1", 16)}, nil)
	if totals, surveyed := s.Totals(at(60)); len(totals) != 1 || !surveyed.Equal(at(10)) {
		t.Errorf("the totals are %v, from %s", totals, surveyed)
	}
	if _, surveyed := s.Totals(at(130)); !surveyed.IsZero() {
		t.Errorf("an old survey is from %s", surveyed)
	}
}

func TestOldObservationsExpire(t *testing.T) {
	t.Parallel()
	clock := timers.NewQueue()
	s := capacity.NewObservations(maxAge, clock)
	s.OfferSeen(at(0), offer(t, "O1", "S1", 8), isGone)
	s.OfferSeen(at(30), offer(t, "O2", "S2", 8), isGone)
	s.Survey(at(40), []*placement.Offer{offer(t, "survey", "S3", 16)}, []*placement.Offer{offer(t, "survey", "S3", 16)})
	if !clock.Has(timers.ExpireObservations, "") || !clock.Next().Equal(at(120)) {
		t.Fatalf("the first expires at %s", clock.Next())
	}
	for _, step := range []struct {
		now  int
		next int // zero for no timer
	}{
		{120, 160}, // what was seen before the survey went with it
		{160, 0},
	} {
		clock.Pop(at(step.now))
		s.Expire(at(step.now))
		if has := clock.Has(timers.ExpireObservations, ""); has != (step.next > 0) || (has && !clock.Next().Equal(at(step.next))) {
			t.Errorf("after %d s the next expire at %s, want %d s", step.now, clock.Next(), step.next)
		}
	}
	if totals, _ := s.Totals(at(160)); totals != nil || len(s.Free(at(50))) > 0 {
		t.Errorf("after all that is remembered: totals %v, free %v", totals, freeText(s, at(50)))
	}
}

func TestTheNumberOfObservationsIsLimited(t *testing.T) {
	t.Parallel()
	s := capacity.NewObservations(maxAge, timers.NewQueue())
	many := make([]*placement.Offer, 100_001)
	for i := range many {
		many[i] = &placement.Offer{Agent: placement.Agent{ID: fmt.Sprint("S", i)}, Role: "a"}
	}
	s.Survey(at(0), nil, many)
	s.OfferSeen(at(1), offer(t, "O1", "another", 8), isGone)
	s.OfferSeen(at(1), offer(t, "O2", "S1", 8), isGone)
	free := s.Free(at(2))
	has := func(agentID string) bool {
		return slices.ContainsFunc(free, func(o *placement.Offer) bool { return o.Agent.ID == agentID && o.Resources().CPUs == 8 })
	}
	if len(free) != 100_000 || has("another") || !has("S1") {
		t.Errorf("%d agents are remembered; a new one: %v; a known one: %v", len(free), has("another"), has("S1"))
	}
}
