// Package drain empties a Kubernetes node of its pods through the eviction API, so that
// no PodDisruptionBudget is broken before the time for the drain ends.
//
// [DecideAll] decides, pod by pod, what is to be done and why: a fixed list of filters, then the
// rules and the order of a [Policy], within [Limits]; pure. [Drainer.Plan] decides about the pods
// of a node, and [Drainer.Execute] acts on the plan once and returns soon; the caller repeats
// both until the [Result] is done. The result explains itself: how many pods are left, which
// are held, and by what. The evictions of all nodes share bounds and back-offs.
//
// It refuses to know why a node is drained, and what becomes of the node. It does not
// cordon. The controller of MesosNodes drains with it; the autoscaler asks it what a drain
// would do with a pod.
package drain
