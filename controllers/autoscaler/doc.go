// Package autoscaler creates the nodes that pending pods need, in the pools that have
// autoscaling, and removes the nodes that are not needed.
//
// It works in cycles. A cycle observes the cluster, takes a Snapshot of it, decides growth,
// decides shrinkage, applies what was decided, and reports it (cycle.go):
//
//	observe.go      reads pools, nodes and pods from the cache, and the room from Mesos
//	snapshot.go     what was observed, sorted by what decisions need
//	decide.go       the input of the deciders, and their plans
//	templates.go    reads the templates of pods that are about to be moved
//	apply.go        creates and removes nodes, sets the condition Disruptable
//	cordon.go       cordons nodes before they are removed
//	report.go       events on pods, the status of pools, metrics
//	state.go        what survives a cycle
//
// What to do is decided by package decision, on the simulated cluster of package scheduling.
// Package forecast predicts the Nodes that do not exist yet, package admission the pods that
// templates become, and package backoff remembers what came to nothing. Package pending sorts
// the pods by what the scheduler has said of them. Package cordon keeps pods from nodes that are
// about to be removed, and package poolnodes creates and deletes nodes. This package writes no
// spec, knows of Mesos only how many more nodes there is room for, and of the kube-scheduler
// only what scheduling answers. Pools without autoscaling belong to mesosnodepool alone: as
// long as there are no others, no pod is watched. The package controllers builds the
// [Reconciler] and gives it to the manager.
package autoscaler
