package config

import (
	"errors"

	"github.com/k8sm/k8sm/mesos/kubelet/layout"
)

// Credentials are what the kubelet joins its cluster with.
type Credentials struct {
	// APIServer is the URL at which the node reaches the Kubernetes API.
	APIServer string
	// CA is the PEM of the authority that the API server is checked against, and ClientCA
	// that of the authorities that the kubelet's clients are checked against. Empty: CA.
	CA, ClientCA []byte
	// BootstrapToken, id.secret, is good for one certificate request.
	BootstrapToken string
}

// Write writes the bootstrap kubeconfig and the authorities of the kubelet's clients.
func (c Credentials) Write(l layout.Layout) error {
	if err := makeDirs(l.Etc()); err != nil {
		return err
	}
	clients := c.ClientCA
	if len(clients) == 0 {
		clients = c.CA
	}
	return errors.Join(writeJSON(l.Bootstrap(), c.bootstrapKubeconfig()), WriteFile(l.ClientCA(), clients))
}

// bootstrapKubeconfig lets the kubelet ask for its first certificate.
func (c Credentials) bootstrapKubeconfig() map[string]any {
	const name = "bootstrap"
	return map[string]any{
		"apiVersion": "v1",
		"kind":       "Config",
		"clusters": []any{map[string]any{"name": name, "cluster": map[string]any{
			"server": c.APIServer, "certificate-authority-data": c.CA,
		}}},
		"users":           []any{map[string]any{"name": name, "user": map[string]any{"token": c.BootstrapToken}}},
		"contexts":        []any{map[string]any{"name": name, "context": map[string]any{"cluster": name, "user": name}}},
		"current-context": name,
	}
}
