// Package mesosnodepool keeps as many MesosNodes as a MesosNodePool asks for.
//
// Its Reconcile observes a pool, plans, applies the plan and writes the status. [PlanScaling]
// decides, from the pool and its nodes alone, how many nodes to create and which to delete;
// [PlanUpgrades] decides which nodes get another kubelet. The Reconciler applies a plan in
// batches, and computes the status with one function for each condition.
//
// It knows nothing of Mesos but what the largest agent has, and nothing of Nodes but
// what their MesosNodes report. controllers.Setup builds the [Reconciler] and gives it to
// the manager.
package mesosnodepool
