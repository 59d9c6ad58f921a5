// Package playground runs a Kubernetes and a Mesos cluster on one machine: etcd, API
// server, controller manager and scheduler as real processes; a stand-in for a Mesos
// cluster, whose agents are hosts with their own addresses; and the operator's binary
// with the rights that it ships with. Stop removes everything that was started. It
// returns an error if something is left.
//
// It knows how such a cluster is built, and not what it is used for. Package story,
// cmd/playground and the end-to-end tests call it.
//
// With the containerd runtime (root on Linux) each agent is a network namespace,
// and nodes run real containers. With the fake runtime nodes are hollow kubelets,
// processes of an ordinary user that share the machine's address.
package playground
