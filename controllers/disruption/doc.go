// Package disruption replaces the nodes of pools that should not stay: nodes that are of an
// earlier revision, that are not what the pool asks for any more, that have expired, or whose agent
// will be unavailable.
//
// Its Reconcile observes a pool, finds the cause for each node ([causeOf]), lets package
// replacement decide, carries the plan out through poolnodes.Store, which spends the budgets, and
// reports in the pool's condition UpToDate. Each step is bounded, and what was begun can be seen
// in the nodes: a restart goes on where it was.
//
// It refuses to know how many nodes a pool has, and which pods need them: the controller of
// MesosNodePools and the autoscaler decide that. controllers.Setup builds the [Reconciler] and
// gives it to the manager.
package disruption
