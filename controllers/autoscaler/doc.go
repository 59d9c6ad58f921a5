// Package autoscaler makes the nodes that waiting pods need, in the pools that have
// autoscaling, and removes those that nobody needs.
//
// It watches pods that the kube-scheduler has marked unschedulable, gathers them for a
// moment, and asks next door (decision, on scheduling) what nodes they would fit on: beside
// the nodes that there are and those in flight, on nodes of each pool's templates. What
// comes of it is created and deleted by nodepool, told on the pods and in the status of the
// pools, and counted. All that it goes by is read anew from the cache for each decision; in
// memory it keeps only what it remembers of failures (guard), and a scheduling.Cluster that
// is kept in step with the cache (mirror).
//
// It writes no spec, knows of Mesos only how many more nodes there is room for, and of
// Kubernetes' scheduler only what scheduling tells. Pools without autoscaling are nodepool's
// alone: as long as there are no others, no pod is watched. The package controllers builds
// the [Reconciler] and gives it to the manager.
package autoscaler
