// Package poolnodes reads, creates and deletes the MesosNodes of a pool.
//
// A [Store] remembers what it created and deleted until the cache shows it, so that a cache
// that lags never makes anybody create one node too many or delete another node instead.
// Package nodemodel makes the node itself, of the pool's template.
//
// It refuses to know how many nodes a pool should have. The controller of MesosNodePools and
// the autoscaler decide that; they share one Store, which package controllers gives to both.
package poolnodes
