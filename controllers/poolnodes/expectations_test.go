package poolnodes

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

func shown(name string, deleted bool) v1alpha1.MesosNode {
	n := v1alpha1.MesosNode{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid-" + name)}}
	if deleted {
		n.DeletionTimestamp = &metav1.Time{Time: noon}
	}
	return n
}

func tracked() *expectations {
	e := newExpectations()
	e.track(newPool(), nil, noon)
	return e
}

func TestExpectationsAreFulfilledByTheCache(t *testing.T) {
	for name, test := range map[string]struct {
		expect func(*expectations)
		cache  []v1alpha1.MesosNode
		after  time.Duration
		want   counts
	}{
		"a creation that the cache does not show": {
			expect: func(e *expectations) { e.create("general", "a", noon) }, want: counts{pending: 1, unseen: 1}},
		"a creation that the cache shows": {
			expect: func(e *expectations) { e.create("general", "a", noon) }, cache: []v1alpha1.MesosNode{shown("a", false)}, want: counts{alive: 1}},
		"a creation is expected without a time limit": {
			expect: func(e *expectations) { e.create("general", "a", noon) }, after: time.Hour, want: counts{pending: 1, unseen: 1}},
		"a deletion that the cache does not show": {
			expect: func(e *expectations) { e.remove("general", "a", "uid-a", noon) }, cache: []v1alpha1.MesosNode{shown("a", false)},
			want: counts{leaving: 1, pendingDeletion: 1, unseen: 1}},
		"a deletion that the cache shows": {
			expect: func(e *expectations) { e.remove("general", "a", "uid-a", noon) }, cache: []v1alpha1.MesosNode{shown("a", true)}, want: counts{leaving: 1}},
		"a deletion of a node that the cache never showed": {
			expect: func(e *expectations) { e.remove("general", "a", "uid-a", noon) }, after: VerifyAfter, want: counts{unseen: 1}},
		"a deletion of a node that the cache never showed expires": {
			expect: func(e *expectations) { e.remove("general", "a", "uid-a", noon) }, after: VerifyAfter + 1},
		"a node with the name of a deleted one is another node": {
			expect: func(e *expectations) { e.remove("general", "a", "uid-before", noon) }, cache: []v1alpha1.MesosNode{shown("a", false)}, want: counts{alive: 1, unseen: 1}},
		"an expectation that was dropped": {
			expect: func(e *expectations) { e.create("general", "a", noon); e.drop("general", expectation{name: "a"}) }},
		"a pool that is not tracked": {
			expect: func(e *expectations) { e.create("other", "a", noon) }},
	} {
		t.Run(name, func(t *testing.T) {
			e := tracked()
			test.expect(e)
			i := e.observe("general", test.cache, noon.Add(test.after))
			if got := (counts{len(i.Alive), len(i.Leaving), i.Pending, i.PendingDeletion, i.Unseen}); got != test.want {
				t.Errorf("the pool has %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestOverdueExpectationsAreListedByName(t *testing.T) {
	e := tracked()
	e.create("general", "c", noon)
	e.create("general", "b", noon.Add(time.Second))
	e.remove("general", "a", "uid-a", noon)
	if late := e.overdue("general", noon.Add(VerifyAfter)); len(late) > 0 {
		t.Errorf("overdue too early: %v", late)
	}
	var names []string
	for _, what := range e.overdue("general", noon.Add(VerifyAfter+1)) {
		names = append(names, what.name)
	}
	if diff := cmp.Diff([]string{"a", "c"}, names); diff != "" {
		t.Errorf("overdue (-want +got):\n%s", diff)
	}
}

func TestRecreatedPoolHasNoExpectations(t *testing.T) {
	e := tracked()
	if !e.isTracked(newPool()) {
		t.Error("a pool that is tracked is not known")
	}
	e.create("general", "a", noon)
	other := newPool()
	other.UID = "another"
	if e.isTracked(other) {
		t.Error("another pool of the name is known")
	}
	e.track(other, nil, noon)
	if i := e.observe("general", nil, noon); i.Pending != 0 {
		t.Errorf("%d nodes of the pool before are expected", i.Pending)
	}
}
