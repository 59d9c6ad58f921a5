// Package identity is the controller of certificate signing requests: it decides which
// kubelets may identify themselves as nodes. It approves the first request of a kubelet, made
// with a bootstrap token, its renewals, and its requests for serving certificates.
//
// What a request may ask for comes from the MesosNode alone, which was written before anything
// was launched: name, token, agent address, time. Requests that do not concern a MesosNode are
// left to others. Requests that do, and do not match it, are denied with a reason. [Evaluate]
// decides, without client or clock. The Reconciler acts.
//
// The package knows nothing of Mesos but the states of a task. Tokens are made by
// controllers/bootstraptoken. controllers/setup.go makes the Reconciler.
package identity
