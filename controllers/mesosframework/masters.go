package mesosframework

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/mirror"
	"github.com/k8sm/k8sm/controllers/nodetemplate"
	"github.com/k8sm/k8sm/controllers/sessions"
	"github.com/k8sm/k8sm/controllers/taskrecord"
	"github.com/k8sm/k8sm/mesos/detector"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// masterAddresses returns host:port of each master and ZooKeeper server that the list names.
// Entries that name none are left out: no session starts with them.
func masterAddresses(masters []string) []string {
	var addresses []string
	for _, m := range masters {
		if ensemble, err := detector.ParseEnsemble(m); err == nil {
			addresses = append(addresses, ensemble.Servers...)
			continue
		}
		if _, rest, ok := strings.Cut(m, "://"); ok {
			m = rest
		}
		addresses = append(addresses, strings.TrimSuffix(m, "/"))
	}
	return addresses
}

// payloadBuilder returns what builds the payloads of a framework's tasks. Nodes are told the
// addresses of the masters, so that they keep their pods from them: those of the spec, those
// that are registered in ZooKeeper when a node is launched, and the one that leads then, which
// a redirect may have named.
func (r *Reconciler) payloadBuilder(defaults nodetemplate.NodeDefaults, masters []string, running *atomic.Pointer[sessions.Entry]) taskrecord.BuildPayload {
	credentials := mirror.Reader{Client: r.Client, Namespace: r.Namespace, Runtimes: r.Runtimes}
	return func(ctx context.Context, node *v1alpha1.MesosNode, intent scheduler.Intent, token string) (scheduler.Payload, error) {
		d := defaults
		d.Runtime = r.Runtimes.Current()
		d.Masters = masterAddresses(masters)
		if entry := running.Load(); entry != nil {
			for _, master := range append(entry.Masters(), entry.State().Master) {
				if master != "" && !slices.Contains(d.Masters, master) {
					d.Masters = append(d.Masters, master)
				}
			}
		}
		var err error
		if d.MirrorCredentials, err = credentials.Credentials(ctx); err != nil {
			return scheduler.Payload{}, err
		}
		return d.Payload(node, intent, token)
	}
}
