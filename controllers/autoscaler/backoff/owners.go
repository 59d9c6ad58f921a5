package backoff

import (
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// MaxAttempts is the number of nodes that are created for the pods of one owner without
	// helping any of them.
	MaxAttempts = 3
	// HoldTime is the time for which no node is created for such pods then. It doubles each
	// time, up to eight times as much.
	HoldTime = 10 * time.Minute
	// podsChecked bounds the number of pods of an owner that are tried on a node. Pods of one
	// owner are much alike.
	podsChecked = 100
)

// Outcome is what became of a node that was created for pods.
type Outcome int

const (
	// Unclear means that the node has no Node yet, or no pod waits that could be tried on it.
	Unclear Outcome = iota
	// Helped means that pods stay on the node, or a waiting pod would fit there.
	Helped
	// Refused means that no pod stays on the node, and no waiting pod fits there.
	Refused
	// Gone means that the node does not exist any more.
	Gone
)

// Owners remembers, by the UID of the owner, the nodes that were created for pods.
//
// Pods are counted by their owner, a ReplicaSet for example, because pods that are evicted
// are replaced by others. A pod without a controller is its own owner.
type Owners map[types.UID]*scaleUpAttempts

// scaleUpAttempts are the nodes that were created for pods of one owner.
type scaleUpAttempts struct {
	// refusedSince has, by the name of the node, since when it has not helped; zero if it
	// has, or if that is not known.
	refusedSince map[string]time.Time
	// heldUntil is the end of the hold; zero if there is none. nextHold is the length of the
	// next one.
	heldUntil time.Time
	nextHold  time.Duration
}

// ownerUID returns the UID of the controller of a pod, or of the pod if it has none.
func ownerUID(pod *corev1.Pod) types.UID {
	if owner := metav1.GetControllerOf(pod); owner != nil {
		return owner.UID
	}
	return pod.UID
}

// RecordNode remembers that a node was created for a pod.
func (o Owners) RecordNode(pod *corev1.Pod, node string) {
	a := o[ownerUID(pod)]
	if a == nil {
		a = &scaleUpAttempts{refusedSince: map[string]time.Time{}, nextHold: HoldTime}
		o[ownerUID(pod)] = a
	}
	a.refusedSince[node] = time.Time{}
}

// Update finds out what became of the nodes, and begins and ends holds. The pods are all
// that wait. OutcomeOf is asked about a node and the waiting pods of one owner.
func (o Owners) Update(pods []*corev1.Pod, outcomeOf func(node string, pods []*corev1.Pod) Outcome, now time.Time) {
	waiting := map[types.UID][]*corev1.Pod{}
	for _, pod := range pods {
		if owner := ownerUID(pod); o[owner] != nil {
			waiting[owner] = append(waiting[owner], pod)
		}
	}
	for owner, a := range o {
		a.updateOutcomes(waiting[owner], outcomeOf, now)
		a.updateHold(now)
		if len(a.refusedSince) == 0 && len(waiting[owner]) == 0 {
			delete(o, owner)
		}
	}
}

// Split separates the pods that nodes may be created for from the pods of owners that are
// held. It keeps the order.
func (o Owners) Split(pods []*corev1.Pod) (pending, held []*corev1.Pod) {
	for _, pod := range pods {
		if a := o[ownerUID(pod)]; a != nil && a.isHeld() {
			held = append(held, pod)
		} else {
			pending = append(pending, pod)
		}
	}
	return pending, held
}

// RefusedNodes returns the names of the nodes that did not help pods like this one, sorted.
func (o Owners) RefusedNodes(pod *corev1.Pod) []string {
	a := o[ownerUID(pod)]
	if a == nil {
		return nil
	}
	return a.refusedNodes()
}

func (a *scaleUpAttempts) updateOutcomes(pods []*corev1.Pod, outcomeOf func(string, []*corev1.Pod) Outcome, now time.Time) {
	for name, since := range a.refusedSince {
		switch outcomeOf(name, pods[:min(len(pods), podsChecked)]) {
		case Helped:
			a.refusedSince[name] = time.Time{}
		case Refused:
			if since.IsZero() {
				a.refusedSince[name] = now
			}
		case Gone:
			// A node that did not help counts for a while after it was removed.
			if since.IsZero() || now.Sub(since) > HoldTime {
				delete(a.refusedSince, name)
			}
		}
	}
}

// updateHold begins a hold when enough nodes did not help. After the hold all is forgotten
// but its length: another round of attempts begins.
func (a *scaleUpAttempts) updateHold(now time.Time) {
	switch {
	case len(a.refusedNodes()) < MaxAttempts:
		a.heldUntil = time.Time{}
	case a.heldUntil.IsZero():
		a.heldUntil, a.nextHold = now.Add(a.nextHold), min(2*a.nextHold, 8*HoldTime)
	case !a.heldUntil.After(now):
		a.refusedSince, a.heldUntil = map[string]time.Time{}, time.Time{}
	}
}

func (a *scaleUpAttempts) isHeld() bool { return !a.heldUntil.IsZero() }

func (a *scaleUpAttempts) refusedNodes() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(a.refusedSince)) {
		if !a.refusedSince[name].IsZero() {
			names = append(names, name)
		}
	}
	return names
}
