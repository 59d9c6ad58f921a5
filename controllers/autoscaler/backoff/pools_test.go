package backoff

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// node returns a MesosNode that was created at noon, with the changes applied.
func node(name string, change ...func(*v1alpha1.MesosNode)) *v1alpha1.MesosNode {
	n := &v1alpha1.MesosNode{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(noon)}}
	for _, c := range change {
		c(n)
	}
	return n
}

func condition(kind string, status metav1.ConditionStatus, reason string, at time.Time) func(*v1alpha1.MesosNode) {
	return func(n *v1alpha1.MesosNode) {
		n.Status.Conditions = append(n.Status.Conditions, metav1.Condition{
			Type: kind, Status: status, Reason: reason, Message: "as it is", LastTransitionTime: metav1.NewTime(at),
		})
	}
}

func registered(n *v1alpha1.MesosNode) {
	condition(v1alpha1.ConditionRegistered, metav1.ConditionTrue, v1alpha1.ReasonNodeRegistered, noon)(n)
}

// readyAt makes a node ready.
func readyAt(at time.Time) func(*v1alpha1.MesosNode) {
	return func(n *v1alpha1.MesosNode) {
		registered(n)
		condition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonNodeReady, at)(n)
	}
}

// unreadyAt makes a node that was ready before cease to be so.
func unreadyAt(at time.Time) func(*v1alpha1.MesosNode) {
	return func(n *v1alpha1.MesosNode) {
		registered(n)
		condition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonNodeNotReady, at)(n)
	}
}

func waitingSince(at time.Time) func(*v1alpha1.MesosNode) {
	return condition(v1alpha1.ConditionLaunched, metav1.ConditionFalse, v1alpha1.ReasonWaitingForOffer, at)
}

func TestDelayDoublesWithEachFailure(t *testing.T) {
	want := []time.Duration{1, 2, 4, 8, 16, 30, 30, 30}
	f, now := Failure{}, noon
	for i, minutes := range want {
		f = f.Next([]*v1alpha1.MesosNode{node("n")}, now)
		if f.Count != i+1 || !f.At.Equal(now) || f.Until.Sub(now) != minutes*time.Minute {
			t.Errorf("failure %d: count %d, at %s, delay %s; want %s", i+1, f.Count, f.At, f.Until.Sub(now), minutes*time.Minute)
		}
		now = f.Until
	}
	f.Count = 1 << 40
	if f = f.Next([]*v1alpha1.MesosNode{node("n")}, now); f.Until.Sub(now) != longestDelay {
		t.Errorf("after very many failures the delay is %s", f.Until.Sub(now))
	}
}

func TestNextDoesNotModifyThePreviousFailure(t *testing.T) {
	first := Failure{}.Next([]*v1alpha1.MesosNode{node("a")}, noon)
	kept := first
	first.Next([]*v1alpha1.MesosNode{node("b")}, noon.Add(time.Hour))
	if diff := cmp.Diff(kept, first); diff != "" {
		t.Errorf("the first failure changed:\n%s", diff)
	}
}

func TestFailureNamesTheFirstNode(t *testing.T) {
	tests := map[string]struct {
		nodes []*v1alpha1.MesosNode
		want  string
	}{
		"with its condition Ready": {
			[]*v1alpha1.MesosNode{node("a", unreadyAt(noon)), node("b")},
			"2 of its nodes did not become ready; a: NodeNotReady: as it is",
		},
		"without any condition": {
			[]*v1alpha1.MesosNode{node("b")}, "1 of its nodes did not become ready; b: its condition Ready is not set yet",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := (Failure{}).Next(test.nodes, noon).Reason; got != test.want {
				t.Errorf("the reason is %q, want %q", got, test.want)
			}
		})
	}
}

func TestFailureIsReadFromTheStatus(t *testing.T) {
	until := metav1.NewTime(noon.Add(4 * time.Minute))
	tests := map[string]struct {
		status *v1alpha1.AutoscalingStatus
		want   Failure
	}{
		"no status":                {nil, Failure{}},
		"no failure":               {&v1alpha1.AutoscalingStatus{BackOffUntil: &until}, Failure{}},
		"a failure without an end": {&v1alpha1.AutoscalingStatus{Failures: 3}, Failure{}},
		"a negative count":         {&v1alpha1.AutoscalingStatus{Failures: -1, BackOffUntil: &until}, Failure{}},
		"a failure with its reason": {
			&v1alpha1.AutoscalingStatus{Failures: 3, BackOffUntil: &until, Shortage: "backs off: 2 of its nodes did not become ready"},
			Failure{Count: 3, At: noon, Until: until.Time, Reason: "2 of its nodes did not become ready"},
		},
		"a failure whose reason was replaced by a shortage": {
			&v1alpha1.AutoscalingStatus{Failures: 3, BackOffUntil: &until, Shortage: "needs 4 cpus"},
			Failure{Count: 3, At: noon, Until: until.Time, Reason: "nodes of it did not become ready"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, StoredFailure(test.status)); diff != "" {
				t.Errorf("failure (-want +got):\n%s", diff)
			}
		})
	}
}

// What Allowance gives as the reason is what the pool's status shows, and what the next
// process reads there.
func TestReasonSurvivesTheRoundTripThroughTheStatus(t *testing.T) {
	f := Failure{}.Next([]*v1alpha1.MesosNode{node("a")}, noon).Next([]*v1alpha1.MesosNode{node("b")}, noon)
	_, reason, until := f.Allowance(0, noon)
	stored := metav1.NewTime(until)
	got := StoredFailure(&v1alpha1.AutoscalingStatus{Failures: int32(f.Count), BackOffUntil: &stored, Shortage: reason})
	if diff := cmp.Diff(f, got); diff != "" {
		t.Errorf("failure (-want +got):\n%s", diff)
	}
}

func TestPoolRecoversWhenANodeBecomesReady(t *testing.T) {
	f := Failure{Count: 2, At: noon, Until: noon.Add(2 * time.Minute), Reason: "x"}
	later := noon.Add(time.Second)
	tests := map[string]struct {
		nodes     []*v1alpha1.MesosNode
		recovered bool
	}{
		"no node":                            {nil, false},
		"a node that was ready before":       {[]*v1alpha1.MesosNode{node("a", readyAt(noon.Add(-time.Hour)))}, false},
		"a node that was ready at that time": {[]*v1alpha1.MesosNode{node("a", readyAt(noon))}, false},
		"a node that is starting":            {[]*v1alpha1.MesosNode{node("a")}, false},
		"a node that is not ready any more":  {[]*v1alpha1.MesosNode{node("a", unreadyAt(later))}, false},
		"a node that became ready since":     {[]*v1alpha1.MesosNode{node("a"), node("b", readyAt(later))}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := f.AfterRecovery(test.nodes); got.IsZero() != test.recovered {
				t.Errorf("the failure is %+v", got)
			}
		})
	}
}

func TestPoolMayGrowByOneNodeAfterAFailure(t *testing.T) {
	f := Failure{Count: 1, At: noon, Until: noon.Add(time.Minute), Reason: "x"}
	type allowance struct {
		Nodes  int
		Reason string
		Until  time.Time
	}
	tests := map[string]struct {
		failure  Failure
		notReady int
		now      time.Time
		want     allowance
	}{
		"no failure":                                      {Failure{}, 7, noon, allowance{Nodes: Unlimited}},
		"during the back-off":                             {f, 0, f.Until.Add(-time.Nanosecond), allowance{0, "backs off: x", f.Until}},
		"when the back-off ends":                          {f, 0, f.Until, allowance{Nodes: 1}},
		"while the one node is starting":                  {f, 1, f.Until, allowance{Nodes: 0}},
		"while more than one is starting":                 {f, 3, f.Until, allowance{Nodes: 0}},
		"long after the back-off, if no node was created": {f, 0, f.Until.Add(time.Hour), allowance{Nodes: 1}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var got allowance
			got.Nodes, got.Reason, got.Until = test.failure.Allowance(test.notReady, test.now)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("allowance (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAbandonedNodes(t *testing.T) {
	deadline := noon.Add(StartTimeout)
	starting, waiting := node("starting"), node("waiting", waitingSince(noon))
	tests := map[string]struct {
		nodes     []*v1alpha1.MesosNode
		min       int
		now       time.Time
		abandoned []string
		next      time.Time
	}{
		"no node": {},
		"a ready node is never abandoned": {
			nodes: []*v1alpha1.MesosNode{node("a", readyAt(noon))}, now: noon.Add(time.Hour),
		},
		"a node that was ready once is never abandoned": {
			nodes: []*v1alpha1.MesosNode{node("a", unreadyAt(noon.Add(time.Minute)))}, now: noon.Add(time.Hour),
		},
		"a node that is starting has a deadline": {
			nodes: []*v1alpha1.MesosNode{starting}, now: deadline.Add(-time.Nanosecond), next: deadline,
		},
		"a node that is starting is abandoned at its deadline": {
			nodes: []*v1alpha1.MesosNode{starting}, now: deadline, abandoned: []string{"starting"},
		},
		"a node of the minimum is abandoned at its deadline": {
			nodes: []*v1alpha1.MesosNode{starting}, min: 1, now: deadline, abandoned: []string{"starting"},
		},
		"a node without an offer is abandoned at the earlier offer deadline": {
			nodes: []*v1alpha1.MesosNode{waiting, starting}, now: noon.Add(OfferTimeout), abandoned: []string{"waiting"}, next: deadline,
		},
		"a node without an offer is kept until the offer deadline": {
			nodes: []*v1alpha1.MesosNode{waiting}, now: noon.Add(OfferTimeout - time.Nanosecond), next: noon.Add(OfferTimeout),
		},
		"a node of the minimum without an offer has the later deadline": {
			nodes: []*v1alpha1.MesosNode{waiting, node("too", waitingSince(noon))}, min: 1, now: noon.Add(OfferTimeout),
			abandoned: []string{"waiting"}, next: deadline,
		},
		"the earliest of several deadlines is returned": {
			nodes: []*v1alpha1.MesosNode{starting, waiting}, now: noon, next: noon.Add(OfferTimeout),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			abandoned, next := Abandoned(test.nodes, test.min, test.now)
			var names []string
			for _, n := range abandoned {
				names = append(names, n.Name)
			}
			if diff := cmp.Diff(test.abandoned, names); diff != "" {
				t.Errorf("abandoned (-want +got):\n%s", diff)
			}
			if !next.Equal(test.next) {
				t.Errorf("the next deadline is %s, want %s", next, test.next)
			}
		})
	}
}

func TestAutoscalingPausesWhileManyNodesAreUnready(t *testing.T) {
	tests := []struct {
		unready, ready, starting int
		want                     string
	}{
		{0, 0, 0, ""},
		{3, 0, 0, ""}, // few nodes fail for reasons of their own
		{4, 0, 0, "4 of 4 nodes have ceased to be ready"},
		{4, 4, 0, "4 of 8 nodes have ceased to be ready"},
		{4, 5, 0, ""}, // 44 %
		{5, 6, 0, "5 of 11 nodes have ceased to be ready"},
		{4, 4, 10, "4 of 8 nodes have ceased to be ready"}, // nodes that are starting do not count
		{45, 55, 0, ""},
		{46, 54, 0, "46 of 100 nodes have ceased to be ready"},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%d not ready, %d ready, %d starting", test.unready, test.ready, test.starting), func(t *testing.T) {
			var nodes []*v1alpha1.MesosNode
			for range test.unready {
				nodes = append(nodes, node("n", unreadyAt(noon.Add(time.Minute))))
			}
			for range test.ready {
				nodes = append(nodes, node("n", readyAt(noon)))
			}
			for range test.starting {
				nodes = append(nodes, node("n"))
			}
			if got := MassFailure(nodes); got != test.want {
				t.Errorf("the reason is %q, want %q", got, test.want)
			}
		})
	}
}

func TestBackOffReasonIsRecognized(t *testing.T) {
	_, reason, _ := Failure{Count: 1, Until: noon.Add(time.Minute), Reason: "x"}.Allowance(0, noon)
	if !strings.HasPrefix(reason, shortagePrefix) {
		t.Errorf("the reason is %q", reason)
	}
}

// A pool whose nodes all fail must not grow without end: few of them are lost at a time.
func TestLostNodes(t *testing.T) {
	long, short := noon.Add(-LostAfter), noon.Add(-LostAfter+time.Second)
	many := func(broken, all int) (nodes []*v1alpha1.MesosNode) {
		for i := range all {
			how := readyAt(noon.Add(-time.Hour))
			if i < broken {
				how = unreadyAt(long)
			}
			nodes = append(nodes, node(fmt.Sprint(i), how))
		}
		return nodes
	}
	tests := map[string]struct {
		nodes []*v1alpha1.MesosNode
		want  int
		next  time.Time
	}{
		"a ready node":                       {[]*v1alpha1.MesosNode{node("a", readyAt(long))}, 0, time.Time{}},
		"a node that was never ready":        {[]*v1alpha1.MesosNode{node("a", registered)}, 0, time.Time{}},
		"a node that has ceased to be ready": {[]*v1alpha1.MesosNode{node("a", unreadyAt(long))}, 1, time.Time{}},
		"one that ceased a moment ago":       {[]*v1alpha1.MesosNode{node("a", unreadyAt(short))}, 0, noon.Add(time.Second)},
		"one of two that have ceased":        {[]*v1alpha1.MesosNode{node("a", unreadyAt(long)), node("b", unreadyAt(long))}, 1, time.Time{}},
		"a tenth of a pool at most":          {many(5, 30), 3, time.Time{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for _, n := range test.nodes {
				for i := range n.Status.Conditions {
					if n.Status.Conditions[i].Type == v1alpha1.ConditionRegistered {
						n.Status.Conditions[i].LastTransitionTime = metav1.NewTime(noon.Add(-2 * time.Hour))
					}
				}
			}
			lost, next := Lost(test.nodes, noon)
			if len(lost) != test.want || !next.Equal(test.next) {
				t.Errorf("%d are lost, the next at %s; want %d, %s", len(lost), next, test.want, test.next)
			}
		})
	}
}
