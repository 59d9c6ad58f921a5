package nodetemplate

import (
	"slices"

	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// NodeDefaults are what the operator gives to every node.
type NodeDefaults struct {
	// Runtime is what nodes are made of. It may change from launch to launch.
	Runtime Runtime
	// MirrorCredentials are what executors present to the mirror; nil for none. They are read
	// for each launch.
	MirrorCredentials *nodeapi.ServerCredentials
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
	// Network is what the agents' firewalls do with the traffic of pods. Its field Deny is
	// made of Masters.
	Network nodeapi.Network
	// Masters are host:port of masters and ZooKeeper, which pods are kept from if they are
	// kept from the agent.
	Masters []string
	// StateDir is the folder on the agents that holds the nodes' state.
	StateDir string
}

// network returns what a node's launch message says of its network. Masters
// that cannot be read are left out, since a node with a wrong message would not start.
func (d NodeDefaults) network() nodeapi.Network {
	network := d.Network
	network.Deny = nil
	if !network.DenyAgent {
		return network
	}
	for _, m := range d.Masters {
		if _, err := nodeapi.ParseDestination(m); err == nil {
			network.Deny = append(network.Deny, m)
		}
	}
	slices.Sort(network.Deny)
	network.Deny = slices.Compact(network.Deny)
	return network
}
