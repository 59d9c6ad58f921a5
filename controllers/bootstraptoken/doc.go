// Package bootstraptoken makes, issues and revokes the bootstrap tokens with which kubelets
// ask for their first certificate.
//
// A token is a secret in kube-system, of the type that the API server's bootstrap token
// authenticator accepts. The package never reads one. It decides nothing about certificate
// requests (controllers/identity does) and knows nothing of Mesos.
//
// controllers/taskrecord issues a token for each launch and revokes it when the task has
// ended, controllers/mesosnode revokes it when a launch is given up, and
// controllers/identity revokes it once it has been used.
package bootstraptoken
