// Package mesosnodepool keeps as many MesosNodes as a MesosNodePool asks for.
//
// [Plan] decides, from the pool and its nodes alone, how many to create and which to
// delete; the Reconciler does so, in batches, and computes the status with one
// function for each condition. What it did and the cache does not show yet it
// remembers in its expectations, so that a cache that lags never makes it create
// one node too many or delete another one in its stead.
//
// It knows nothing of Mesos but what the largest agent has, and nothing of Nodes but
// what their MesosNodes tell. cmd/operator builds the [Reconciler] and gives it to
// the manager.
package mesosnodepool
