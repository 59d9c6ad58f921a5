package disruption

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/drain"
	"github.com/k8sm/k8sm/controllers/messages"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/controllers/patch"
	"github.com/k8sm/k8sm/controllers/podstate"
)

// heldInterval is the time after which pods that keep their node are looked at again.
const heldInterval = time.Minute

// held returns which pods keep a node from being replaced now, in words; empty if none does. If the
// drain is limited in time, none does, as in Karpenter. What cannot be read keeps the node, too.
func (r *Reconciler) held(ctx context.Context, pool *v1alpha1.MesosNodePool, node string) string {
	if pool.Spec.Drain.TerminationGracePeriod != nil || pool.Spec.Drain.Timeout != nil {
		return ""
	}
	var pods corev1.PodList
	if err := r.Live.List(ctx, &pods, client.MatchingFields{drain.FieldNodeName: node}); err != nil {
		return fmt.Sprintf("its pods cannot be listed: %s", err)
	}
	var names []string
	for i := range pods.Items {
		pod := &pods.Items[i]
		protected, _ := podstate.DoNotDisrupt(pod, r.Now())
		if protected != "" && drain.Decide(pod, drain.Options{Now: r.Now()}).Verdict != drain.Ignore {
			names = append(names, fmt.Sprintf("pod %s/%s %s", pod.Namespace, pod.Name, protected))
		}
	}
	slices.Sort(names)
	return messages.List(names, "; ", 3)
}

// label writes the revision into the labels of nodes that are of the current one and do not say
// so: nodes that an earlier operator made, and nodes whose kubelet was exchanged in place. Left is
// true if there are more.
func (r *Reconciler) label(ctx context.Context, o *observation) (left bool, err error) {
	written := 0
	for _, n := range o.nodes.Alive {
		if !o.isToBeLabelled(n) {
			continue
		}
		if written == batchSize {
			return true, nil
		}
		after := n.DeepCopy()
		if after.Labels == nil {
			after.Labels = map[string]string{}
		}
		after.Labels[v1alpha1.LabelRevision] = string(o.revision)
		switch err := patch.Object(ctx, r.Client, n, after); {
		case err == nil:
			written++
		case !apierrors.IsConflict(err) && !apierrors.IsNotFound(err):
			return false, fmt.Errorf("labelling MesosNode %s with its revision: %w", n.Name, err)
		}
	}
	return false, nil
}

func (o *observation) isToBeLabelled(n *v1alpha1.MesosNode) bool {
	label := n.Labels[v1alpha1.LabelRevision]
	if o.revision == "" || label == string(o.revision) {
		return false
	}
	if label == "" {
		return true
	}
	if o.pool.Spec.Rollout.Kubelet != v1alpha1.KubeletInPlace || o.isOutdated(n) || n.Status.Task == nil || n.Status.Task.Kubelet == nil {
		return false
	}
	running := n.Status.Task.Kubelet.SHA256
	return slices.ContainsFunc(o.kubelets, func(a v1alpha1.Artifact) bool { return a.SHA256 == running })
}

// taint puts the taint PreferNoSchedule on the Nodes that wait to be replaced, and removes it from
// those that may stay after all. Left is true if there are more.
func (r *Reconciler) taint(ctx context.Context, o *observation) (left bool, err error) {
	written := 0
	for _, n := range o.nodes.Alive {
		object := o.objects[n.Name]
		if object == nil || !nodemodel.IsReady(n) {
			continue
		}
		_, candidate := o.causes[n.Name]
		if wanted := candidate && !o.isPaused(); wanted == isTainted(object) {
			continue
		}
		if written == batchSize {
			return true, nil
		}
		switch err := patch.Object(ctx, r.Client, object, toggleTaint(object)); {
		case err == nil:
			written++
		case !apierrors.IsConflict(err) && !apierrors.IsNotFound(err):
			return false, fmt.Errorf("setting taint %s of Node %s: %w", v1alpha1.TaintOutdated, n.Name, err)
		}
	}
	return false, nil
}

func isOurs(t corev1.Taint) bool { return t.Key == v1alpha1.TaintOutdated }

func isTainted(node *corev1.Node) bool { return slices.ContainsFunc(node.Spec.Taints, isOurs) }

// toggleTaint returns a copy of the Node that has the taint if the Node does not, and the other
// way round.
func toggleTaint(node *corev1.Node) *corev1.Node {
	out := node.DeepCopy()
	if isTainted(node) {
		out.Spec.Taints = slices.DeleteFunc(out.Spec.Taints, isOurs)
		return out
	}
	out.Spec.Taints = append(out.Spec.Taints, corev1.Taint{Key: v1alpha1.TaintOutdated, Effect: corev1.TaintEffectPreferNoSchedule})
	return out
}

// sentence begins with a capital letter and ends with a full stop.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + strings.TrimRight(text[1:], ".") + "."
}
