// Package identity decides who may call itself a node. It issues each launch one
// bootstrap token, and approves the certificate signing requests of kubelets: the
// first, made with that token, the renewals, and those for serving certificates.
//
// What a request may ask for is read from the MesosNode alone, which was written
// before anything was launched: name, token, agent address, time. Requests that have
// nothing to do with a MesosNode are left to others; those that have and do not match
// are denied with a reason. [Judge] decides, without client or clock; the Reconciler
// acts.
//
// It knows nothing of Mesos. The framework controller issues tokens through it, the
// node controller revokes them, and cmd/operator gives the Reconciler to the manager.
package identity
