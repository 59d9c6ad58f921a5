package framework

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/node"
	"github.com/k8sm/k8sm/mesos/framework"
	"github.com/k8sm/k8sm/mesos/session"
)

// begin makes a session out of the durable records, as the API server has them now, and
// runs it. What it knows of before is what it asks Mesos about before it launches.
func (r *Reconciler) begin(ctx context.Context, p *pass, with access, fingerprint string) error {
	config, err := r.config(ctx, p.framework.Name, with)
	if err != nil {
		return err
	}
	made, err := r.Dial(config)
	if err != nil {
		return fmt.Errorf("making a session: %w", err)
	}
	return r.Sessions.begin(&conversation{Session: made, name: p.framework.Name, fingerprint: fingerprint, began: p.now})
}

func (r *Reconciler) config(ctx context.Context, name string, with access) (session.Config, error) {
	object := &v1alpha1.MesosFramework{}
	if err := r.Live.Get(ctx, client.ObjectKey{Name: name}, object); err != nil {
		return session.Config{}, fmt.Errorf("reading the framework ID: %w", err)
	}
	tasks, err := r.tasks(ctx, name)
	if err != nil {
		return session.Config{}, err
	}
	return session.Config{
		Masters:   object.Spec.Masters,
		Framework: info(object, with.principal, r.Hostname),
		Access:    session.Access{Authorization: with.authorization, TLS: with.tls},
		Tasks:     tasks,
		Store:     r.store(name),
		Log:       r.Log.WithValues("MesosFramework", name),
		Clock:     r.Now,
		Changed:   func() { r.Sessions.poke(name) },
		Metrics:   r.Metrics,
	}, nil
}

func (r *Reconciler) store(name string) *store {
	return &store{
		framework: name, client: r.Client, live: r.Live,
		tokens: r.Tokens, supplies: r.Supplies, now: r.Now,
	}
}

func info(object *v1alpha1.MesosFramework, principal, hostname string) framework.Info {
	out := framework.Info{
		ID:        object.Status.FrameworkID,
		Name:      object.Spec.Name,
		User:      object.Spec.User,
		Principal: principal,
		Hostname:  hostname,
		Roles:     object.Spec.Roles,
	}
	if object.Spec.FailoverTimeout != nil {
		out.FailoverTimeout = object.Spec.FailoverTimeout.Duration
	}
	return out
}

// tasks are those of the framework that are not known to have ended, bare intents among
// them: the operator may have died between intent and launch, or right after.
func (r *Reconciler) tasks(ctx context.Context, name string) ([]framework.Task, error) {
	var nodes v1alpha1.MesosNodeList
	if err := r.Live.List(ctx, &nodes); err != nil {
		return nil, fmt.Errorf("listing the tasks on record: %w", err)
	}
	var out []framework.Task
	for i := range nodes.Items {
		n := &nodes.Items[i]
		task := n.Status.Task
		if n.Spec.FrameworkRef.Name != name || task == nil || framework.TaskState(task.State).Terminal() {
			continue
		}
		out = append(out, framework.Task{
			ID:      task.ID,
			AgentID: task.AgentID,
			Group:   node.Demand(n, nil, r.Now()).Group,
			State:   framework.TaskState(task.State),
		})
	}
	return out, nil
}
