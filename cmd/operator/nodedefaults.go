package main

import (
	"fmt"
	"os"
	"time"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"

	"github.com/k8sm/k8sm/controllers/catalogue"
	"github.com/k8sm/k8sm/controllers/nodetemplate"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// nodeDefaults returns what every node is given, except for the runtime. What the options leave out comes from the
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
	return out, nil
}

// openCatalogue reads the --node-runtime file for the first time. The catalogue asks the API
// server for its version through the client; the questions do not pass the fence, because they
// change nothing.
func (o options) openCatalogue(access *rest.Config) (*catalogue.Catalogue, error) {
	client, err := discovery.NewDiscoveryClientForConfig(access)
	if err != nil {
		return nil, fmt.Errorf("making the client that asks for the version of the API server: %w", err)
	}
	runtimes, err := catalogue.Open(catalogue.Options{
		File: o.nodeRuntimeFile, Now: time.Now, Log: o.logger.WithName("catalogue"),
		APIServer: &catalogue.APIServer{Version: client.ServerVersionWithContext, Now: time.Now, Log: o.logger.WithName("catalogue")},
	})
	if err != nil {
		return nil, fmt.Errorf("opening --node-runtime: %w", err)
	}
	return runtimes, nil
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
