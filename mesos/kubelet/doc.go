// Package kubelet turns a Mesos container into a Kubernetes node: it fetches and
// checks artifacts, sets up the container's cgroups and a private mount namespace,
// writes the configuration of containerd and kubelet, supervises both, and removes
// everything they left when the node ends or when an earlier node died.
//
// It refuses to know Kubernetes' Go types, the Mesos protocol and how the operator
// decides: all it is told is in a Launch message. The executor command calls it; the
// operator uses only Launch, to write what the executor reads.
package kubelet
