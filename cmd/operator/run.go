package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"time"

	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/k8sm/k8sm/controllers"
	"github.com/k8sm/k8sm/mesos/session"
)

// run runs the operator until the context ends or it no longer leads.
func run(ctx context.Context, o options) error {
	if o.printVersion {
		_, err := fmt.Println(version)
		return err
	}
	access, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("finding the Kubernetes API: %w", err)
	}
	// The client has no rate limit: a pool of a thousand nodes causes several thousand writes
	// at once, and none at rest. The API server's priority and fairness protects it better
	// than a rate that is guessed here.
	access.QPS = -1
	nodeDefaults, err := o.nodeDefaults(access)
	if err != nil {
		return err
	}
	runtimes, err := o.openCatalogue(access)
	if err != nil {
		return err
	}
	hostname, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("finding the host name: %w", err)
	}
	mgr, maySubscribe, err := o.newManager(access, hostname)
	if err != nil {
		return fmt.Errorf("making the manager: %w", err)
	}
	sessions := session.NewMetrics()
	if err := metrics.Registry.Register(sessions); err != nil {
		return fmt.Errorf("registering metrics: %w", err)
	}
	err = controllers.Setup(mgr, controllers.Options{
		Namespace:    o.namespace,
		Hostname:     hostname,
		NodeDefaults: nodeDefaults,
		Runtimes:     runtimes,
		AgentCIDRs:   o.agentCIDRs,
		LookupHost: func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		},
		Now:          time.Now,
		Metrics:      sessions,
		MaySubscribe: maySubscribe,
	})
	if err != nil {
		return err
	}
	for name, add := range map[string]func(string, healthz.Checker) error{"healthz": mgr.AddHealthzCheck, "readyz": mgr.AddReadyzCheck} {
		if err := add("ping", healthz.Ping); err != nil {
			return fmt.Errorf("adding %s: %w", name, err)
		}
	}
	o.logger.Info("Operator starts", "version", version, "namespace", o.namespace, "apiServer", access.Host, "nodeAPIServer", nodeDefaults.APIServer)
	return mgr.Start(ctx)
}

// newManager returns the manager and, with leader election, the function that checks whether
// this operator may subscribe.
func (o options) newManager(access *rest.Config, hostname string) (ctrl.Manager, func(context.Context) error, error) {
	settings := o.managerOptions(access)
	if !o.leaderElect {
		mgr, err := ctrl.NewManager(access, settings)
		return mgr, nil, err
	}
	f, err := newFence(o, access, hostname)
	if err != nil {
		return nil, nil, err
	}
	settings.LeaderElectionResourceLockInterface = f
	fenced := rest.CopyConfig(access)
	fenced.Wrap(f.wrap)
	mgr, err := ctrl.NewManager(fenced, settings)
	return mgr, f.maySubscribe, err
}

// managerOptions returns the manager's options. The Lease is released at the end, after the
// sessions have ended, so that another operator takes over at once and is not disturbed.
func (o options) managerOptions(access *rest.Config) ctrl.Options {
	return ctrl.Options{
		Scheme:                        controllers.Scheme(),
		Cache:                         controllers.Cache(o.namespace),
		Logger:                        o.logger,
		Metrics:                       o.metricsOptions(access),
		HealthProbeBindAddress:        o.healthAddress,
		LeaderElection:                o.leaderElect,
		LeaderElectionID:              o.leaderElectionID,
		LeaderElectionNamespace:       o.namespace,
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 &o.leaseTimes.lease,
		RenewDeadline:                 &o.leaseTimes.renew,
		RetryPeriod:                   &o.leaseTimes.retry,
	}
}

// metricsOptions returns how metrics are served. Unless the user permits plain HTTP, they are
// served over TLS, and only to clients that the API server authenticates and permits to get
// /metrics. The questions to the API server do not pass the fence, because an operator that
// stands by serves metrics too.
func (o options) metricsOptions(access *rest.Config) metricsserver.Options {
	settings := metricsserver.Options{BindAddress: o.metricsAddress, SecureServing: o.metricsSecure, CertDir: o.metricsCertDir}
	if o.metricsSecure {
		// HTTP/2 would let a client open and cancel requests faster than they are served.
		settings.TLSOpts = []func(*tls.Config){func(c *tls.Config) { c.NextProtos, c.MinVersion = []string{"http/1.1"}, tls.VersionTLS12 }}
		settings.FilterProvider = func(*rest.Config, *http.Client) (metricsserver.Filter, error) {
			unfenced, err := rest.HTTPClientFor(access)
			if err != nil {
				return nil, fmt.Errorf("making the client that authorizes readers of metrics: %w", err)
			}
			return filters.WithAuthenticationAndAuthorization(access, unfenced)
		}
	}
	return settings
}
