package mesosnodepool

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// ready is a ready MesosNode of a zone that is some minutes old, with annotations as key=value.
func ready(name, zone string, minutes int, annotations ...string) *v1alpha1.MesosNode {
	n := aged(name, minutes, isRegistered, isReady)
	n.Status.Task.Zone = zone
	n.Labels = map[string]string{v1alpha1.LabelRevision: "2"}
	for _, a := range annotations {
		key, value, _ := strings.Cut(a, "=")
		metav1.SetMetaDataAnnotation(&n.ObjectMeta, key, value)
	}
	return n
}

const (
	marked    = v1alpha1.AnnotationDelete + "=true"
	cheap     = v1alpha1.AnnotationDeletionCost + "=-10"
	dear      = v1alpha1.AnnotationDeletionCost + "=10"
	protected = v1alpha1.AnnotationDoNotDisrupt + "=true"
)

func TestScaleInOrder(t *testing.T) {
	ended := ready("ended", "a", 90)
	ended.Status.Task.State = "TASK_FAILED"
	outdated := func(n *v1alpha1.MesosNode) *v1alpha1.MesosNode {
		n.Labels[v1alpha1.LabelRevision] = "1"
		return n
	}
	adopted := ready("adopted", "a", 60)
	delete(adopted.Labels, v1alpha1.LabelRevision)
	silent := aged("silent", 60, isRegistered, isSilent)
	starting := aged("starting", 60, isStarting)
	wanted := aged("wanted", 60)
	// Nodes that are older than two hours have expired.
	old := ready("old", "a", 150)

	for name, test := range map[string]struct {
		order v1alpha1.DeletionOrder
		alive []*v1alpha1.MesosNode
		want  string // the nodes, the first to go first
	}{
		"a node without a task goes before one whose Node has not registered, and that before an unready one": {
			alive: []*v1alpha1.MesosNode{ready("a", "a", 1, marked), silent, starting, wanted}, want: "wanted starting silent a"},
		"a node whose task has ended goes like one without a task":    {alive: []*v1alpha1.MesosNode{starting, ended}, want: "ended starting"},
		"a marked node goes before one of a low cost":                 {alive: []*v1alpha1.MesosNode{ready("a", "a", 1, cheap), ready("b", "a", 2, marked)}, want: "b a"},
		"a mark counts only if it is true":                            {alive: []*v1alpha1.MesosNode{ready("a", "a", 1), ready("b", "a", 2, v1alpha1.AnnotationDelete+"=no")}, want: "a b"},
		"a lower cost goes first":                                     {alive: []*v1alpha1.MesosNode{ready("a", "a", 1, dear), ready("b", "a", 2), ready("c", "a", 3, cheap)}, want: "c b a"},
		"a cost that is no integer counts as 0":                       {alive: []*v1alpha1.MesosNode{ready("a", "a", 1, v1alpha1.AnnotationDeletionCost+"=-1e9"), ready("b", "a", 2, cheap)}, want: "b a"},
		"a lower cost goes before an outdated node":                   {alive: []*v1alpha1.MesosNode{outdated(ready("a", "a", 1)), ready("b", "a", 2, cheap)}, want: "b a"},
		"an outdated node goes before an expired one":                 {alive: []*v1alpha1.MesosNode{old, outdated(ready("a", "a", 1))}, want: "a old"},
		"a node without a revision is not outdated":                   {alive: []*v1alpha1.MesosNode{adopted, ready("a", "a", 1)}, want: "a adopted"},
		"an expired node goes before others":                          {alive: []*v1alpha1.MesosNode{ready("a", "b", 1), ready("b", "b", 2), old}, want: "old a b"},
		"a node comes from the zone that has the most":                {alive: []*v1alpha1.MesosNode{ready("a1", "a", 1), ready("b1", "b", 20), ready("b2", "b", 30), ready("b3", "b", 40)}, want: "b1 b2 a1 b3"},
		"nodes that do not go count for their zone":                   {alive: []*v1alpha1.MesosNode{ready("a1", "a", 1), ready("b1", "b", 20), ready("b2", "b", 30, dear), ready("b3", "b", 40, dear)}, want: "b1 a1 b2 b3"},
		"of equals the newest goes first":                             {alive: []*v1alpha1.MesosNode{ready("a", "", 2), ready("b", "", 1), ready("c", "", 3)}, want: "b a c"},
		"the oldest goes first if the pool asks for it":               {order: v1alpha1.DeletionOldest, alive: []*v1alpha1.MesosNode{ready("a", "", 2), ready("b", "", 1), ready("c", "", 3)}, want: "c a b"},
		"the oldest of the largest zone goes first":                   {order: v1alpha1.DeletionOldest, alive: []*v1alpha1.MesosNode{ready("a", "a", 90), ready("b", "b", 2), ready("c", "b", 3)}, want: "c a b"},
		"the last by name of equally old nodes goes first":            {alive: []*v1alpha1.MesosNode{ready("x", "", 1), ready("y", "", 1)}, want: "y x"},
		"a node that must not be disrupted goes last, even if marked": {alive: []*v1alpha1.MesosNode{ready("a", "a", 1, protected, marked), ready("b", "a", 2, dear)}, want: "b a"},
	} {
		t.Run(name, func(t *testing.T) {
			in := PlanInput{Alive: test.alive, Order: test.order, Revision: "2", HasExpired: func(n *v1alpha1.MesosNode) bool {
				return noon.Sub(n.CreationTimestamp.Time) > 2*time.Hour
			}}
			for n := range len(test.alive) + 1 {
				want := strings.Join(strings.Fields(test.want)[:n], " ")
				if got := names(selectForDeletion(in, n)); got != want {
					t.Errorf("of %d nodes %q go, want %q", n, got, want)
				}
			}
		})
	}
}

func names(nodes []*v1alpha1.MesosNode) string {
	var out []string
	for _, n := range nodes {
		out = append(out, n.Name)
	}
	return strings.Join(out, " ")
}

func TestScaleInSparesNodesThatReplaceOthers(t *testing.T) {
	a, b := ready("a", "a", 60), ready("b", "a", 50)
	next := aged("next", 1) // not launched: alone, it would go first
	metav1.SetMetaDataAnnotation(&next.ObjectMeta, v1alpha1.AnnotationReplaces, "a")
	in := PlanInput{Alive: []*v1alpha1.MesosNode{a, b, next}, Replaced: map[string]*v1alpha1.MesosNode{"a": next}, Revision: "2"}

	for replicas, want := range map[int]string{2: "", 1: "b", 0: "b a"} {
		in.Replicas = replicas
		if got := names(PlanScaling(in).ScaleIn); got != want {
			t.Errorf("with %d replicas %q go, want %q", replicas, got, want)
		}
	}
	if got := names(PlanScaling(PlanInput{Deleting: true, Alive: in.Alive, Replaced: in.Replaced}).Delete); got != "next b a" {
		t.Errorf("when the pool is deleted %q go", got)
	}
	// When its old node is gone, it is a node like others.
	if got := names(PlanScaling(PlanInput{Replicas: 1, Alive: []*v1alpha1.MesosNode{b, next}}).ScaleIn); got != "next" {
		t.Errorf("after its old node is gone %q go", got)
	}
}

func TestScaleInOfALargePoolLeavesZonesEven(t *testing.T) {
	var alive []*v1alpha1.MesosNode
	for i := range 9000 {
		zone := string(rune('a' + i%5)) // 1,800 in each of five zones, and 1,000 more in the first
		alive = append(alive, ready(fmt.Sprintf("n%05d", i), zone, i))
	}
	for i := range 1000 {
		alive = append(alive, ready(fmt.Sprintf("more%05d", i), "a", 20000+i))
	}
	gone := selectForDeletion(PlanInput{Alive: alive, Revision: "2"}, 5000)
	left := countByZone(alive)
	for zone, n := range countByZone(gone) {
		left[zone] -= n
	}
	for zone, n := range left {
		if n != 1000 {
			t.Errorf("zone %s has %d nodes left, want 1000", zone, n)
		}
	}
}

func TestInvalidDeletionCostIsReportedOnce(t *testing.T) {
	s := newFixture(t, 1, newReadyFramework())
	s.reconcile()
	name := s.alive()[0]
	annotate := func(value string) {
		t.Helper()
		n := s.nodes()[0]
		metav1.SetMetaDataAnnotation(&n.ObjectMeta, v1alpha1.AnnotationDeletionCost, value)
		if err := s.live.Update(t.Context(), &n); err != nil {
			t.Fatal(err)
		}
		s.reconcile()
		s.reconcile()
	}
	for _, step := range []struct {
		value string
		want  int // events that are recorded
	}{{"5", 0}, {"cheap", 1}, {"+1", 0}, {"99999999999", 1}, {"-3", 0}, {"cheap", 1}} {
		drainEvents(s)
		annotate(step.value)
		events := drainEvents(s)
		if len(events) != step.want {
			t.Errorf("%q on %s: %d events are recorded, want %d: %q", step.value, name, len(events), step.want, events)
		}
		for _, event := range events {
			if !strings.Contains(event, "Warning DeletionCostInvalid The annotation k8sm.io/deletion-cost is "+fmt.Sprintf("%q", step.value)+", which is not an integer") {
				t.Errorf("the event is %q", event)
			}
		}
	}
}

// drainEvents returns the events about deletion costs that were recorded since the last call.
func drainEvents(s *fixture) (out []string) {
	for {
		select {
		case event := <-s.events.Events:
			if strings.Contains(event, v1alpha1.EventDeletionCostInvalid) {
				out = append(out, event)
			}
		default:
			return out
		}
	}
}
