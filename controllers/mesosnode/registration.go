package mesosnode

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/messages"
	"github.com/k8sm/k8sm/controllers/nodemetadata"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/controllers/patch"
)

// register is responsible for the condition Registered: it finds the Node that the kubelet
// made, by its name and provider ID, and gives it what the kubelet may not give it.
//
// The Node has no owner reference to the MesosNode. The garbage collector would delete
// it as soon as the MesosNode is gone by whatever way, and a Node must not go while its
// task may run: nothing but termination deletes one.
func (r *Reconciler) register(ctx context.Context, rc *reconcileContext) error {
	switch {
	case nodemodel.HasEnded(rc.node.Status.Task):
		return nil // launch has set the conditions
	case rc.hasCurrentNode():
		return r.syncNode(ctx, rc)
	case rc.hasForeignNode():
		rc.setCondition(v1alpha1.ConditionRegistered, metav1.ConditionFalse, v1alpha1.ReasonNodeForeign, describeForeignNode(rc))
	case rc.kubeNode != nil && nodemodel.AttemptOf(rc.node, rc.kubeNode.Spec.ProviderID) < rc.node.Status.Attempt:
		rc.setCondition(v1alpha1.ConditionRegistered, metav1.ConditionFalse, v1alpha1.ReasonNodeNotFound, "The Node of an earlier attempt, whose task has ended, is being removed.")
		return r.deleteNodeObject(ctx, rc.kubeNode)
	case rc.kubeNode == nil && rc.hasRegistered():
		return r.handleNodeDeleted(ctx, rc)
	default:
		rc.setCondition(v1alpha1.ConditionRegistered, metav1.ConditionFalse, v1alpha1.ReasonNodeNotFound, "The kubelet has not registered its Node yet.")
	}
	return nil
}

// handleNodeDeleted deletes a MesosNode whose Node was deleted while its task runs. The API server
// is asked before: a cache that was filled a moment ago may not show the Node yet.
func (r *Reconciler) handleNodeDeleted(ctx context.Context, rc *reconcileContext) error {
	object, err := r.readLiveNode(ctx, rc.node.Name)
	if err != nil || object != nil {
		return err
	}
	r.deleteMesosNode(rc, v1alpha1.ReasonNodeDeleted, v1alpha1.ConditionRegistered,
		"The Node was deleted while its kubelet runs; a kubelet does not register again, so this MesosNode is released and replaced.")
	return nil
}

// readLiveNode reads a Node from the API server, nil when there is none.
func (r *Reconciler) readLiveNode(ctx context.Context, name string) (*corev1.Node, error) {
	object := &corev1.Node{}
	switch err := r.Live.Get(ctx, client.ObjectKey{Name: name}, object); {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading Node %s from the API server: %w", name, err)
	}
	return object, nil
}

// syncNode gives the Node its labels, annotations and taints, and removes the registration taint in
// the same write. The kubelet itself brings the startup taints: they may be off already when the
// Node is first seen.
func (r *Reconciler) syncNode(ctx context.Context, rc *reconcileContext) error {
	desired := nodemetadata.Desired(rc.kubeNode, rc.node, rc.pool)
	if !equality.Semantic.DeepEqual(rc.kubeNode, desired) {
		if err := patch.Object(ctx, r.Client, rc.kubeNode, desired); err != nil {
			reportRefusedUpdate(rc, err)
			return fmt.Errorf("labelling Node %s: %w", rc.node.Name, err)
		}
	}
	if nodemetadata.IsWithoutTaint(rc.kubeNode, rc.node) {
		r.recordWithoutTaintEvent(rc)
	}
	rc.node.Status.NodeName = rc.node.Name
	rc.node.Status.ProviderID = nodemodel.CurrentProviderID(rc.node)
	rc.node.Status.Failures = nil
	if rc.setCondition(v1alpha1.ConditionRegistered, metav1.ConditionTrue, v1alpha1.ReasonNodeRegistered, fmt.Sprintf("The Node registered from agent %s.", nodemodel.AgentName(rc.node.Status.Task))) {
		r.recordRegisteredEvent(rc)
	}
	return nil
}

// reportRefusedUpdate writes into the condition that the API server does not accept what the
// Node should have. Other errors pass by themselves.
func reportRefusedUpdate(rc *reconcileContext, err error) {
	if !apierrors.IsForbidden(err) && !apierrors.IsInvalid(err) && !apierrors.IsBadRequest(err) && !apierrors.IsRequestEntityTooLargeError(err) {
		return
	}
	status, consequence := metav1.ConditionTrue, "The Node stays as it is."
	if nodemetadata.IsRegistering(rc.kubeNode, rc.node) {
		status, consequence = metav1.ConditionFalse, fmt.Sprintf("The Node keeps the taint %s, so it takes no pods.", v1alpha1.TaintUnregistered)
	}
	rc.setCondition(v1alpha1.ConditionRegistered, status, v1alpha1.ReasonNodeUpdateRefused, messages.Truncate(fmt.Sprintf(
		"The API server refuses the labels, annotations or taints that the template sets on the Node. %s Change the template, or what refuses them: %v", consequence, err), messages.MaxEvent))
}

// deleteNodeObject deletes the Node, and no other that may follow it under the same name.
func (r *Reconciler) deleteNodeObject(ctx context.Context, object *corev1.Node) error {
	if !object.DeletionTimestamp.IsZero() {
		return nil
	}
	err := r.Client.Delete(ctx, object, client.Preconditions{UID: &object.UID})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting Node %s: %w", object.Name, err)
	}
	return nil
}

func describeForeignNode(rc *reconcileContext) string {
	id := rc.kubeNode.Spec.ProviderID
	if id == "" {
		id = "none"
	}
	return fmt.Sprintf("A Node named %q exists that was not made for this MesosNode (provider ID: %s); it is left alone. "+
		"Delete this MesosNode to have it replaced under another name.", rc.kubeNode.Name, id)
}
