// Package cgroup finds the cgroup of the Mesos container that this process is in, under
// version 1, version 2 or both, makes it a place for the pods of a node, holds it to the
// node's allocation, and kills and removes what is below it.
//
// It refuses to know Kubernetes and the launch message. The runtimes of real containers
// enter a cgroup by it, and the sweep removes the cgroups of dead nodes.
package cgroup
