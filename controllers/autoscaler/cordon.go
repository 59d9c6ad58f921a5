package autoscaler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/autoscaler/decision"
	"github.com/k8sm/k8sm/controllers/drain"
	"github.com/k8sm/k8sm/controllers/patch"
)

// A node is removed in two steps. First it is cordoned with a taint of the autoscaler's own.
// Later, when no scheduler can have a pod on its way there any more, everything is decided anew,
// and only a node that is still to be removed is removed. Between the two a pod may have come
// that must not be disrupted; after the first step alone everything can be taken back.

// cordonPeriod is the time between the two steps. A scheduler that had chosen the node before
// it saw the taint has bound its pod by then.
const cordonPeriod = 10 * time.Second

// isCordonedByUs reports whether the autoscaler has cordoned a Node.
func isCordonedByUs(node *corev1.Node) bool {
	return slices.ContainsFunc(node.Spec.Taints, isDisruptionTaint)
}

func isDisruptionTaint(t corev1.Taint) bool { return t.Key == v1alpha1.TaintDisrupted }

// cordonedSince returns when the autoscaler cordoned a Node. The value of the taint has the
// time, in seconds since 1970; a taint without one counts from now on.
func cordonedSince(node *corev1.Node, now time.Time) time.Time {
	for _, t := range node.Spec.Taints {
		if seconds, err := strconv.ParseInt(t.Value, 10, 64); isDisruptionTaint(t) && err == nil {
			return time.Unix(seconds, 0)
		}
	}
	return now
}

// withoutDisruptionTaint returns the Node as it is when it is not removed after all. It returns
// the Node itself if it is not cordoned by the autoscaler.
func withoutDisruptionTaint(node *corev1.Node) *corev1.Node {
	if !isCordonedByUs(node) {
		return node
	}
	out := *node
	out.Spec.Taints = slices.DeleteFunc(slices.Clone(node.Spec.Taints), isDisruptionTaint)
	if len(out.Spec.Taints) == 0 {
		out.Spec.Taints = nil
	}
	return &out
}

// cordon cordons the nodes of the removals that are not cordoned yet, and returns the removals
// that can be carried out now.
func (r *Reconciler) cordon(ctx context.Context, s *Snapshot, removals []decision.Removal, out *outcome) (now []decision.Removal, err error) {
	var problems []error
	for _, removal := range removals {
		object := s.nodes[removal.Node]
		if object == nil {
			now = append(now, removal) // no pod can be there
			continue
		}
		wait := cordonPeriod
		if isCordonedByUs(object) {
			wait = cordonedSince(object, s.now).Add(cordonPeriod).Sub(s.now)
		} else if err := r.addDisruptionTaint(ctx, object, s.now); err != nil {
			problems = append(problems, err)
			continue
		}
		if wait <= 0 {
			shown, err := r.showsAllPods(ctx, s, removal.Node)
			if err != nil {
				problems = append(problems, err)
				continue
			}
			if shown {
				now = append(now, removal)
				continue
			}
			wait = cacheDelay
		}
		if out.recheckIn == 0 || wait < out.recheckIn {
			out.recheckIn = wait
		}
	}
	return now, errors.Join(problems...)
}

func (r *Reconciler) addDisruptionTaint(ctx context.Context, object *corev1.Node, now time.Time) error {
	r.state.mayBeCordoned = true
	after := object.DeepCopy()
	after.Spec.Taints = append(after.Spec.Taints, corev1.Taint{
		Key: v1alpha1.TaintDisrupted, Value: strconv.FormatInt(now.Unix(), 10), Effect: corev1.TaintEffectNoSchedule,
	})
	if err := patch.Object(ctx, r.Client, object, after); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("cordoning Node %s: %w", object.Name, err)
	}
	return nil
}

// showsAllPods reports whether the cache shows all pods of a node that a drain would evict. The
// API server is asked, since the decision to remove the node was made from the cache.
func (r *Reconciler) showsAllPods(ctx context.Context, s *Snapshot, node string) (bool, error) {
	var pods corev1.PodList
	if err := r.Live.List(ctx, &pods, client.MatchingFields{drain.FieldNodeName: node}); err != nil {
		return false, fmt.Errorf("listing the pods of node %s: %w", node, err)
	}
	known := map[types.UID]*corev1.Pod{}
	for _, pod := range s.podsByNode[node] {
		known[pod.UID] = pod
	}
	for i := range pods.Items {
		pod := &pods.Items[i]
		if drain.Decide(pod, drain.Options{Now: s.now}).Verdict != drain.Evict {
			continue
		}
		if shown := known[pod.UID]; shown == nil || shown.Annotations[v1alpha1.AnnotationDoNotDisrupt] != pod.Annotations[v1alpha1.AnnotationDoNotDisrupt] {
			return false, nil
		}
	}
	return true, nil
}

// uncordonOthers lets pods come again to the nodes that the autoscaler has cordoned and that are
// not to be removed after all.
func (r *Reconciler) uncordonOthers(ctx context.Context, s *Snapshot, removals []decision.Removal) error {
	leaving := map[string]bool{}
	for _, name := range s.leaving {
		leaving[name] = true
	}
	for _, removal := range removals {
		leaving[removal.Node] = true
	}
	var problems []error
	for name, object := range s.nodes {
		if !leaving[name] {
			problems = append(problems, r.uncordon(ctx, object))
		}
	}
	return errors.Join(problems...)
}

// uncordonAll does the same for all nodes when no pool is autoscaled any more.
func (r *Reconciler) uncordonAll(ctx context.Context) error {
	if !r.state.mayBeCordoned {
		return nil
	}
	var nodes corev1.NodeList
	if err := r.Client.List(ctx, &nodes, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing Nodes: %w", err)
	}
	var problems []error
	for i := range nodes.Items {
		problems = append(problems, r.uncordon(ctx, &nodes.Items[i]))
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	r.state.mayBeCordoned = false
	return nil
}

// uncordon removes the autoscaler's taint from a Node that has it.
func (r *Reconciler) uncordon(ctx context.Context, object *corev1.Node) error {
	if !isCordonedByUs(object) {
		return nil
	}
	after := withoutDisruptionTaint(object).DeepCopy()
	err := patch.Object(ctx, r.Client, object, after)
	if client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err) {
		return fmt.Errorf("uncordoning Node %s: %w", object.Name, err)
	}
	return nil
}
