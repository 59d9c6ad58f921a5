package poolnodes

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/disruptionbudget"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

// budgetedPool is a pool one of whose nodes may be disrupted at a time.
func budgetedPool() *v1alpha1.MesosNodePool {
	pool := newPool()
	pool.Spec.Disruption.Budgets = []v1alpha1.DisruptionBudget{{Nodes: intstr.FromInt32(1)}}
	return pool
}

// memberOf returns a node of the pool. It has been ready for an hour, or was ready for half of it.
func memberOf(pool *v1alpha1.MesosNodePool, name string, ready metav1.ConditionStatus) *v1alpha1.MesosNode {
	n := &v1alpha1.MesosNode{ObjectMeta: metav1.ObjectMeta{
		Name: name, UID: types.UID("uid-" + name), Labels: map[string]string{v1alpha1.LabelPool: pool.Name}, Finalizers: []string{v1alpha1.FinalizerRelease},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: v1alpha1.GroupVersion.String(), Kind: "MesosNodePool", Name: pool.Name, UID: pool.UID, Controller: new(true)}},
	}}
	if ready != "" {
		n.Status.Conditions = []metav1.Condition{
			{Type: v1alpha1.ConditionRegistered, Status: metav1.ConditionTrue, LastTransitionTime: metav1.NewTime(noon.Add(-time.Hour))},
			{Type: v1alpha1.ConditionReady, Status: ready, LastTransitionTime: metav1.NewTime(noon.Add(-30 * time.Minute))},
		}
	}
	return n
}

func candidates(reason v1alpha1.DisruptionReason, nodes ...*v1alpha1.MesosNode) (out []Candidate) {
	for _, n := range nodes {
		out = append(out, Candidate{Node: n, Reason: reason})
	}
	return out
}

func TestDisruptRemovesAsManyAsTheBudgetAllows(t *testing.T) {
	pool := budgetedPool()
	a, b := memberOf(pool, "a", metav1.ConditionTrue), memberOf(pool, "b", metav1.ConditionTrue)
	store := newAPIServer(t, a, b).newStore()
	out, err := store.Disrupt(t.Context(), pool, candidates(v1alpha1.DisruptionOutdated, a, b))
	if err != nil || !slices.Equal(out.Removed, []string{"a"}) || !strings.Contains(out.Limit, "allows 1 of 2 nodes at a time, and 1 is leaving") {
		t.Errorf("removed %v (%s), error %v", out.Removed, out.Limit, err)
	}
	out, err = store.Disrupt(t.Context(), pool, candidates(v1alpha1.DisruptionExpired, b))
	if err != nil || len(out.Removed) != 0 || out.Limit == "" {
		t.Errorf("another reason removed %v (%s), error %v", out.Removed, out.Limit, err)
	}
}

// TestSeveralCausesNeverExceedABudgetTogether removes nodes for several reasons at the same time, with a
// cache that shows nothing of it.
func TestSeveralCausesNeverExceedABudgetTogether(t *testing.T) {
	pool := budgetedPool()
	pool.Spec.Disruption.Budgets[0].Nodes = intstr.FromInt32(3)
	var objects []client.Object
	var nodes []*v1alpha1.MesosNode
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		n := memberOf(pool, name, metav1.ConditionTrue)
		objects, nodes = append(objects, n), append(nodes, n)
	}
	api := newAPIServer(t, objects...)
	for _, n := range nodes {
		api.stale = append(api.stale, *n)
	}
	api.lagging = true
	store := api.newStore()
	var (
		mu      sync.Mutex
		removed []string
		wg      sync.WaitGroup
	)
	for i, reason := range []v1alpha1.DisruptionReason{v1alpha1.DisruptionOutdated, v1alpha1.DisruptionEmpty, v1alpha1.DisruptionScaleIn, v1alpha1.DisruptionExpired} {
		wg.Go(func() {
			out, err := store.Disrupt(t.Context(), pool, candidates(reason, nodes[2*i], nodes[2*i+1]))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			removed = append(removed, out.Removed...)
		})
	}
	wg.Wait()
	if len(removed) != 3 {
		t.Errorf("%v were removed, and the budget allows 3", removed)
	}
}

func TestDisruptPassesByNodesThatDisruptNobody(t *testing.T) {
	pool := budgetedPool()
	starting, silent, ready := memberOf(pool, "starting", ""), memberOf(pool, "silent", metav1.ConditionFalse), memberOf(pool, "ready", metav1.ConditionTrue)
	store := newAPIServer(t, starting, silent, ready).newStore()
	out, err := store.Disrupt(t.Context(), pool, candidates(v1alpha1.DisruptionOutdated, starting, silent, ready))
	if err != nil || !slices.Equal(out.Removed, []string{"starting", "silent"}) || out.Limit == "" {
		t.Errorf("removed %v (%s), error %v: the silent node uses the budget", out.Removed, out.Limit, err)
	}
}

func TestDisruptLeavesOutWhatAnotherCallRemoved(t *testing.T) {
	pool := newPool()
	pool.Spec.Disruption.Budgets = []v1alpha1.DisruptionBudget{{Nodes: intstr.FromString("100%")}}
	a := memberOf(pool, "a", metav1.ConditionTrue)
	store := newAPIServer(t, a).newStore()
	for i, want := range [][]string{{"a"}, nil} {
		if out, err := store.Disrupt(t.Context(), pool, candidates(v1alpha1.DisruptionOutdated, a)); err != nil || !slices.Equal(out.Removed, want) {
			t.Errorf("call %d removed %v, want %v, error %v", i+1, out.Removed, want, err)
		}
	}
}

func TestUsage(t *testing.T) {
	pool := newPool()
	got := Inventory{
		Alive:   []*v1alpha1.MesosNode{memberOf(pool, "ready", metav1.ConditionTrue), memberOf(pool, "silent", metav1.ConditionUnknown), memberOf(pool, "starting", "")},
		Leaving: []*v1alpha1.MesosNode{memberOf(pool, "drained", metav1.ConditionFalse), memberOf(pool, "given-up", "")},
	}.Usage()
	if want := (disruptionbudget.Usage{Nodes: 4, Disrupted: 2}); got != want {
		t.Errorf("the usage is %+v, want %+v", got, want)
	}
}

func TestReplaced(t *testing.T) {
	pool := newPool()
	replacing := func(name, old string) *v1alpha1.MesosNode {
		n := memberOf(pool, name, metav1.ConditionTrue)
		n.Annotations = map[string]string{v1alpha1.AnnotationReplaces: old}
		return n
	}
	got := Inventory{
		Alive:   []*v1alpha1.MesosNode{memberOf(pool, "a", metav1.ConditionTrue), replacing("b", "a"), replacing("c", "gone"), replacing("d", "leaving")},
		Leaving: []*v1alpha1.MesosNode{memberOf(pool, "leaving", metav1.ConditionTrue)},
	}.Replaced()
	if len(got) != 1 || got["a"].Name != "b" {
		t.Errorf("replaced are %v", got)
	}
}

func TestCreatedNodesHaveTheirRevision(t *testing.T) {
	api := newAPIServer(t)
	store := api.newStore()
	store.revision = func(*v1alpha1.MesosNodePool) string { return "11111111-22222222" }
	names, err := store.Create(t.Context(), newPool(), make([]nodemodel.Size, 1))
	if err != nil {
		t.Fatal(err)
	}
	n := &v1alpha1.MesosNode{}
	if err := api.Get(t.Context(), client.ObjectKey{Name: names[0]}, n); err != nil {
		t.Fatal(err)
	}
	if n.Labels[v1alpha1.LabelRevision] != "11111111-22222222" {
		t.Errorf("the labels are %v", n.Labels)
	}
}
