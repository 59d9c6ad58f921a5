package mesosnodepool

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// settling is how long a framework is Ready before a node is judged: after a time without
// master the records are old, and what Mesos tells now takes a moment to be written.
const settling = time.Minute

// lost are the nodes whose agent was cut off for longer than the pool waits, and when the
// next is due, 0 for never. Their Node objects stay until Mesos confirms their end;
// should they come back, they are drained and killed like all that go.
func (o observation) lost() (lost []*v1alpha1.MesosNode, next time.Duration) {
	limit := o.pool.Spec.Unreachable.ReplaceAfter
	if limit == nil || limit.Duration <= 0 || o.pool.Spec.Paused || o.deleting() || o.barred() {
		return nil, 0
	}
	for _, n := range o.nodes.Alive {
		since, cutOff := unreachableSince(n)
		if !cutOff {
			continue
		}
		judged, known := o.judgedFrom()
		if !known {
			return nil, 0 // the framework's being ready brings us back
		}
		due := since.Add(limit.Duration)
		if due.Before(judged) {
			due = judged
		}
		switch wait := due.Sub(o.now.Time); {
		case wait <= 0:
			lost = append(lost, n)
		case next == 0 || wait < next:
			next = wait
		}
	}
	return lost, next
}

// judgedFrom is from when on nodes may be judged: never while Mesos cannot be asked.
func (o observation) judgedFrom() (at time.Time, known bool) {
	ready := meta.FindStatusCondition(o.framework.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || ready.Status != metav1.ConditionTrue {
		return time.Time{}, false
	}
	return ready.LastTransitionTime.Add(settling), true
}

// unreachableSince is since when Mesos has not been able to say what became of a node's
// task, and false when it can.
func unreachableSince(n *v1alpha1.MesosNode) (since time.Time, cutOff bool) {
	c := launched(n)
	if n.Status.Task == nil || c.Status != metav1.ConditionUnknown || c.Reason != v1alpha1.ReasonTaskUnreachable {
		return time.Time{}, false
	}
	if intended := n.Status.Task.IntentTime.Time; intended.After(c.LastTransitionTime.Time) {
		return intended, true
	}
	return c.LastTransitionTime.Time, true
}
