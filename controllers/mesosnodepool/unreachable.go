package mesosnodepool

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

// frameworkSettleTime is the time that a framework must be Ready before a node is judged: after
// a time without a master the records are old, and what Mesos reports now takes a moment to be
// written.
const frameworkSettleTime = time.Minute

// lostNodes returns the nodes whose agent was cut off for longer than the pool waits, and the
// time until the next one is due, 0 for never. Their Node objects stay until Mesos confirms that
// their tasks ended; should they come back, they are drained and killed as any node that is
// deleted.
func (o observation) lostNodes() (lostNodes []*v1alpha1.MesosNode, next time.Duration) {
	limit := o.pool.Spec.Unreachable.ReplaceAfter
	if limit == nil || limit.Duration <= 0 || o.pool.Spec.Paused || o.isDeleting() || o.isCreationBlocked() {
		return nil, 0
	}
	for _, n := range o.nodes.Alive {
		since, cutOff := unreachableSince(n)
		if !cutOff {
			continue
		}
		judged, known := o.judgedFrom()
		if !known {
			return nil, 0 // an event comes when the framework becomes ready
		}
		due := since.Add(limit.Duration)
		if due.Before(judged) {
			due = judged
		}
		switch wait := due.Sub(o.now.Time); {
		case wait <= 0:
			lostNodes = append(lostNodes, n)
		case next == 0 || wait < next:
			next = wait
		}
	}
	return lostNodes, next
}

// judgedFrom is the time from which on nodes may be judged, and false while Mesos cannot be
// asked.
func (o observation) judgedFrom() (at time.Time, known bool) {
	ready := meta.FindStatusCondition(o.framework.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || ready.Status != metav1.ConditionTrue {
		return time.Time{}, false
	}
	return ready.LastTransitionTime.Add(frameworkSettleTime), true
}

// unreachableSince is the time since when Mesos has not been able to report the state of a
// node's task, and false when it can.
func unreachableSince(n *v1alpha1.MesosNode) (since time.Time, cutOff bool) {
	c := nodemodel.Condition(n, v1alpha1.ConditionLaunched)
	if n.Status.Task == nil || c.Status != metav1.ConditionUnknown || c.Reason != v1alpha1.ReasonTaskUnreachable {
		return time.Time{}, false
	}
	if intended := n.Status.Task.IntentTime.Time; intended.After(c.LastTransitionTime.Time) {
		return intended, true
	}
	return c.LastTransitionTime.Time, true
}
