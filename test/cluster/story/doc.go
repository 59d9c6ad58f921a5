// Package story is what k8sm is for, told in steps: from an empty Mesos cluster to
// pods on its agents, more nodes and fewer, the resources used by somebody else, and
// everything given back. Each step does something as a user would, with kubectl
// and the shipped samples, and fails unless it came out as promised.
//
// It knows nothing of how the cluster came into being: that is package playground.
// The demo prints it, and the end-to-end tests assert it.
package story
