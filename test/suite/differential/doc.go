// Package differential holds the autoscaler's simulation of the kube-scheduler
// (controllers/autoscaler/scheduling) and what is decided with it (decision.Grow) against
// a real kube-scheduler, which serves a real API server. There are no kubelets: nodes are
// objects that say what they have, and a pod is on a node when its spec says so.
//
// A seed makes a Scenario: a small cluster, and pods of all kinds that come to it. Many
// scenarios share one scheduler, each on nodes and in namespaces of its own, so that none
// sees another. It knows nothing of Mesos and of the operator.
package differential
