package mesosnode

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

// fieldUnsettled indexes the MesosNodes that a change of their framework's session
// concerns, by the framework's name: a thousand nodes that are up are not looked at
// because a master failed over.
const fieldUnsettled = "k8sm.unsettled"

// fieldAgent indexes MesosNodes by the agent that their task is on.
const fieldAgent = "k8sm.agent"

// SetupWithManager makes the manager run the Reconciler.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	if err := mgr.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.MesosNode{}, fieldUnsettled, unsettled); err != nil {
		return fmt.Errorf("indexing MesosNodes: %w", err)
	}
	if err := mgr.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.MesosNode{}, fieldAgent, agentOf); err != nil {
		return fmt.Errorf("indexing MesosNodes by agent: %w", err)
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("mesosnode").
		For(&v1alpha1.MesosNode{}).
		Watches(&corev1.Node{}, handler.EnqueueRequestsFromMapFunc(namesake), builder.WithPredicates(ofInterest())).
		WatchesRawSource(source.Channel(r.Changes, handler.EnqueueRequestsFromMapFunc(r.concerned))).
		WithOptions(controller.Options{MaxConcurrentReconciles: r.Concurrency, RateLimiter: patient()}).
		Complete(r)
}

// patient comes back to a node that fails after a tenth of a second, and after a minute
// at the latest however often it has failed.
func patient() workqueue.TypedRateLimiter[reconcile.Request] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](100*time.Millisecond, time.Minute)
}

// namesake maps a Node to the MesosNode of its name: if there is none, the look at it
// ends with the first read from the cache.
func namesake(_ context.Context, object client.Object) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: object.GetName()}}}
}

// ofInterest passes the changes of a Node that a step would see. What else a kubelet
// reports every few minutes is not among them.
func ofInterest() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*corev1.Node)
		after, same := e.ObjectNew.(*corev1.Node)
		return !ok || !same || changed(before, after)
	}}
}

func changed(before, after *corev1.Node) bool {
	was, is := nodemodel.KubeletReady(before), nodemodel.KubeletReady(after)
	return was.Status != is.Status || was.Message != is.Message ||
		before.Spec.ProviderID != after.Spec.ProviderID ||
		before.Spec.Unschedulable != after.Spec.Unschedulable ||
		before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero() ||
		!equality.Semantic.DeepEqual(before.Labels, after.Labels) ||
		!equality.Semantic.DeepEqual(before.Annotations, after.Annotations)
}

// unsettled gives the framework of a MesosNode that wants something of its session: to
// be launched, to be given up in time, to be told of another kubelet, or to be released.
func unsettled(object client.Object) []string {
	node, ok := object.(*v1alpha1.MesosNode)
	if !ok {
		return nil
	}
	settled := node.Status.ProviderID != "" && node.Status.ProviderID == nodemodel.CurrentProviderID(node)
	if settled && node.DeletionTimestamp.IsZero() && !toBeTold(node) {
		return nil
	}
	return []string{node.Spec.FrameworkRef.Name}
}

// agentOf gives the agent of a MesosNode that has a task.
func agentOf(object client.Object) []string {
	node, ok := object.(*v1alpha1.MesosNode)
	if !ok || node.Status.Task == nil {
		return nil
	}
	return []string{node.Status.Task.AgentID}
}

// concerned maps a MesosFramework to the MesosNodes that wait for its session, and a
// MesosNode to those on its agent.
func (r *Reconciler) concerned(ctx context.Context, what client.Object) []reconcile.Request {
	fields := client.MatchingFields{fieldUnsettled: what.GetName()}
	if agents := agentOf(what); len(agents) > 0 {
		fields = client.MatchingFields{fieldAgent: agents[0]}
	}
	var nodes v1alpha1.MesosNodeList
	if err := r.Client.List(ctx, &nodes, fields, client.UnsafeDisableDeepCopy); err != nil {
		log.FromContext(ctx).Error(err, "Listing the MesosNodes that a change concerns failed", "fields", fields)
		return nil
	}
	requests := make([]reconcile.Request, 0, len(nodes.Items))
	for i := range nodes.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&nodes.Items[i])})
	}
	return requests
}
