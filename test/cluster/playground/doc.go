// Package playground is a whole Kubernetes and a whole Mesos on one machine: etcd,
// API server, controller manager and scheduler as real processes; a Mesos cluster
// in a box, whose agents are hosts with addresses of their own; and the operator,
// as its own binary with the rights that it ships with. What it starts it also
// removes: Stop leaves nothing behind, looks whether that is true, and says so if
// it is not.
//
// It knows how such a cluster is put together, and nothing of what is done with
// it: that is package story. It is called by cmd/playground and by the end-to-end
// tests.
//
// With the containerd runtime (root on Linux) each agent is a network namespace,
// and nodes run real containers. With the fake runtime nodes are hollow kubelets,
// processes of an ordinary user that share the machine's address.
package playground
