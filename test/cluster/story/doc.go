// Package story is the demo as a list of steps: from an empty Mesos cluster to pods on its
// agents, scaling out and in, resources used by another framework, and everything released.
// Each step does something as a user would, with kubectl and the shipped samples, and fails
// unless the result is as expected.
//
// It does not know how the cluster is built: that is package playground. `make demo` prints the
// story, and the end-to-end tests assert it.
package story
