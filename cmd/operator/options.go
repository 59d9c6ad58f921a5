package main

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path"
	"strings"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/k8sm/k8sm/controllers/nodetemplate"
)

// defaultNamespace is the operator's when nothing tells which it is.
const defaultNamespace = "k8sm-system"

// namespaceFile tells a pod its namespace.
const namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// options are the command line, checked.
type options struct {
	namespace              string
	leaderElect            bool
	leaderElectionID       string
	metricsAddress         string
	healthAddress          string
	nodeRuntimeFile        string
	nodeAPIServer          string
	nodeAPIServerCAFile    string
	clusterDNS             addresses
	clusterDomain          string
	nodeStateDir           string
	printVersion           bool
	leaderElectionInterval intervals
	logger                 logr.Logger
}

// parse reads the command line.
func parse(flags *flag.FlagSet, arguments []string) (options, error) {
	var o options
	var logging zap.Options
	config.RegisterFlags(flags)
	logging.BindFlags(flags)
	flags.StringVar(&o.namespace, "namespace", "", "The operator's own `namespace`: that of its lease, and of the secrets that MesosFrameworks name. Default: $POD_NAMESPACE, the service account's, or "+defaultNamespace+".")
	flags.StringVar(&o.namespace, "leader-election-namespace", "", "The same as --namespace.")
	flags.BoolVar(&o.leaderElect, "leader-elect", true, "Have several operators agree on one that works, by a Lease. Without, see to it that there is one only.")
	flags.StringVar(&o.leaderElectionID, "leader-election-id", "k8sm-operator", "The `name` of the Lease.")
	o.leaderElectionInterval.bind(flags)
	flags.StringVar(&o.metricsAddress, "metrics-bind-address", ":8080", "The `address` on which Prometheus metrics are served; 0 for none.")
	flags.StringVar(&o.healthAddress, "health-probe-bind-address", ":8081", "The `address` on which /healthz and /readyz are served; 0 for none.")
	flags.StringVar(&o.nodeRuntimeFile, "node-runtime", "", "A YAML `file` that says what nodes are made of: {containerRuntime, sandboxImage, artifacts: [{name, type, uri, sha256}]}. A pool's template.spec.runtime overrides it by name.")
	flags.StringVar(&o.nodeAPIServer, "node-api-server", "", "The `URL` at which nodes reach the Kubernetes API. Default: the one that the operator uses.")
	flags.StringVar(&o.nodeAPIServerCAFile, "node-api-server-ca", "", "A PEM `file` with the authority that nodes check the Kubernetes API against. Default: the one that the operator uses.")
	flags.Var(&o.clusterDNS, "cluster-dns", "The IP `addresses` of the cluster's DNS service, divided by commas.")
	flags.StringVar(&o.clusterDomain, "cluster-domain", "cluster.local", "The DNS `domain` of the cluster.")
	flags.StringVar(&o.nodeStateDir, "node-state-dir", "/var/lib/k8sm", "The `folder` on Mesos agents that holds the state of nodes, outside the sandboxes.")
	flags.BoolVar(&o.printVersion, "version", false, "Print the version and exit.")
	if err := flags.Parse(arguments); err != nil {
		return options{}, err
	}
	if o.namespace == "" {
		o.namespace = ownNamespace()
	}
	o.logger = zap.New(zap.UseFlagOptions(&logging))
	return o, o.check(flags.Args())
}

// check tells all that is wrong with the options at once.
func (o options) check(rest []string) error {
	var problems []error
	if len(rest) > 0 {
		problems = append(problems, fmt.Errorf("unexpected arguments: %s", strings.Join(rest, " ")))
	}
	if o.nodeAPIServer != "" {
		if u, err := url.Parse(o.nodeAPIServer); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			problems = append(problems, fmt.Errorf("--node-api-server %q is not an http or https URL", o.nodeAPIServer))
		}
	}
	if !path.IsAbs(o.nodeStateDir) || path.Clean(o.nodeStateDir) != o.nodeStateDir || o.nodeStateDir == "/" {
		problems = append(problems, fmt.Errorf("--node-state-dir %q is not a clean absolute path below /", o.nodeStateDir))
	}
	return errors.Join(append(problems, o.leaderElectionInterval.check())...)
}

// nodeDefaults are what nodes are given, out of the options and the operator's own access.
func (o options) nodeDefaults(access *rest.Config) (nodetemplate.NodeDefaults, error) {
	out := nodetemplate.NodeDefaults{
		APIServer:     o.nodeAPIServer,
		ClusterDNS:    o.clusterDNS,
		ClusterDomain: o.clusterDomain,
		StateDir:      o.nodeStateDir,
	}
	if out.APIServer == "" {
		out.APIServer = access.Host
	}
	var err error
	switch {
	case o.nodeAPIServerCAFile != "":
		out.CAData, err = os.ReadFile(o.nodeAPIServerCAFile)
	case len(access.CAData) > 0:
		out.CAData = access.CAData
	case access.CAFile != "":
		out.CAData, err = os.ReadFile(access.CAFile)
	}
	if err != nil {
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

func ownNamespace() string {
	if namespace := os.Getenv("POD_NAMESPACE"); namespace != "" {
		return namespace
	}
	if data, err := os.ReadFile(namespaceFile); err == nil && len(data) > 0 {
		return strings.TrimSpace(string(data))
	}
	return defaultNamespace
}

// addresses is a flag: IP addresses, divided by commas.
type addresses []string

// String implements flag.Value.
func (a *addresses) String() string { return strings.Join(*a, ",") }

// Set implements flag.Value.
func (a *addresses) Set(text string) error {
	*a = nil
	for one := range strings.SplitSeq(text, ",") {
		if one = strings.TrimSpace(one); one == "" {
			continue
		}
		if _, err := netip.ParseAddr(one); err != nil {
			return fmt.Errorf("%q is not an IP address", one)
		}
		*a = append(*a, one)
	}
	return nil
}
