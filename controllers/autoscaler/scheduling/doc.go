// Package scheduling answers what the kube-scheduler would do with a pod, by asking the
// scheduler's own plugins: the filters of its default profile, over a cluster that is kept
// in memory and changed piece by piece, never rebuilt.
//
// It finds a node on which a pod fits, and tells of the other nodes why not. It does not
// score: where several nodes would do, it takes the first, so that pods are packed and the
// answer is the same each time. It knows no pools, no Mesos and no API server; it has no
// clock and starts nothing that outlives a call. A Cluster belongs to one goroutine at a
// time. The callers are the deciders next door (controllers/autoscaler/decision) and the
// autoscaler, which keeps the Cluster in step with what it watches.
package scheduling
