// Package v1alpha1 is the vocabulary of k8sm: the three resources through which
// a Mesos cluster becomes a provider of Kubernetes nodes.
//
// A MesosFramework is a registration with one Mesos cluster. A MesosNodePool asks
// for nodes of one kind on it. A MesosNode is one such node, from demand to gone,
// and the durable record of what was intended before it was asked of Mesos.
//
// The package holds types, validation (as CEL in the schema, so that no webhook is
// needed), and the names that others may rely on: conditions, reasons, labels,
// finalizers. It imports nothing of k8sm.
//
// +kubebuilder:object:generate=true
// +groupName=k8sm.io
package v1alpha1
