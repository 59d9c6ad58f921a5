package nodetemplate

// NodeDefaults are what the operator gives to every node.
type NodeDefaults struct {
	// Runtime is what a node is made of.
	Runtime Runtime
	// APIServer is the URL at which nodes reach the Kubernetes API. CAData is the PEM of
	// the authority of its certificate.
	APIServer string
	CAData    []byte
	// ClientCAData is the PEM of the authorities of the certificates that clients of the API
	// server present, and that the API server itself presents to kubelets. It is read from
	// the cluster. If it is nil, nodes use CAData.
	ClientCAData []byte
	// ClusterDNS and ClusterDomain go into the pods' resolv.conf.
	ClusterDNS    []string
	ClusterDomain string
	// StateDir is the folder on the agents that holds the nodes' state.
	StateDir string
}
