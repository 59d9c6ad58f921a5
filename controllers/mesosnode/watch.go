package mesosnode

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
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
	"github.com/k8sm/k8sm/controllers/detach"
	"github.com/k8sm/k8sm/controllers/nodemetadata"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/controllers/queueing"
)

// fieldNeedsSession indexes the MesosNodes that a change of their framework's session
// concerns, by the framework's name: a thousand nodes that are up are not reconciled
// because a master failed over.
const fieldNeedsSession = "k8sm.needsSession"

// fieldAgent indexes MesosNodes by the agent that their task is on.
const fieldAgent = "k8sm.agent"

// SetupWithManager makes the manager run the Reconciler.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	if err := mgr.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.MesosNode{}, fieldNeedsSession, needsSession); err != nil {
		return fmt.Errorf("indexing MesosNodes: %w", err)
	}
	if err := mgr.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.MesosNode{}, fieldAgent, agentIDs); err != nil {
		return fmt.Errorf("indexing MesosNodes by agent: %w", err)
	}
	if err := detach.Index(context.Background(), mgr.GetFieldIndexer()); err != nil {
		return err
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("mesosnode").
		For(&v1alpha1.MesosNode{}).
		Watches(&corev1.Node{}, handler.EnqueueRequestsFromMapFunc(sameName), builder.WithPredicates(relevantChanges())).
		Watches(&v1alpha1.MesosNodePool{}, handler.EnqueueRequestsFromMapFunc(r.ofPool), builder.WithPredicates(inPlaceChanges())).
		Watches(&storagev1.VolumeAttachment{}, handler.EnqueueRequestsFromMapFunc(ofAttachment), builder.WithPredicates(deletions())).
		WatchesRawSource(source.Channel(r.Changes, handler.EnqueueRequestsFromMapFunc(r.requestsFor))).
		WatchesRawSource(source.Channel(r.Runtimes.Changes(), handler.EnqueueRequestsFromMapFunc(r.notLaunched))).
		WithOptions(controller.Options{MaxConcurrentReconciles: r.Concurrency, RateLimiter: queueing.RateLimiter()}).
		Complete(r)
}

// sameName maps a Node to the MesosNode of its name. If there is none, the reconcile ends with
// the first read from the cache.
func sameName(_ context.Context, object client.Object) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: object.GetName()}}}
}

// ofAttachment maps a VolumeAttachment to the MesosNode whose removal may wait for it.
func ofAttachment(_ context.Context, object client.Object) (requests []reconcile.Request) {
	for _, name := range detach.NodeNames(object) {
		requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Name: name}})
	}
	return requests
}

// deletions passes the ends of objects only.
func deletions() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { return false },
		UpdateFunc: func(event.UpdateEvent) bool { return false },
	}
}

// relevantChanges passes the changes of a Node that a step would see. What a kubelet reports
// every few minutes besides is not among them.
func relevantChanges() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*corev1.Node)
		after, same := e.ObjectNew.(*corev1.Node)
		return !ok || !same || isRelevantChange(before, after)
	}}
}

func isRelevantChange(before, after *corev1.Node) bool {
	was, is := nodemodel.KubeletReady(before), nodemodel.KubeletReady(after)
	return was.Status != is.Status || was.Message != is.Message ||
		before.Spec.ProviderID != after.Spec.ProviderID ||
		before.Spec.Unschedulable != after.Spec.Unschedulable ||
		before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero() ||
		!equality.Semantic.DeepEqual(before.Labels, after.Labels) ||
		!equality.Semantic.DeepEqual(before.Annotations, after.Annotations) ||
		nodemetadata.HasRegistrationTaint(after)
}

// needsSession names the framework of a MesosNode that needs its session: to be launched, to
// be given up in time, to have its kubelet upgraded, or to be released.
func needsSession(object client.Object) []string {
	node, ok := object.(*v1alpha1.MesosNode)
	if !ok {
		return nil
	}
	settled := node.Status.ProviderID != "" && node.Status.ProviderID == nodemodel.CurrentProviderID(node)
	if settled && node.DeletionTimestamp.IsZero() && !needsUpgradeMessage(node) {
		return nil
	}
	return []string{node.Spec.FrameworkRef.Name}
}

// agentIDs has the agent ID of a MesosNode that has a task.
func agentIDs(object client.Object) []string {
	node, ok := object.(*v1alpha1.MesosNode)
	if !ok || node.Status.Task == nil {
		return nil
	}
	return []string{node.Status.Task.AgentID}
}

// notLaunched maps a change of the runtimes to the MesosNodes that have no task yet.
func (r *Reconciler) notLaunched(ctx context.Context, _ client.Object) (requests []reconcile.Request) {
	var nodes v1alpha1.MesosNodeList
	if err := r.Client.List(ctx, &nodes, client.UnsafeDisableDeepCopy); err != nil {
		log.FromContext(ctx).Error(err, "Listing the MesosNodes that are not launched failed")
		return nil
	}
	for i := range nodes.Items {
		if nodes.Items[i].Status.Task == nil {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&nodes.Items[i])})
		}
	}
	return requests
}

// requestsFor maps a MesosFramework to the MesosNodes that wait for its session, and a
// MesosNode to those on its agent.
func (r *Reconciler) requestsFor(ctx context.Context, what client.Object) []reconcile.Request {
	fields := client.MatchingFields{fieldNeedsSession: what.GetName()}
	if agents := agentIDs(what); len(agents) > 0 {
		fields = client.MatchingFields{fieldAgent: agents[0]}
	}
	return r.listRequests(ctx, fields, func(*v1alpha1.MesosNode) bool { return true })
}

// listRequests returns a request for each MesosNode that is selected and that include is true for.
func (r *Reconciler) listRequests(ctx context.Context, selection client.ListOption, include func(*v1alpha1.MesosNode) bool) []reconcile.Request {
	var nodes v1alpha1.MesosNodeList
	if err := r.Client.List(ctx, &nodes, selection, client.UnsafeDisableDeepCopy); err != nil {
		log.FromContext(ctx).Error(err, "Listing the MesosNodes that a change concerns failed", "selection", selection)
		return nil
	}
	requests := make([]reconcile.Request, 0, len(nodes.Items))
	for i := range nodes.Items {
		if include(&nodes.Items[i]) {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&nodes.Items[i])})
		}
	}
	return requests
}
