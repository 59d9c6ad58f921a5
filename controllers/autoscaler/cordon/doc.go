// Package cordon keeps pods from nodes that are about to be removed, with a taint of its own, and
// can take that back. A node is removed in two steps: it is cordoned, and when no scheduler can
// have a pod on its way to it any more, everything is decided anew; only a node that is still to
// be removed then is removed. Between the two a pod may have come that must not be disrupted.
//
// It does not decide which nodes are removed, and removes none. It leaves the cordon of a person
// (spec.unschedulable) alone. The caller is controllers/autoscaler.
package cordon
