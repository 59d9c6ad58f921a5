package demands_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler/demands"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func demand(id, role string) placement.Demand {
	return placement.Demand{ID: id, Group: "general", Role: role, Resources: placement.Resources{CPUs: 1}}
}

// waiting returns a queue in which some tasks wait in role a.
func waiting(ids ...string) *demands.Queue {
	q := demands.NewQueue()
	for _, id := range ids {
		q.Wait(start, q.Add(demand(id, "a")))
	}
	return q
}

func idsOf(q *demands.Queue) []string {
	var out []string
	for d := range q.Waiting() {
		out = append(out, d.ID)
	}
	return out
}

func TestDemandsWaitInTheOrderInWhichTheyWereMade(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*demands.Queue)
		want   []string
	}{
		"new demands wait": {
			change: func(*demands.Queue) {},
			want:   []string{"n1", "n2", "n3"},
		},
		"a demand that is being launched does not wait": {
			change: func(q *demands.Queue) { q.Launch(q.Get("n2")) },
			want:   []string{"n1", "n3"},
		},
		"a retired demand does not wait": {
			change: func(q *demands.Queue) {
				q.Launch(q.Get("n2"))
				q.Get("n2").State = demands.Retiring
			},
			want: []string{"n1", "n3"},
		},
		"a demand that waits again keeps its place": {
			change: func(q *demands.Queue) {
				q.Launch(q.Get("n1"))
				q.Wait(start, q.Get("n1"))
			},
			want: []string{"n1", "n2", "n3"},
		},
		"a demand that can never be launched does not wait": {
			change: func(q *demands.Queue) { q.Get("n2").Problem = "its ID is empty" },
			want:   []string{"n1", "n3"},
		},
		"a withdrawn demand is removed": {
			change: func(q *demands.Queue) { q.Withdraw(q.Get("n1")) },
			want:   []string{"n2", "n3"},
		},
		"a replaced demand moves to the end": {
			change: func(q *demands.Queue) {
				q.Withdraw(q.Get("n1"))
				q.Wait(start, q.Add(demand("n1", "a")))
			},
			want: []string{"n2", "n3", "n1"},
		},
		"the queue is empty after all were withdrawn": {
			change: (*demands.Queue).Clear,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := waiting("n1", "n2", "n3")
			tc.change(q)
			if got := idsOf(q); !slices.Equal(got, tc.want) {
				t.Errorf("%v wait, want %v", got, tc.want)
			}
		})
	}
}

func TestWaitingIsCountedByRole(t *testing.T) {
	t.Parallel()
	q := waiting("n1", "n2")
	q.Wait(start, q.Add(demand("n3", "b")))
	q.Add(demand("invalid", "a")).Problem = "its ID is empty"
	check := func(what string, a, b int) {
		t.Helper()
		if q.WaitingIn("a") != a || q.WaitingIn("b") != b || q.WaitingIn("c") != 0 {
			t.Errorf("%s: %d wait in a, %d in b, %d in c; want %d, %d, 0", what, q.WaitingIn("a"), q.WaitingIn("b"), q.WaitingIn("c"), a, b)
		}
	}
	check("at first", 2, 1)
	q.Launch(q.Get("n1"))
	check("n1 is launched", 1, 1)
	q.Withdraw(q.Get("n1"))
	check("to withdraw what is launched changes nothing", 1, 1)
	q.Withdraw(q.Get("invalid"))
	check("an invalid demand never waited", 1, 1)
	q.Withdraw(q.Get("n2"))
	check("n2 is withdrawn", 0, 1)
	q.Clear()
	check("all are withdrawn", 0, 0)
}

func TestWithdrawnDemandStaysWhileItIsLaunched(t *testing.T) {
	t.Parallel()
	q := waiting("n1", "n2")
	if !q.Withdraw(q.Get("n1")) || q.Get("n1") != nil {
		t.Error("a waiting demand is still there")
	}
	launching := q.Get("n2")
	q.Launch(launching)
	if q.Withdraw(launching) || q.Get("n2") != launching || !launching.Withdrawn {
		t.Error("a demand that is being launched is gone, or is not marked")
	}
	q.Remove(launching)
	if q.Get("n2") != nil {
		t.Error("a removed demand is still there")
	}
}

// A demand that was replaced must not take its successor with it.
func TestRemovingAReplacedDemandKeepsItsSuccessor(t *testing.T) {
	t.Parallel()
	q := waiting("n1")
	old := q.Get("n1")
	q.Withdraw(old)
	successor := q.Add(demand("n1", "a"))
	q.Wait(start, successor)
	q.Remove(old)
	if q.Get("n1") != successor || !slices.Equal(idsOf(q), []string{"n1"}) {
		t.Errorf("the successor is %v; %v wait", q.Get("n1"), idsOf(q))
	}
}

// Many demands come and go: removed ones must not be visited for ever, and
// compaction must not change the order.
func TestRemovedDemandsAreCompacted(t *testing.T) {
	t.Parallel()
	q := demands.NewQueue()
	var want []string
	for i := range 1000 {
		id := fmt.Sprintf("n%03d", i)
		d := q.Add(demand(id, "a"))
		q.Wait(start, d)
		if i%10 == 0 {
			want = append(want, id)
			continue
		}
		q.Launch(d)
		q.Remove(d)
	}
	if got := idsOf(q); !slices.Equal(got, want) {
		t.Errorf("%d demands wait, want %d in their order", len(got), len(want))
	}
	if q.WaitingIn("a") != len(want) {
		t.Errorf("%d are counted, want %d", q.WaitingIn("a"), len(want))
	}
}

func TestIterationOfWaitingDemandsCanStopEarly(t *testing.T) {
	t.Parallel()
	n := 0
	for range waiting("n1", "n2", "n3").Waiting() {
		if n++; n == 2 {
			break
		}
	}
	if n != 2 {
		t.Errorf("%d demands were seen", n)
	}
}

func TestExplanationOfMoreAgentsIsKept(t *testing.T) {
	t.Parallel()
	const maxAge = time.Minute
	many := demands.Explanation{Text: "0 of 9 agents fit", Agents: 9, At: start}
	for name, tc := range map[string]struct {
		next demands.Explanation
		want bool // replaced
	}{
		"an explanation with fewer agents, soon":  {next: demands.Explanation{Text: "0 of 2 agents fit", Agents: 2, At: start.Add(time.Second)}},
		"an explanation with fewer agents, later": {next: demands.Explanation{Text: "0 of 2 agents fit", Agents: 2, At: start.Add(maxAge)}, want: true},
		"an explanation with as many agents":      {next: demands.Explanation{Text: "other", Agents: 9, At: start.Add(time.Second)}, want: true},
		"an explanation with more agents":         {next: demands.Explanation{Text: "other", Agents: 10, At: start.Add(time.Second)}, want: true},
		"the same explanation":                    {next: demands.Explanation{Text: many.Text, Agents: 9, At: start.Add(time.Second)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := demands.NewQueue().Add(demand("n1", "a"))
			if !d.Explain(many, maxAge) {
				t.Fatal("the first explanation is no change")
			}
			if got := d.Explain(tc.next, maxAge); got != tc.want {
				t.Errorf("changed: %v, want %v", got, tc.want)
			}
			if tc.want && d.Explanation() != tc.next {
				t.Errorf("it is explained by %+v", d.Explanation())
			}
		})
	}
}

func TestReconsideredDemandTakesAnyExplanation(t *testing.T) {
	t.Parallel()
	d := demands.NewQueue().Add(demand("n1", "a"))
	d.Explain(demands.Explanation{Text: "0 of 9 agents fit", Agents: 9, At: start}, time.Minute)
	d.Reconsider()
	if d.Explanation().Text == "" {
		t.Error("the explanation is forgotten before there is another")
	}
	if !d.Accepts(1, start.Add(time.Second), time.Minute) {
		t.Error("an explanation about one agent is not accepted")
	}
}

func TestEqual(t *testing.T) {
	t.Parallel()
	base := func() placement.Demand {
		d := demand("n1", "a")
		d.Avoid = []string{"S1"}
		d.Constraints = []placement.Constraint{{Attribute: "rack", Operator: placement.In, Values: []string{"r1"}}}
		return d
	}
	for name, change := range map[string]func(*placement.Demand){
		"ID":          func(d *placement.Demand) { d.ID = "n2" },
		"group":       func(d *placement.Demand) { d.Group = "other" },
		"role":        func(d *placement.Demand) { d.Role = "b" },
		"resources":   func(d *placement.Demand) { d.Resources.MemMiB = 1 },
		"per agent":   func(d *placement.Demand) { d.MaxPerAgent = 1 },
		"avoided":     func(d *placement.Demand) { d.Avoid = nil },
		"constraints": func(d *placement.Demand) { d.Constraints[0].Values = []string{"r2"} },
	} {
		a, b := base(), base()
		if !demands.Equal(&a, &b) {
			t.Fatal("a demand is not equal to its copy")
		}
		change(&b)
		if demands.Equal(&a, &b) {
			t.Errorf("demands are equal although they differ in: %s", name)
		}
	}
}

func TestUsedIDsAreRememberedUpToALimit(t *testing.T) {
	t.Parallel()
	var u demands.UsedIDs
	if u.Has("n0") {
		t.Error("an ID was used before any was")
	}
	for i := range 10001 {
		u.Add(fmt.Sprint("n", i))
		u.Add(fmt.Sprint("n", i)) // a second time counts once
	}
	if u.Has("n0") || !u.Has("n1") || !u.Has("n10000") {
		t.Errorf("remembered are n0: %v, n1: %v, n10000: %v", u.Has("n0"), u.Has("n1"), u.Has("n10000"))
	}
}
