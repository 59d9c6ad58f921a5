package backoff

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

const (
	// StartTimeout is the time that a node may take until it is ready for the first time.
	StartTimeout = 15 * time.Minute
	// OfferTimeout is the part of it for which a node may wait while no offer fits: another
	// pool may have what this one has not.
	OfferTimeout = 30 * time.Second
	// LostAfter is the time after which a node that has ceased to be ready does not count as one
	// of its pool.
	LostAfter = 5 * time.Minute
	// FirstDelay is the time for which a pool does not grow after nodes of it did not become
	// ready. It doubles with each failure, up to longestDelay.
	FirstDelay   = time.Minute
	longestDelay = 30 * time.Minute
	// A framework's pools neither grow nor shrink while more than toleratedUnready of its
	// nodes have ceased to be ready, and these are more than toleratedUnreadyShare of all.
	toleratedUnready      = 3
	toleratedUnreadyShare = 0.45
)

// shortagePrefix begins the reason that a pool backs off. It is in the pool's status, from
// which StoredFailure reads it.
const shortagePrefix = "backs off: "

// Unlimited is the number of nodes that a pool may grow by if nothing limits it.
const Unlimited = -1

// Failure is what is remembered of the nodes of a pool that did not become ready. The zero
// value is no failure. Values are never changed in place.
type Failure struct {
	// Count is the number of failures since a node was last ready in time.
	Count int
	// At is when nodes were last given up, Until when the pool may grow again.
	At, Until time.Time
	// Reason is what happened to the nodes, in words.
	Reason string
}

// StoredFailure returns the failure that the last process wrote into the status of a pool.
func StoredFailure(s *v1alpha1.AutoscalingStatus) Failure {
	if s == nil || s.Failures <= 0 || s.BackOffUntil == nil {
		return Failure{}
	}
	f := Failure{Count: int(s.Failures), Until: s.BackOffUntil.Time, Reason: "nodes of it did not become ready"}
	f.At = f.Until.Add(-f.delay())
	if reason, ok := strings.CutPrefix(s.Shortage, shortagePrefix); ok {
		f.Reason = reason
	}
	return f
}

// IsZero reports whether there is no failure.
func (f Failure) IsZero() bool { return f.Count == 0 }

// Next returns the failure after some nodes were given up. There must be at least one.
func (f Failure) Next(abandoned []*v1alpha1.MesosNode, now time.Time) Failure {
	next := Failure{Count: f.Count + 1, At: now}
	next.Until = now.Add(next.delay())
	next.Reason = fmt.Sprintf("%d of its nodes did not become ready; %s: %s", len(abandoned), abandoned[0].Name, readiness(abandoned[0]))
	return next
}

// AfterRecovery returns no failure if a node has become ready since the last failure, and
// the same failure otherwise.
func (f Failure) AfterRecovery(nodes []*v1alpha1.MesosNode) Failure {
	for _, n := range nodes {
		if nodemodel.IsReady(n) && nodemodel.Condition(n, v1alpha1.ConditionReady).LastTransitionTime.After(f.At) {
			return Failure{}
		}
	}
	return f
}

// Allowance returns the number of nodes that the pool may grow by, Unlimited for any number.
// While the pool backs off this is none, for that reason and until that time. Afterwards one
// node is tried, and no other while that one is not ready.
func (f Failure) Allowance(notReadyYet int, now time.Time) (nodes int, reason string, until time.Time) {
	switch {
	case f.IsZero():
		return Unlimited, "", time.Time{}
	case f.Until.After(now):
		return 0, shortagePrefix + f.Reason, f.Until
	}
	return max(1-notReadyYet, 0), "", time.Time{}
}

// delay is the time for which the pool does not grow after so many failures.
func (f Failure) delay() time.Duration {
	return min(FirstDelay<<min(f.Count-1, 10), longestDelay)
}

// Abandoned returns the nodes of a pool that are given up, and when the next one may have to
// be, zero if no node is starting. Nodes that wait for an offer are given up early only
// where the pool has more than its minimum: the minimum cannot be anywhere else.
func Abandoned(nodes []*v1alpha1.MesosNode, minReplicas int, now time.Time) (abandoned []*v1alpha1.MesosNode, next time.Time) {
	aboveMinimum := len(nodes) - minReplicas
	for _, n := range nodes {
		if nodemodel.WasReady(n) {
			continue
		}
		deadline := n.CreationTimestamp.Add(StartTimeout)
		if since, waits := nodemodel.WaitsWithoutOffer(n); waits && aboveMinimum > len(abandoned) {
			deadline = since.Add(OfferTimeout)
		}
		if !deadline.After(now) {
			abandoned = append(abandoned, n)
		} else if next.IsZero() || deadline.Before(next) {
			next = deadline
		}
	}
	return abandoned, next
}

// Lost returns the nodes of a pool that have ceased to be ready LostAfter ago, and when the next
// one will be, zero if there is none. Others may take their places in the pool until the controller
// repair removes them, which takes longer, and is not done while too many nodes fail at once. So
// that a pool whose nodes all fail does not grow without end, only a tenth of its nodes can be
// lost, and at least one.
func Lost(nodes []*v1alpha1.MesosNode, now time.Time) (lost []*v1alpha1.MesosNode, next time.Time) {
	for _, n := range nodes {
		if nodemodel.IsReady(n) || !nodemodel.WasReady(n) {
			continue
		}
		at := nodemodel.Condition(n, v1alpha1.ConditionReady).LastTransitionTime.Add(LostAfter)
		switch {
		case at.After(now):
			if next.IsZero() || at.Before(next) {
				next = at
			}
		case len(lost) < max(1, len(nodes)/10):
			lost = append(lost, n)
		}
	}
	return lost, next
}

// MassFailure returns why no nodes are created or removed for a framework, given all its
// nodes; empty if they may be. Where many nodes have ceased to be ready at once, the cause
// is likely the network and not the nodes.
func MassFailure(nodes []*v1alpha1.MesosNode) string {
	unready, all := 0, 0
	for _, n := range nodes {
		if !nodemodel.WasReady(n) {
			continue
		}
		all++
		if !nodemodel.IsReady(n) {
			unready++
		}
	}
	if unready > toleratedUnready && float64(unready) > toleratedUnreadyShare*float64(all) {
		return fmt.Sprintf("%d of %d nodes have ceased to be ready", unready, all)
	}
	return ""
}

// readiness quotes the condition Ready of a node.
func readiness(n *v1alpha1.MesosNode) string {
	if c := meta.FindStatusCondition(n.Status.Conditions, v1alpha1.ConditionReady); c != nil {
		return c.Reason + ": " + c.Message
	}
	return "its condition Ready is not set yet"
}
