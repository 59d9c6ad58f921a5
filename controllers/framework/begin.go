package framework

import (
	"context"
	"fmt"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/node"
	"github.com/k8sm/k8sm/mesos/framework"
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
	made, err := r.Dial(session.Config{
		Masters:      wanted.masters,
		Framework:    wanted.info,
		Access:       wanted.access.Access,
		MaySubscribe: r.MaySubscribe,
		Tasks:        tasks,
		Store:        r.store(name),
		Log:          r.Log.WithValues("MesosFramework", name),
		Clock:        r.Now,
		Changed:      func() { r.Sessions.poke(name) },
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
