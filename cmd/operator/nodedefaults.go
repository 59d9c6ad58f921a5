package main

import (
	"fmt"
	"os"

	"k8s.io/client-go/rest"

	"github.com/k8sm/k8sm/controllers/nodetemplate"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// nodeDefaults returns what every node is given. What the options leave out comes from the
// operator's own access to the API server. It reads the files that the options name.
func (o options) nodeDefaults(access *rest.Config) (nodetemplate.NodeDefaults, error) {
	out := nodetemplate.NodeDefaults{
		APIServer:     o.nodeAPIServer,
		ClusterDNS:    o.clusterDNS,
		ClusterDomain: o.clusterDomain,
		StateDir:      o.nodeStateDir,
		Network:       nodeapi.Network{DenyAgent: o.nodeDenyMesos, DenyAlso: o.nodeDenyCIDRs, ClusterCIDRs: o.clusterCIDRs},
	}
	if out.APIServer == "" {
		out.APIServer = access.Host
	}
	var err error
	if out.CAData, err = o.readCA(access); err != nil {
		return out, fmt.Errorf("reading the API server's authority: %w", err)
	}
	var runtime []byte
	if o.nodeRuntimeFile != "" {
		if runtime, err = os.ReadFile(o.nodeRuntimeFile); err != nil {
			return out, fmt.Errorf("reading --node-runtime: %w", err)
		}
	}
	if out.Runtime, err = nodetemplate.ParseRuntime(runtime); err != nil {
		return out, fmt.Errorf("reading --node-runtime %s: %w", o.nodeRuntimeFile, err)
	}
	return out, nil
}

// readCA returns the PEM of the API server's authority, nil if the operator itself uses those
// of the system.
func (o options) readCA(access *rest.Config) ([]byte, error) {
	switch {
	case o.nodeAPIServerCAFile != "":
		return os.ReadFile(o.nodeAPIServerCAFile)
	case len(access.CAData) > 0:
		return access.CAData, nil
	case access.CAFile != "":
		return os.ReadFile(access.CAFile)
	}
	return nil, nil
}
