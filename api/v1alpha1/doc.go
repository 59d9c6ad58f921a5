// Package v1alpha1 is the Kubernetes API of k8sm. Its three resources make Kubernetes
// nodes out of a Mesos cluster.
//
// A MesosFramework is a registration with one Mesos cluster. A MesosNodePool requests
// nodes of one kind from it. A MesosNode is one such node, from the request for it until
// its removal. It is also the durable record of a launch, which the operator writes before
// it sends the launch to Mesos.
//
// The package holds the types, their validation, and the stable names of conditions,
// reasons, labels and finalizers. The validation consists of CEL rules in the schema, so no
// webhook is needed. The package imports no other package of k8sm.
//
// +kubebuilder:object:generate=true
// +groupName=k8sm.io
package v1alpha1
