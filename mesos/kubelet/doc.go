// Package kubelet turns a Mesos container into a Kubernetes node and takes it down again. It
// holds the life of a node, as the launch message describes it: artifacts, isolation,
// configuration, container runtime, kubelet, upgrades of the kubelet, and the end. The
// packages below it each do one part of that, and know little of each other.
//
// It refuses to know Kubernetes' Go types, the Mesos protocol and how the operator decides.
// The executor command calls it; the operator knows package nodeapi only.
package kubelet
