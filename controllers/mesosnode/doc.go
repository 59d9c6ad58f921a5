// Package mesosnode carries one MesosNode from demand to release.
//
// Its Reconcile is a list of steps. Each step has a file of its own and is responsible for
// one condition. launch hands the framework's session a demand and reports what becomes of
// the task; registration finds the Node that the kubelet made and labels it; readiness sums
// up; launch_timeout kills a task that never becomes a Node; upgrade exchanges the
// kubelet; maintenance drains the node before its agent is stopped; termination releases it,
// in an order that never varies: cordon, drain, kill, wait for Mesos to confirm, delete the
// Node, remove the finalizer.
//
// It knows neither the wire nor the session behind the [Session] interface, nor
// who creates MesosNodes and why. It does not write status.task while a task lives:
// that is the record of the session, written before Mesos is asked. This package
// only clears it, to try again under the next task ID.
//
// Nothing is polled at rest: a node that is ready and stays so costs no call.
// controllers.Setup builds the [Reconciler] and gives it to the manager.
package mesosnode
