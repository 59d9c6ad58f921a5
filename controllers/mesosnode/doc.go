// Package mesosnode carries one MesosNode from demand to gone.
//
// Its Reconcile is a table of contents: each step sits in a file of its own and
// answers for one condition. Launch hands the framework's session a demand and
// tells what becomes of the task; registration finds the Node that the kubelet
// made and dresses it; readiness sums up; liveness gives up on a launch that leads
// nowhere; termination lets the node go, in an order that never varies: cordon,
// drain, kill, wait for Mesos to confirm, delete the Node, release.
//
// It knows neither the wire nor the session behind the [Framework] interface, nor
// who creates MesosNodes and why. It does not write status.task while a task lives:
// that is the record of the session, written before Mesos is asked. This package
// only clears it, to try again under the next task ID.
//
// Nothing is polled at rest: a node that is ready and stays so costs no call.
// cmd/operator builds the [Reconciler] and gives it to the manager.
package mesosnode
