package autoscaler

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/autoscaler/admission"
	"github.com/k8sm/k8sm/controllers/autoscaler/backoff"
	"github.com/k8sm/k8sm/controllers/autoscaler/decision"
)

// state is all that survives a cycle. A new process begins without it and loses little: what
// must outlive the process is in the status of pools and nodes, and is read from there.
//
//	field       written by    after a restart
//	cluster     snapshot      is filled anew
//	batch       events        pods that wait are found without it
//	failures    snapshot,     from the status of the pools
//	            apply
//	owners      snapshot,     attempts that failed are repeated once
//	            apply
//	nodeStates  snapshot,     from the condition Disruptable of the nodes
//	            apply
//	histories   apply         is learned anew
//	templates   decide        are read again
//	events      report        events are repeated once
//
// Only the batch is used by more than one goroutine.
type state struct {
	// cluster is the simulated cluster, with what the scheduler's plugins answered.
	cluster *clusterCache
	// batch is the pods that have become unschedulable since the last cycle.
	batch batch
	// failures has, by the name of the pool, what is known of nodes that did not become ready.
	failures map[string]backoff.Failure
	// owners has the nodes that were created for pods, to find out whether they helped.
	owners backoff.Owners
	// nodeStates has since when nodes are idle; nil before the first cycle.
	nodeStates decision.NodeStates
	// histories has, by the name of the pool, whether removed nodes were needed again.
	histories map[string]decision.RemovalHistory
	// templates has the pod templates of owners whose pods were about to be moved.
	templates admission.Templates
	// mayBeCordoned: Nodes may have the taint of the autoscaler though no pool is autoscaled any
	// more.
	mayBeCordoned bool
	// events has the last events on pods, which are not repeated.
	events eventDeduper
}

func newState() (*state, error) {
	cluster, err := newClusterCache()
	if err != nil {
		return nil, err
	}
	return &state{cluster: cluster, failures: map[string]backoff.Failure{}, owners: backoff.Owners{}, templates: admission.Templates{}, mayBeCordoned: true, events: eventDeduper{}}, nil
}

// failureOf returns the failure of a pool. A pool that this process has not seen before has
// the failure that is in its status.
func (s *state) failureOf(p *v1alpha1.MesosNodePool) backoff.Failure {
	if f, known := s.failures[p.Name]; known {
		return f
	}
	return backoff.StoredFailure(p.Status.Autoscaling)
}

// recallNodeStates reads from the conditions of the nodes what the last process knew: since
// when they are not needed.
func recallNodeStates(pools []*pool) decision.NodeStates {
	out := decision.NodeStates{}
	for _, p := range pools {
		for _, n := range p.alive {
			if c := meta.FindStatusCondition(n.Status.Conditions, v1alpha1.ConditionDisruptable); c != nil && c.Status == metav1.ConditionTrue {
				out[n.Name] = decision.NodeState{IdleSince: c.LastTransitionTime.Time}
			}
		}
	}
	return out
}

// batch gathers pods: they become unschedulable one by one, and which nodes are best for all
// of them is known only when all are there. It is safe for concurrent use.
type batch struct {
	mu          sync.Mutex
	first, last time.Time // when pods came; zero if none did
}

// add notes that a pod became unschedulable.
func (b *batch) add(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.first.IsZero() {
		b.first = now
	}
	b.last = now
}

// closeWhenDue returns the time for which further pods are to be awaited. If that is over it
// returns 0, and the next pod begins another batch. A batch is over when no pod came for the
// idle time, or when it has been open for the longest time.
func (b *batch) closeWhenDue(now time.Time, idle, longest time.Duration) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	due := b.last.Add(idle)
	if latest := b.first.Add(longest); latest.Before(due) {
		due = latest
	}
	if !b.first.IsZero() && due.After(now) {
		return due.Sub(now)
	}
	b.first, b.last = time.Time{}, time.Time{}
	return 0
}

// batchLimits returns the shortest limits that any of the pools has.
func batchLimits(pools []*pool) (idle, longest time.Duration) {
	for i, p := range pools {
		limits := p.Spec.Autoscaling.Batch
		if i == 0 || duration(limits.Idle) < idle {
			idle = duration(limits.Idle)
		}
		if i == 0 || duration(limits.Max) < longest {
			longest = duration(limits.Max)
		}
	}
	return idle, longest
}

// eventDeduper has the last reason that each pod was given. The same is not recorded twice.
type eventDeduper map[types.UID]string

// isNew reports whether this reason differs from the last one that the pod was given.
func (d eventDeduper) isNew(pod types.UID, reason string) bool { return d[pod] != reason }
