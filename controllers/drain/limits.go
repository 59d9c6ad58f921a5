package drain

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// Limits are the times at which a drain ends although it is not done. Zero stands for never.
type Limits struct {
	// End is when the node goes with the pods that are left, and Why in words.
	End time.Time
	Why string
	// PodsEnd is when all pods have ended: they are deleted so early that their grace period
	// ends then. It is never after End.
	PodsEnd time.Time
}

// LimitsOf returns the limits that the settings give to a drain.
func LimitsOf(d v1alpha1.Drain, began time.Time) Limits {
	var l Limits
	if timeout := d.Timeout; timeout != nil {
		l.End, l.Why = began.Add(timeout.Duration), fmt.Sprintf("The drain took longer than %s", timeout.Duration)
	}
	if grace := d.TerminationGracePeriod; grace != nil {
		l.PodsEnd = began.Add(grace.Duration)
		if l.End.IsZero() || l.PodsEnd.After(l.End) {
			l = l.NoLaterThan(l.PodsEnd, fmt.Sprintf("The terminationGracePeriod of %s has passed", grace.Duration))
		}
	}
	return l
}

// NoLaterThan returns the limits with an end that is not after this one.
func (l Limits) NoLaterThan(end time.Time, why string) Limits {
	if l.End.IsZero() || end.Before(l.End) {
		l.End, l.Why = end, why
	}
	if !l.PodsEnd.IsZero() && l.PodsEnd.After(l.End) {
		l.PodsEnd = l.End
	}
	return l
}

// HavePassed reports whether the node goes now, whatever is left on it.
func (l Limits) HavePassed(now time.Time) bool {
	return !l.End.IsZero() && !now.Before(l.End)
}

// LongestDrain returns the time that a drain may take by its settings, 0 for any time.
func LongestDrain(d v1alpha1.Drain) time.Duration {
	began := time.Time{}.Add(time.Hour) // any time but zero
	if l := LimitsOf(d, began); !l.End.IsZero() {
		return l.End.Sub(began)
	}
	return 0
}

// defaultGrace is the grace period of a pod that names none.
const defaultGrace = 30 * time.Second

// graceOf returns the time that a pod has to end.
func graceOf(pod *corev1.Pod) time.Duration {
	if seconds := pod.Spec.TerminationGracePeriodSeconds; seconds != nil {
		return time.Duration(*seconds) * time.Second
	}
	return defaultGrace
}

// lastCall is when a pod that nobody would evict yet is told to end, so that it can use its
// grace period; zero for never.
func (l Limits) lastCall(pod *corev1.Pod) time.Time {
	switch {
	case !l.PodsEnd.IsZero():
		return l.PodsEnd.Add(-graceOf(pod))
	case !l.End.IsZero():
		return l.End.Add(-graceOf(pod))
	}
	return time.Time{}
}

// mustDelete reports whether a pod has just enough time left to use its grace period.
func (l Limits) mustDelete(pod *corev1.Pod, now time.Time) bool {
	return !l.PodsEnd.IsZero() && !now.Before(l.lastCall(pod))
}

// isOverdue reports whether a pod that is ending has a grace period beyond the time when all
// pods have ended. The API server rounds to seconds.
func (l Limits) isOverdue(pod *corev1.Pod, now time.Time) bool {
	latest := l.PodsEnd
	if soon := now.Add(minGrace); latest.Before(soon) {
		latest = soon
	}
	return !l.PodsEnd.IsZero() && pod.DeletionTimestamp.After(latest.Add(time.Second))
}

// minGrace is the shortest grace period that a pod is given: without one, the API server would
// drop the pod while its containers run.
const minGrace = time.Second

// graceLeft returns the seconds that a pod which is deleted now has until all pods have ended;
// nil if its own grace period is not longer.
func (l Limits) graceLeft(pod *corev1.Pod, now time.Time) *int64 {
	left := max(l.PodsEnd.Sub(now), minGrace).Truncate(time.Second)
	if graceOf(pod) <= left {
		return nil
	}
	seconds := int64(left.Seconds())
	return &seconds
}
