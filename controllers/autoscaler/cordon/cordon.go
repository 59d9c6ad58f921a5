package cordon

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
	"github.com/k8sm/k8sm/controllers/drain"
	"github.com/k8sm/k8sm/controllers/patch"
)

const (
	// Period is the time between the two steps. A scheduler that had chosen the node before it
	// saw the taint has bound its pod by then.
	Period = 10 * time.Second
	// cacheRetry is the time after which to look again when the cache does not show all pods of
	// a node.
	cacheRetry = time.Second
)

// IsCordoned reports whether a Node has the taint of this package.
func IsCordoned(node *corev1.Node) bool {
	return slices.ContainsFunc(node.Spec.Taints, isOurs)
}

func isOurs(t corev1.Taint) bool { return t.Key == v1alpha1.TaintDisrupted }

// Without returns the Node as it is without the taint; the Node itself if it does not have it.
func Without(node *corev1.Node) *corev1.Node {
	if !IsCordoned(node) {
		return node
	}
	out := *node
	out.Spec.Taints = slices.DeleteFunc(slices.Clone(node.Spec.Taints), isOurs)
	if len(out.Spec.Taints) == 0 {
		out.Spec.Taints = nil
	}
	return &out
}

// since returns when a Node was cordoned. The value of the taint has the time, in seconds since
// 1970; a taint without one counts from now on.
func since(node *corev1.Node, now time.Time) time.Time {
	for _, t := range node.Spec.Taints {
		if seconds, err := strconv.ParseInt(t.Value, 10, 64); isOurs(t) && err == nil {
			return time.Unix(seconds, 0)
		}
	}
	return now
}

// Cordoner cordons Nodes.
type Cordoner struct {
	// Client writes Nodes.
	Client client.Writer
	// Live lists the pods of a node from the API server, by drain.FieldNodeName.
	Live client.Reader
}

// Cordon cordons a Node unless it is cordoned, and returns the time after which it can be
// removed; 0 if it can be now. Pods are the pods of the node that the decision knew. A node on
// which others run that a drain would evict cannot be removed yet: the decision has to see them.
func (c Cordoner) Cordon(ctx context.Context, node *corev1.Node, pods []*corev1.Pod, now time.Time) (wait time.Duration, err error) {
	if !IsCordoned(node) {
		return Period, c.addTaint(ctx, node, now)
	}
	if wait := since(node, now).Add(Period).Sub(now); wait > 0 {
		return wait, nil
	}
	known, err := c.knowsAllPods(ctx, node.Name, pods, now)
	if err != nil || !known {
		return cacheRetry, err
	}
	return 0, nil
}

func (c Cordoner) addTaint(ctx context.Context, node *corev1.Node, now time.Time) error {
	after := node.DeepCopy()
	after.Spec.Taints = append(after.Spec.Taints, corev1.Taint{
		Key: v1alpha1.TaintDisrupted, Value: strconv.FormatInt(now.Unix(), 10), Effect: corev1.TaintEffectNoSchedule,
	})
	if err := patch.Object(ctx, c.Client, node, after); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("cordoning Node %s: %w", node.Name, err)
	}
	return nil
}

// knowsAllPods reports whether these are all pods of a node that a drain would evict, with the
// annotation that forbids it where they have it.
func (c Cordoner) knowsAllPods(ctx context.Context, node string, pods []*corev1.Pod, now time.Time) (bool, error) {
	var live corev1.PodList
	if err := c.Live.List(ctx, &live, client.MatchingFields{drain.FieldNodeName: node}); err != nil {
		return false, fmt.Errorf("listing the pods of node %s: %w", node, err)
	}
	known := map[types.UID]*corev1.Pod{}
	for _, pod := range pods {
		known[pod.UID] = pod
	}
	for _, decided := range drain.DecideAll(live.Items, drain.Options{Now: now}).Decisions {
		if decided.Verdict != drain.Evict && decided.Verdict != drain.Hold {
			continue
		}
		before := known[decided.Pod.UID]
		if before == nil || drain.Decide(before, drain.Options{Now: now}).Reason != decided.Reason {
			return false, nil
		}
	}
	return true, nil
}

// Uncordon removes the taint from the Nodes that have it. A Node that somebody else changed
// meanwhile is left to the next call, which its change causes.
func (c Cordoner) Uncordon(ctx context.Context, nodes ...*corev1.Node) error {
	var problems []error
	for _, node := range nodes {
		if !IsCordoned(node) {
			continue
		}
		err := patch.Object(ctx, c.Client, node, Without(node).DeepCopy())
		if client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err) {
			problems = append(problems, fmt.Errorf("uncordoning Node %s: %w", node.Name, err))
		}
	}
	return errors.Join(problems...)
}
