// Package differential compares the autoscaler's simulation of the kube-scheduler
// (controllers/autoscaler/scheduling) and the decisions made with it (decision.Grow) with a
// real kube-scheduler and a real API server. There are no kubelets: nodes are only objects,
// and a pod runs on a node when its spec names the node.
//
// A seed determines a Scenario: a small cluster, and pods of all kinds that arrive. Many
// scenarios share one scheduler, each with its own nodes and namespaces, so that they do not
// affect each other. The package knows nothing of Mesos and of the operator.
package differential
