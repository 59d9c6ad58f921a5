package disruption

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/disruption/replacement"
	"github.com/k8sm/k8sm/controllers/disruptionbudget"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/controllers/poolnodes"
	"github.com/k8sm/k8sm/controllers/revision"
)

// observation is what one reconcile goes by.
type observation struct {
	now   time.Time
	pool  *v1alpha1.MesosNodePool
	nodes poolnodes.Inventory
	// byName has the nodes that are not being deleted.
	byName map[string]*v1alpha1.MesosNode
	// revision is that of nodes that are made now, empty if none can be. kubelets are what their
	// kubelets may be, none if an archive has them.
	revision revision.Revision
	kubelets []v1alpha1.Artifact
	// release is the minor release of Kubernetes of nodes that are made now, empty if unknown.
	release string
	// objects are the Nodes, by name, that the tasks of the pool's nodes registered. They are the
	// cache's own.
	objects map[string]*corev1.Node
	// causes has, by name, why nodes are to be replaced.
	causes map[string]cause
	// nextCause is when the next node has to be replaced because of the time alone; zero for never.
	nextCause time.Time
	budgets   disruptionbudget.Budgets
}

// observe reads a pool's nodes and finds out which should not stay.
func (r *Reconciler) observe(ctx context.Context, pool *v1alpha1.MesosNodePool) (*observation, error) {
	nodes, err := r.Nodes.Inventory(ctx, pool)
	if err != nil {
		return nil, err
	}
	o := &observation{
		now: r.Now(), pool: pool, nodes: nodes, byName: map[string]*v1alpha1.MesosNode{}, objects: map[string]*corev1.Node{}, causes: map[string]cause{},
		release: r.Revisions.KubernetesRelease(pool.Spec.Template.Spec.Runtime), kubelets: r.Revisions.Kubelets(pool.Spec.Template.Spec.Runtime), budgets: disruptionbudget.New(pool),
	}
	if current, err := r.Revisions.Revision(pool); err == nil {
		o.revision = current // the condition TemplateValid has the error
	}
	for _, n := range nodes.Alive {
		o.byName[n.Name] = n
	}
	if err := r.readObjects(ctx, o); err != nil {
		return nil, err
	}
	for _, n := range nodes.Alive {
		c, due := causeOf(o, n, r.windowOf(n))
		if c.reason != "" {
			o.causes[n.Name] = c
		}
		if !due.IsZero() && (o.nextCause.IsZero() || due.Before(o.nextCause)) {
			o.nextCause = due
		}
	}
	return o, nil
}

// readObjects reads the Nodes of the pool from the cache.
func (r *Reconciler) readObjects(ctx context.Context, o *observation) error {
	for name, n := range o.byName {
		object, err := poolnodes.Object(ctx, r.Client, n)
		if err != nil {
			return err
		}
		if object != nil {
			o.objects[name] = object
		}
	}
	return nil
}

// windowOf returns the begin of the maintenance of the node's agent; zero if none is planned.
func (r *Reconciler) windowOf(n *v1alpha1.MesosNode) time.Time {
	if !nodemodel.MayRun(n) {
		return time.Time{}
	}
	window, planned := r.Agents.Maintenance(n.Spec.FrameworkRef.Name, n.Status.Task.AgentID)
	if !planned || window.HasEnded(r.Now()) {
		return time.Time{}
	}
	return window.Start
}

// candidates are the names of the nodes that are to be replaced.
func (o *observation) candidates() map[string]cause { return o.causes }

// isPaused reports whether nothing may be begun.
func (o *observation) isPaused() bool { return o.pool.Spec.Paused || o.pool.Spec.Rollout.Paused }

// justChanged is why no node can be created until the conditions of the pool are of its generation.
const justChanged = "the pool was just changed"

// blocked returns why no node can be created, in words; empty if nodes can be.
func (o *observation) blocked() string {
	for _, kind := range []string{v1alpha1.ConditionFrameworkReady, v1alpha1.ConditionTemplateValid} {
		c := meta.FindStatusCondition(o.pool.Status.Conditions, kind)
		switch {
		case c == nil || c.ObservedGeneration != o.pool.Generation:
			return justChanged
		case c.Status != metav1.ConditionTrue:
			return c.Message
		}
	}
	return ""
}

// replacementPool describes the pool to replacement.Decide.
func (o *observation) replacementPool(ctx context.Context, r *Reconciler) replacement.Pool {
	replaced, usage := o.nodes.Replaced(), o.nodes.Usage()
	size := len(o.nodes.Alive) - len(replaced)
	if o.pool.Spec.Autoscaling == nil {
		size = int(ptr.Deref(o.pool.Spec.Replicas, 0))
	}
	rollout := o.pool.Spec.Rollout
	out := replacement.Pool{
		Now: o.now, Size: size, Blocked: o.blocked(), Leaving: o.countLeaving(),
		Paused:         o.isPaused(),
		Settling:       o.now.Sub(r.started()) < settleTime,
		MaxSurge:       disruptionbudget.Resolve(ptr.Deref(rollout.MaxSurge, intstr.FromString("10%")), size),
		MaxUnavailable: disruptionbudget.Resolve(ptr.Deref(rollout.MaxUnavailable, intstr.FromInt32(1)), size),
		MinReady:       time.Duration(rollout.MinReadySeconds) * time.Second,
		Allow: func(reason v1alpha1.DisruptionReason) disruptionbudget.Allowance {
			return o.budgets.Allow(reason, o.now, usage)
		},
		Held: func(name string) string { return r.held(ctx, o.pool, name) },
	}
	for _, n := range o.nodes.Alive {
		out.Nodes = append(out.Nodes, o.describe(n))
	}
	return out
}

// describe describes a node to replacement.Decide.
func (o *observation) describe(n *v1alpha1.MesosNode) replacement.Node {
	c := o.causes[n.Name]
	out := replacement.Node{
		Name: n.Name, Created: n.CreationTimestamp.Time, Reason: c.reason, Cause: c.text,
		Launched: nodemodel.MayRun(n), Replaces: n.Annotations[v1alpha1.AnnotationReplaces],
		Protected: n.Annotations[v1alpha1.AnnotationDoNotDisrupt] == "true",
	}
	if n.Status.Task != nil {
		out.Zone = n.Status.Task.Zone
	}
	if nodemodel.IsReady(n) {
		out.ReadySince = nodemodel.Condition(n, v1alpha1.ConditionReady).LastTransitionTime.Time
	}
	if since, waits := nodemodel.WaitsWithoutOffer(n); waits {
		out.NoRoomSince = since
	}
	return out
}

// countLeaving counts the nodes that are being deleted and hold resources. One whose agent is cut
// off is not waited for.
func (o *observation) countLeaving() int {
	count := 0
	for _, n := range o.nodes.Leaving {
		if nodemodel.MayRun(n) && !nodemodel.IsUnreachable(n.Status.Task) {
			count++
		}
	}
	return count
}

// requeueAfter is the time after which to reconcile again although no event comes, 0 for never.
func (o *observation) requeueAfter(plan replacement.Plan, more bool) time.Duration {
	if more || len(plan.Create) > batchSize || len(plan.Remove) > batchSize {
		return nextBatchDelay
	}
	if len(o.nodes.Alive) == 0 {
		return 0
	}
	again := pollInterval
	for _, at := range []time.Time{plan.RecheckAt, o.nextCause} {
		if !at.IsZero() {
			again = min(again, max(at.Sub(o.now), nextBatchDelay))
		}
	}
	if plan.Obstacle == replacement.ObstacleHeld {
		again = min(again, heldInterval)
	}
	return again
}
