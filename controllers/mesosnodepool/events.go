package mesosnodepool

import (
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// The functions in this file record events on the pool. poolnodes.Store records the creation and
// removal of its nodes.

// recordTemplateInvalidEvent records what has become wrong with the template since the status
// before.
func (r *Reconciler) recordTemplateInvalidEvent(pool, before *v1alpha1.MesosNodePool) {
	is := meta.FindStatusCondition(pool.Status.Conditions, v1alpha1.ConditionTemplateValid)
	was := meta.FindStatusCondition(before.Status.Conditions, v1alpha1.ConditionTemplateValid)
	if is.Status == metav1.ConditionTrue || was != nil && was.Message == is.Message {
		return
	}
	r.Recorder.Eventf(pool, nil, corev1.EventTypeWarning, v1alpha1.EventTemplateInvalid, "Validate", "%s", truncate(is.Message))
}

// reportedCosts are the deletion costs that were reported as invalid, by pool and node: an event is
// recorded once for each value. After a restart it is recorded again. The zero value is empty.
type reportedCosts struct {
	mu     sync.Mutex
	byPool map[string]map[types.UID]string
}

// replace remembers the invalid costs of a pool's nodes, and returns what was remembered before.
func (r *reportedCosts) replace(pool string, invalid map[types.UID]string) (before map[types.UID]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before = r.byPool[pool]
	delete(r.byPool, pool)
	if len(invalid) > 0 {
		if r.byPool == nil {
			r.byPool = map[string]map[types.UID]string{}
		}
		r.byPool[pool] = invalid
	}
	return before
}

// recordDeletionCostEvents records which nodes have a deletion cost that is no integer.
func (r *Reconciler) recordDeletionCostEvents(pool *v1alpha1.MesosNodePool, nodes []*v1alpha1.MesosNode) {
	invalid, problems := map[types.UID]string{}, map[types.UID]error{}
	for _, n := range nodes {
		if _, err := deletionCost(n); err != nil {
			invalid[n.UID], problems[n.UID] = n.Annotations[v1alpha1.AnnotationDeletionCost], err
		}
	}
	before := r.costs.replace(pool.Name, invalid)
	for _, n := range nodes {
		value, is := invalid[n.UID]
		if was, reported := before[n.UID]; is && (!reported || was != value) {
			r.Recorder.Eventf(n, pool, corev1.EventTypeWarning, v1alpha1.EventDeletionCostInvalid, "Validate", "The %s.", problems[n.UID])
		}
	}
}
