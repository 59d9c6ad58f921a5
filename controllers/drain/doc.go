// Package drain empties a Kubernetes node of its pods through the eviction API, so that
// no PodDisruptionBudget is broken.
//
// [DecideAll] decides, pod by pod, what is to be done and why: a fixed list of filters, pure.
// [Drainer.Drain] acts on it once and returns at once; the caller repeats the call
// until its [Result] is done. The result explains itself: how many pods are left, which
// are held, and by what.
//
// It refuses to know why a node is drained, how long that may take, and what becomes of
// the node. It neither cordons nor forces anything. The controller of MesosNodes
// drains with it; the autoscaler asks it what a drain would do with a pod.
package drain
