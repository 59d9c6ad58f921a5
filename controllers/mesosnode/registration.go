package mesosnode

import (
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

// register answers for the condition Registered: it finds the Node that the kubelet
// made, known by its name and provider ID, and puts on it what the kubelet may not.
//
// The Node has no owner reference to the MesosNode. The garbage collector would delete
// it as soon as the MesosNode is gone by whatever way, and a Node must not go while its
// task may run: nothing but termination deletes one.
func (r *Reconciler) register(ctx context.Context, p *pass) error {
	switch {
	case nodemodel.HasEnded(p.node.Status.Task):
		return nil // launch has said all there is to say
	case p.ours():
		return r.dress(ctx, p)
	case p.foreign():
		p.set(v1alpha1.ConditionRegistered, metav1.ConditionFalse, v1alpha1.ReasonNodeForeign, foreignNode(p))
	case p.object != nil && nodemodel.AttemptOf(p.node, p.object.Spec.ProviderID) < p.node.Status.Attempt:
		p.set(v1alpha1.ConditionRegistered, metav1.ConditionFalse, v1alpha1.ReasonNodeNotFound, "The Node of an earlier attempt, whose task has ended, is being removed.")
		return r.removeNode(ctx, p.object)
	case p.object == nil && p.registered():
		return r.mourn(ctx, p)
	default:
		p.set(v1alpha1.ConditionRegistered, metav1.ConditionFalse, v1alpha1.ReasonNodeNotFound, "The kubelet has not registered its Node yet.")
	}
	return nil
}

// mourn gives up on a node whose Node is gone while its task runs. The API server is
// asked before: a cache that was filled a moment ago may not show the Node yet.
func (r *Reconciler) mourn(ctx context.Context, p *pass) error {
	object, err := r.liveNode(ctx, p.node.Name)
	if err != nil || object != nil {
		return err
	}
	r.giveUp(p, v1alpha1.ReasonNodeDeleted, v1alpha1.ConditionRegistered,
		"The Node was deleted while its kubelet runs; a kubelet does not register again, so this MesosNode is released and replaced.")
	return nil
}

// liveNode reads a Node from the API server, nil when there is none.
func (r *Reconciler) liveNode(ctx context.Context, name string) (*corev1.Node, error) {
	object := &corev1.Node{}
	switch err := r.Live.Get(ctx, client.ObjectKey{Name: name}, object); {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading Node %s from the API server: %w", name, err)
	}
	return object, nil
}

// dress gives the Node its labels and annotations, and its taints when it is new:
// who takes a taint off later means it. Startup taints are the kubelet's to bring: they
// may be off already when the Node is first seen.
func (r *Reconciler) dress(ctx context.Context, p *pass) error {
	fresh := p.node.Status.ProviderID != nodemodel.CurrentProviderID(p.node)
	base := p.object.DeepCopy()
	dressed := dressedNode(p.object, p.node, fresh)
	if !equality.Semantic.DeepEqual(base, dressed) {
		patch := client.MergeFromWithOptions(base, client.MergeFromWithOptimisticLock{})
		if err := r.Client.Patch(ctx, dressed, patch); err != nil {
			return fmt.Errorf("labelling Node %s: %w", p.node.Name, err)
		}
	}
	p.node.Status.NodeName = p.node.Name
	p.node.Status.ProviderID = nodemodel.CurrentProviderID(p.node)
	p.node.Status.Failures = nil
	if p.set(v1alpha1.ConditionRegistered, metav1.ConditionTrue, v1alpha1.ReasonNodeRegistered, fmt.Sprintf("The Node registered from agent %s.", nodemodel.AgentName(p.node.Status.Task))) {
		r.toldRegistered(p)
	}
	return nil
}

// dressedNode returns the Node as it should be: nothing is taken from it.
func dressedNode(object *corev1.Node, node *v1alpha1.MesosNode, fresh bool) *corev1.Node {
	out := object.DeepCopy()
	if out.Labels == nil {
		out.Labels = map[string]string{}
	}
	maps.Copy(out.Labels, nodemodel.Labels(node))
	if len(node.Spec.Template.Metadata.Annotations) > 0 && out.Annotations == nil {
		out.Annotations = map[string]string{}
	}
	maps.Copy(out.Annotations, node.Spec.Template.Metadata.Annotations)
	if !fresh {
		return out
	}
	for _, t := range node.Spec.Template.Spec.Taints {
		taint := corev1.Taint{Key: t.Key, Value: t.Value, Effect: t.Effect}
		same := func(t corev1.Taint) bool { return t.MatchTaint(&taint) }
		if !slices.ContainsFunc(out.Spec.Taints, same) {
			out.Spec.Taints = append(out.Spec.Taints, taint)
		}
	}
	return out
}

// removeNode deletes the Node, and no other that may follow it under the same name.
func (r *Reconciler) removeNode(ctx context.Context, object *corev1.Node) error {
	if !object.DeletionTimestamp.IsZero() {
		return nil
	}
	err := r.Client.Delete(ctx, object, client.Preconditions{UID: &object.UID})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting Node %s: %w", object.Name, err)
	}
	return nil
}

func foreignNode(p *pass) string {
	id := p.object.Spec.ProviderID
	if id == "" {
		id = "none"
	}
	return fmt.Sprintf("A Node named %q exists that was not made for this MesosNode (provider ID: %s); it is left alone. "+
		"Delete this MesosNode to have it replaced under another name.", p.object.Name, id)
}
