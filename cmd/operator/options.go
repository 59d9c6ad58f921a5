package main

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

const (
	// defaultNamespace is the operator's namespace outside of a pod.
	defaultNamespace = "k8sm-system"
	// namespaceFile holds the namespace of a pod.
	namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
)

// options are the checked command line.
type options struct {
	namespace           string
	leaderElect         bool
	leaderElectionID    string
	metricsAddress      string
	metricsSecure       bool
	metricsCertDir      string
	healthAddress       string
	nodeRuntimeFile     string
	nodeAPIServer       string
	nodeAPIServerCAFile string
	clusterDNS          []string
	agentCIDRs          []netip.Prefix
	clusterDomain       string
	nodeStateDir        string
	nodeDenyMesos       bool
	nodeDenyCIDRs       []string
	clusterCIDRs        []string
	printVersion        bool
	leaseTimes          leaseTimes
	logger              logr.Logger
}

// parse reads and checks the command line. The error names everything that is wrong, and is
// flag.ErrHelp if the user asked for help.
func parse(flags *flag.FlagSet, arguments []string) (options, error) {
	var o options
	var logging zap.Options
	config.RegisterFlags(flags)
	logging.BindFlags(flags)
	flags.StringVar(&o.namespace, "namespace", "", "The operator's own `namespace`. It holds the Lease, and the secrets that MesosFrameworks name. Default: $POD_NAMESPACE, that of the service account, or "+defaultNamespace+".")
	flags.StringVar(&o.namespace, "leader-election-namespace", "", "The same as --namespace.")
	flags.BoolVar(&o.leaderElect, "leader-elect", true, "Elect one of several operators as leader, with a Lease. If false, make sure that only one operator runs.")
	flags.StringVar(&o.leaderElectionID, "leader-election-id", "k8sm-operator", "The `name` of the Lease.")
	o.leaseTimes.bind(flags)
	flags.StringVar(&o.metricsAddress, "metrics-bind-address", ":8443", "The `address` at which Prometheus metrics are served; 0 disables them.")
	flags.BoolVar(&o.metricsSecure, "metrics-secure", true, "Serve metrics over TLS, and only to clients that may get the non-resource URL /metrics (RBAC). If false, anybody who reaches the address can read them.")
	flags.StringVar(&o.metricsCertDir, "metrics-cert-dir", "", "The `folder` with tls.crt and tls.key of the metrics server. They are read again when they change. Default: a self-signed certificate.")
	flags.StringVar(&o.healthAddress, "health-probe-bind-address", ":8081", "The `address` at which /healthz and /readyz are served; 0 disables them.")
	flags.StringVar(&o.nodeRuntimeFile, "node-runtime", "", "A YAML `file` with the runtimes of nodes: {containerRuntime, sandboxImage, defaultVersion, versions: [{name, artifacts: [{name, type, architecture, uri, sha256}]}]}. A pool chooses one by template.spec.runtime.version, and overrides its artifacts by name. The file is read again when it changes.")
	flags.StringVar(&o.nodeAPIServer, "node-api-server", "", "The `URL` at which nodes reach the Kubernetes API. Default: the URL that the operator uses.")
	flags.StringVar(&o.nodeAPIServerCAFile, "node-api-server-ca", "", "A PEM `file` with the certificate authority of the Kubernetes API, for nodes. Default: the authority that the operator uses.")
	flags.Var(listFlag[netip.Prefix]{&o.agentCIDRs, parseNetwork}, "agent-cidrs", "The only `networks` in which Mesos agents may have addresses, in CIDR notation, separated by commas. Default: any. Addresses of Services, of the API server and of other nodes are refused anyway; a network of one address (10.0.0.1/32) permits that of the API server, for an agent on the same machine.")
	flags.Var(listFlag[string]{&o.clusterDNS, parseAddress}, "cluster-dns", "The IP `addresses` of the cluster's DNS service, separated by commas.")
	flags.StringVar(&o.clusterDomain, "cluster-domain", "cluster.local", "The DNS `domain` of the cluster.")
	flags.StringVar(&o.nodeStateDir, "node-state-dir", "/var/lib/k8sm", "The `folder` on Mesos agents that holds the state of nodes. It is outside the sandboxes.")
	flags.BoolVar(&o.nodeDenyMesos, "node-deny-mesos", true, "Keep the pods of new nodes from the port of their Mesos agent, and from masters and ZooKeeper, by rules of the agent's firewall.")
	flags.Var(listFlag[string]{&o.nodeDenyCIDRs, parseDestination}, "node-deny-cidrs", "`Ranges` of addresses that the pods of new nodes are kept from too, separated by commas, each with a TCP port if only that is meant: 10.0.0.0/8,10.1.0.0/16:5051. They may connect to the API server and to --cluster-cidr nevertheless.")
	flags.Var(listFlag[string]{&o.clusterCIDRs, parseRange}, "cluster-cidr", "The `ranges` of addresses of all pods of the cluster, separated by commas, as kube-controller-manager knows them. What pods of new nodes send there keeps their addresses. Default: unknown, and only the pods of a node see each other's addresses.")
	flags.BoolVar(&o.printVersion, "version", false, "Print the version and exit.")
	if err := flags.Parse(arguments); err != nil {
		return options{}, err
	}
	if o.namespace == "" {
		o.namespace = detectNamespace()
	}
	o.logger = zap.New(zap.UseFlagOptions(&logging))
	return o, o.check(flags.Args())
}

// check returns everything that is wrong. Rest are the arguments that are no flags.
func (o options) check(rest []string) error {
	var problems []error
	if len(rest) > 0 {
		problems = append(problems, fmt.Errorf("unexpected arguments: %s", strings.Join(rest, " ")))
	}
	if o.nodeAPIServer != "" {
		if u, err := url.Parse(o.nodeAPIServer); err != nil || u.Host == "" || u.Scheme != "https" {
			problems = append(problems, fmt.Errorf("--node-api-server %q is not an https URL; nodes send their credentials to it, so that it has to be https://host:port", o.nodeAPIServer))
		}
	}
	if !path.IsAbs(o.nodeStateDir) || path.Clean(o.nodeStateDir) != o.nodeStateDir || o.nodeStateDir == "/" {
		problems = append(problems, fmt.Errorf("--node-state-dir %q is not a clean absolute path below /", o.nodeStateDir))
	}
	return errors.Join(append(problems, o.checkMetrics(), o.leaseTimes.check())...)
}

// checkMetrics returns an error if the metrics server could not have the certificate that the
// user expects. The server itself would use a self-signed one without a word.
func (o options) checkMetrics() error {
	if o.metricsCertDir == "" {
		return nil
	}
	if !o.metricsSecure {
		return errors.New("--metrics-cert-dir has no effect with --metrics-secure=false; leave one of them out")
	}
	for _, name := range []string{"tls.crt", "tls.key"} {
		if _, err := os.Stat(filepath.Join(o.metricsCertDir, name)); err != nil {
			return fmt.Errorf("--metrics-cert-dir must hold tls.crt and tls.key: %w", err)
		}
	}
	return nil
}

// detectNamespace returns the namespace of the pod that the operator runs in, or the default.
func detectNamespace() string {
	if namespace := os.Getenv("POD_NAMESPACE"); namespace != "" {
		return namespace
	}
	if data, err := os.ReadFile(namespaceFile); err == nil && len(data) > 0 {
		return strings.TrimSpace(string(data))
	}
	return defaultNamespace
}
