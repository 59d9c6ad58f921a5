// Package controllers wires the controllers together and adds them to a manager.
//
// Each controller has a folder of its own and imports no other one: what it needs of the rest
// it declares as a small interface, and [Setup] passes it what implements that. The other
// folders are libraries, which the controllers share.
//
// cmd/operator calls it, and so do tests that have a manager of their own.
package controllers

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/agentaddress"
	"github.com/k8sm/k8sm/controllers/autoscaler"
	"github.com/k8sm/k8sm/controllers/autoscaler/permission"
	"github.com/k8sm/k8sm/controllers/bootstraptoken"
	"github.com/k8sm/k8sm/controllers/catalogue"
	"github.com/k8sm/k8sm/controllers/detach"
	"github.com/k8sm/k8sm/controllers/disruption"
	"github.com/k8sm/k8sm/controllers/identity"
	"github.com/k8sm/k8sm/controllers/mesosframework"
	"github.com/k8sm/k8sm/controllers/mesosnode"
	"github.com/k8sm/k8sm/controllers/mesosnodepool"
	"github.com/k8sm/k8sm/controllers/mirror"
	"github.com/k8sm/k8sm/controllers/nodenames"
	"github.com/k8sm/k8sm/controllers/nodetemplate"
	"github.com/k8sm/k8sm/controllers/poolnodes"
	"github.com/k8sm/k8sm/controllers/repair"
	"github.com/k8sm/k8sm/controllers/revision"
	"github.com/k8sm/k8sm/controllers/sessions"
	"github.com/k8sm/k8sm/mesos/session"
)

// Options are what the controllers need besides a manager. All but Metrics, Dial,
// LookupHost and MaySubscribe are needed.
type Options struct {
	// Namespace of the operator, in which the secrets are that frameworks name.
	Namespace string
	// Hostname of the operator, as shown in Mesos.
	Hostname string
	// NodeDefaults are what every node is given.
	NodeDefaults nodetemplate.NodeDefaults
	// Runtimes has the present runtimes of nodes; nil for the one in NodeDefaults, which then
	// never changes.
	Runtimes *catalogue.Catalogue
	// AgentCIDRs are the only networks that agents may have addresses in; empty for any.
	AgentCIDRs []netip.Prefix
	// LookupHost resolves the host name at which nodes reach the API server, so that no agent
	// takes an address behind it; nil if it is not to be resolved.
	LookupHost agentaddress.LookupHost
	// Now is the clock.
	Now func() time.Time
	// Metrics that the sessions with Mesos count in.
	Metrics *session.Metrics
	// Dial makes a session with Mesos; nil for session.New.
	Dial func(session.Config) (sessions.Session, error)
	// MaySubscribe is asked before every subscription; an error holds it back, until it
	// is asked again. Nil allows all.
	MaySubscribe func(context.Context) error
}

// Scheme knows the types that the controllers read and write.
func Scheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	return scheme
}

// Setup makes the manager run all controllers. An error means that the manager must not start.
func Setup(mgr ctrl.Manager, o Options) error {
	if o.Runtimes == nil {
		o.Runtimes = catalogue.New(o.NodeDefaults.Runtime)
	}
	if err := mgr.Add(o.Runtimes); err != nil {
		return fmt.Errorf("adding the catalogue of runtimes: %w", err)
	}
	recorder := mgr.GetEventRecorder("k8sm")
	registry := sessions.NewRegistry()
	if err := mgr.Add(registry); err != nil {
		return fmt.Errorf("adding the sessions: %w", err)
	}
	tokens := bootstraptoken.Issuer{Writer: mgr.GetClient()}
	names := &nodenames.Store{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Namespace: o.Namespace}
	if err := agentaddress.Index(context.Background(), mgr.GetFieldIndexer()); err != nil {
		return err
	}
	addresses := &agentaddress.Checker{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Allowed: o.AgentCIDRs, APIServer: o.NodeDefaults.APIServer,
		LookupHost: o.LookupHost, Now: o.Now,
	}
	made := revisions{defaults: o.NodeDefaults, runtimes: o.Runtimes}
	nodes := poolnodes.NewStore(poolnodes.Options{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Recorder: recorder, Now: o.Now,
		Revision: func(pool *v1alpha1.MesosNodePool) string {
			current, err := made.Revision(pool)
			if err != nil {
				return "" // the pool's condition TemplateValid has the error
			}
			return string(current)
		},
	})
	scaling, err := autoscaler.NewReconciler(autoscaler.Options{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Nodes: nodes, Agents: registry, Recorder: recorder, Now: o.Now,
		Permission: &permission.Checker{Client: mgr.GetClient(), Now: o.Now},
	})
	if err != nil {
		return fmt.Errorf("making the autoscaler: %w", err)
	}
	for _, controller := range []interface{ SetupWithManager(ctrl.Manager) error }{
		mesosframework.NewReconciler(mesosframework.Options{
			Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Recorder: recorder, Now: o.Now,
			Sessions: registry, Tokens: tokens, CheckAddress: addresses.Check, NodeDefaults: o.NodeDefaults, Runtimes: o.Runtimes,
			Namespace: o.Namespace, Hostname: o.Hostname, Metrics: o.Metrics,
			Dial: o.Dial, MaySubscribe: o.MaySubscribe,
			Log: mgr.GetLogger().WithName("session"),
		}),
		mesosnodepool.NewReconciler(mesosnodepool.Options{
			Client: mgr.GetClient(), Nodes: nodes, Recorder: recorder, Now: o.Now,
			Agents: registry, Runtimes: o.Runtimes,
		}),
		scaling,
		mesosnode.NewReconciler(mesosnode.Options{
			Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Recorder: recorder, Now: o.Now,
			Sessions: frameworks{registry}, Tokens: tokens, Names: names, Volumes: detach.Volumes{Cache: mgr.GetClient(), Live: mgr.GetAPIReader()},
			Runtimes: o.Runtimes, Changes: registry.NodeChanges(),
			Mirror: mirror.Reader{Client: mgr.GetClient(), Namespace: o.Namespace, Runtimes: o.Runtimes},
		}),
		identity.NewReconciler(identity.Options{
			Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Recorder: recorder, Now: o.Now,
			Tokens: tokens, Names: names,
		}),
		disruption.NewReconciler(disruption.Options{
			Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Recorder: recorder, Now: o.Now,
			Nodes: nodes, Agents: registry, Revisions: made, Changes: o.Runtimes.Changes(),
		}),
		repair.NewReconciler(repair.Options{Client: mgr.GetClient(), Nodes: nodes, Recorder: recorder, Now: o.Now}),
		nodenames.NewReconciler(nodenames.Options{Names: names, Recorder: recorder, Now: o.Now}),
	} {
		if err := controller.SetupWithManager(mgr); err != nil {
			return fmt.Errorf("setting up %T: %w", controller, err)
		}
	}
	return nil
}

// revisions knows what nodes are made of, by the runtimes that there are now.
type revisions struct {
	defaults nodetemplate.NodeDefaults
	runtimes *catalogue.Catalogue
}

func (r revisions) current() nodetemplate.NodeDefaults {
	defaults := r.defaults
	defaults.Runtime = r.runtimes.Current()
	return defaults
}

// Revision implements disruption.Revisions.
func (r revisions) Revision(pool *v1alpha1.MesosNodePool) (revision.Revision, error) {
	return r.current().Revision(pool)
}

// KubernetesRelease implements disruption.Revisions.
func (r revisions) KubernetesRelease(runtime v1alpha1.NodeRuntime) string {
	return r.current().KubernetesRelease(runtime)
}

// Kubelets implements disruption.Revisions.
func (r revisions) Kubelets(runtime v1alpha1.NodeRuntime) []v1alpha1.Artifact {
	return r.current().Kubelets(runtime)
}

// frameworks gives the controller of nodes the sessions of the registry, of which it needs
// only some methods.
type frameworks struct{ *sessions.Registry }

// Get implements mesosnode.Sessions.
func (f frameworks) Get(name string) (mesosnode.Session, bool) {
	if entry := f.Find(name); entry != nil {
		return entry, true
	}
	return nil, false
}
