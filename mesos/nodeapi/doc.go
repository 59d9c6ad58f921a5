// Package nodeapi is the contract between the operator and the executors that it
// launches: the launch message (LaunchSpec), the upgrade request (UpgradeRequest) and the
// status report (NodeStatus), the versions of these messages and the rules by which
// releases understand each other, and what both sides must judge alike: which messages are
// valid, which executables a node needs, and which fields of the kubelet's configuration a
// pool may set.
//
// The package is pure. It refuses to know files, processes, cgroups, sockets and clocks,
// the Mesos protocol, and Kubernetes' Go types. The controllers encode the messages that
// go to an executor and decode what comes back; mesos/kubelet and cmd/executor do the
// reverse.
package nodeapi
