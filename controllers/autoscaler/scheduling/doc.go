// Package scheduling answers what the kube-scheduler would do with a pod. It asks the
// scheduler's own plugins, the filters of its default profile, over a cluster that is kept in
// memory and changed piece by piece, never rebuilt.
//
// It finds a node on which a pod fits, and explains why the pod does not fit on others. It
// does not score: where several nodes would do, it takes the first, so that pods are packed
// and the answer is the same each time. It knows no pools, no Mesos and no API server; it has
// no clock and starts nothing that outlives a call. A Cluster belongs to one goroutine at a
// time. The callers are the deciders (controllers/autoscaler/decision) and the autoscaler,
// which keeps the Cluster equal to what it watches.
//
// The answers of plugins are cached: pods that the plugins cannot distinguish form an
// equivalence class (classes.go), and each plugin has one filter cache per class
// (filtercache.go). Two plugins depend on the pods of other nodes, PodTopologySpread and
// InterPodAffinity; a tracker for each keeps their caches up to date (spread.go, affinity.go).
package scheduling
