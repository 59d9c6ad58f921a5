package mesosframework

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/mesosnode"
	"github.com/k8sm/k8sm/mesos/scheduler"
	"github.com/k8sm/k8sm/mesos/session"
)

// begin makes a session out of the durable records, as the API server has them now, and
// runs it. What it knows of before is what it asks Mesos about before it launches.
func (r *Reconciler) begin(ctx context.Context, p *pass, wanted terms, fought int) error {
	name := p.framework.Name
	id, tasks, err := r.adoptID(ctx, name)
	if err != nil {
		return err
	}
	wanted.info.ID = id
	records := r.store(name)
	if records.supplies.ClientCAData, err = r.clientAuthority(ctx); err != nil {
		return err
	}
	made, err := r.Dial(session.Config{
		Masters:      wanted.masters,
		Framework:    wanted.info,
		Credentials:  wanted.access.Credentials,
		MaySubscribe: r.MaySubscribe,
		Tasks:        tasks,
		Store:        records,
		Log:          r.Log.WithValues("MesosFramework", name),
		Clock:        r.Now,
		OnChange:     func() { r.Sessions.poke(name) },
		Metrics:      r.Metrics,
	})
	if err != nil {
		return fmt.Errorf("making a session: %w", err)
	}
	return r.Sessions.begin(&conversation{Session: made, name: name, terms: wanted, began: p.now, fought: fought})
}

func (r *Reconciler) store(name string) *store {
	return &store{
		framework: name, client: r.Client, live: r.Live,
		tokens: r.Tokens, supplies: r.Supplies, now: r.Now,
	}
}

// clientAuthority is the PEM of what API servers publish as the authority of their
// clients, for servers that are called by them: kubelets are, for logs and exec. It may be
// another than the one that the API server's own certificate is of. Nil where it is not
// published, or not for us to read.
func (r *Reconciler) clientAuthority(ctx context.Context) ([]byte, error) {
	var published corev1.ConfigMap
	err := r.Live.Get(ctx, client.ObjectKey{Namespace: metav1.NamespaceSystem, Name: "extension-apiserver-authentication"}, &published)
	switch {
	case apierrors.IsForbidden(err):
		r.Log.Info("The authority of the API server's clients may not be read; nodes take that of its own certificate, and logs and exec fail where it is another", "error", err.Error())
	case client.IgnoreNotFound(err) != nil:
		return nil, fmt.Errorf("reading the authority of the API server's clients: %w", err)
	}
	return []byte(published.Data["client-ca-file"]), nil
}

// tasks are those of the framework that are not known to have ended, bare intents among
// them: the operator may have died between intent and launch, or right after.
func (r *Reconciler) tasks(ctx context.Context, name string) ([]scheduler.Task, error) {
	var nodes v1alpha1.MesosNodeList
	if err := r.Live.List(ctx, &nodes); err != nil {
		return nil, fmt.Errorf("listing the tasks on record: %w", err)
	}
	var out []scheduler.Task
	for i := range nodes.Items {
		n := &nodes.Items[i]
		task := n.Status.Task
		if n.Spec.FrameworkRef.Name != name || task == nil || scheduler.TaskState(task.State).Terminal() {
			continue
		}
		out = append(out, scheduler.Task{
			ID:      task.ID,
			AgentID: task.AgentID,
			Group:   mesosnode.Demand(n, nil, r.Now()).Group,
			State:   scheduler.TaskState(task.State),
		})
	}
	return out, nil
}
