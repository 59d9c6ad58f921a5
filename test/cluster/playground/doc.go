// Package playground is a whole Kubernetes and a whole Mesos on one machine: etcd,
// API server, controller manager and scheduler as real processes; a Mesos cluster
// in a box, whose agents are hosts with their own addresses; and the operator's
// binary with the rights that it ships with. Stop removes everything that was
// started, checks that nothing is left, and returns an error if something is.
//
// It knows how such a cluster is built, and not what it is used for: that is
// package story. It is called by cmd/playground and by the end-to-end tests.
//
// With the containerd runtime (root on Linux) each agent is a network namespace,
// and nodes run real containers. With the fake runtime nodes are hollow kubelets,
// processes of an ordinary user that share the machine's address.
package playground
