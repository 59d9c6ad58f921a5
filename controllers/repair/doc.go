// Package repair replaces the nodes of pools that do not work: nodes whose agent has been
// unreachable for too long, and nodes whose Node has a condition that a rule of the pool names.
//
// Its Reconcile observes a pool, finds out since when each node does not work ([assess]), lets
// package decision decide, removes the nodes through poolnodes.Store, and reports in the pool's
// condition RepairPermitted. While too many nodes of a pool, or of a zone, do not work at once,
// none of them is removed. What it goes by is in the objects, so that a restart changes nothing.
//
// It refuses to know how many nodes a pool has: it only removes, and the controller of
// MesosNodePools or the autoscaler creates what is missing then. controllers.Setup builds the
// [Reconciler] and gives it to the manager.
package repair
