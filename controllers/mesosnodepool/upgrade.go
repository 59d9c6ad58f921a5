package mesosnodepool

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// Kubelets is all that goes into the decision which nodes get another kubelet.
type Kubelets struct {
	// Wanted is what nodes are to run; nil: each keeps what it has.
	Wanted *v1alpha1.Artifact
	// MaxUnavailable bounds how many nodes are not Ready or in the midst of an upgrade.
	MaxUnavailable int
	// Alive are the pool's nodes that are not being deleted, in any order.
	Alive []*v1alpha1.MesosNode
}

// PlanUpgrades returns the nodes whose status.kubeletUpgrade is to become what is wanted,
// in order. What was begun is corrected at once; begun is only as much as may be
// unavailable, and nothing once a node has refused what is wanted: it would fare alike on
// the others.
func PlanUpgrades(k Kubelets) []*v1alpha1.MesosNode {
	var correct, begin []*v1alpha1.MesosNode
	room, halted := k.MaxUnavailable, false
	for _, n := range slices.SortedFunc(slices.Values(k.Alive), byName) {
		state := upgradeState(n, k.Wanted)
		switch {
		case state == upgradeRefused:
			halted = true
		case state == upgradeUnderWay || !available(n):
			room--
		case state == upgradeDue:
			begin = append(begin, n)
		}
		upgrade := n.Status.KubeletUpgrade
		if (state == upgradeSettled && upgrade != nil || state == upgradeUnderWay) && !equality.Semantic.DeepEqual(upgrade, k.Wanted) {
			correct = append(correct, n)
		}
	}
	if halted {
		room = 0
	}
	return append(correct, begin[:min(len(begin), max(room, 0))]...)
}

// upgrading is where a node is on its way to the kubelet that is wanted.
type upgrading int

const (
	upgradeSettled  upgrading = iota // it runs, or none is wanted
	upgradeDue                       // it could be upgraded
	upgradeStuck                     // its executor tells nothing of its kubelet, or not yet
	upgradeUnderWay                  // it was told, or is told another at present
	upgradeRefused                   // its executor refused what is wanted
)

func upgradeState(n *v1alpha1.MesosNode, wanted *v1alpha1.Artifact) upgrading {
	task := n.Status.Task
	if wanted == nil {
		return upgradeSettled
	}
	if task == nil || task.Kubelet == nil {
		return upgradeStuck
	}
	u := task.Kubelet.Upgrade
	switch {
	case task.Kubelet.SHA256 == wanted.SHA256:
		return upgradeSettled
	case u != nil && u.Refused && u.SHA256 == wanted.SHA256:
		return upgradeRefused
	case n.Status.KubeletUpgrade == nil, n.Status.KubeletUpgrade.SHA256 == task.Kubelet.SHA256,
		u != nil && u.Refused && u.SHA256 == n.Status.KubeletUpgrade.SHA256:
		return upgradeDue // at rest: nothing of an earlier upgrade goes on
	}
	return upgradeUnderWay
}

// kubelets is what of the observation goes into the decision.
func (o observation) kubelets() Kubelets {
	k := Kubelets{MaxUnavailable: int(o.pool.Spec.Rollout.MaxUnavailable), Alive: o.nodes.Alive}
	if o.upgradesInPlace() {
		k.Wanted = o.kubelet
	}
	if o.pool.Spec.Paused {
		k.MaxUnavailable = 0
	}
	return k
}

func (o observation) upgradesInPlace() bool {
	return o.pool.Spec.Rollout.Kubelet == v1alpha1.KubeletInPlace && !o.deleting()
}

// upgrade writes into the nodes' records which kubelet they are to run. Their own
// controller tells the executors.
func (r *Reconciler) upgrade(ctx context.Context, k Kubelets) error {
	for _, n := range PlanUpgrades(k) {
		changed := n.DeepCopy()
		changed.Status.KubeletUpgrade = k.Wanted
		err := r.Client.Status().Patch(ctx, changed, client.MergeFromWithOptions(n, client.MergeFromWithOptimisticLock{}))
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("writing the kubelet of MesosNode %s: %w", n.Name, err)
		}
	}
	return nil
}

// kubeletCurrent tells how far the pool's nodes are with the kubelet of its template.
func (o observation) kubeletCurrent() metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionKubeletCurrent, Status: metav1.ConditionFalse}
	if o.kubelet == nil {
		c.Reason = v1alpha1.ReasonKubeletNotReplaceable
		c.Message = `No artifact named "kubelet" is of type Binary: a kubelet that comes in an archive is not upgraded in place.`
		return c
	}
	states := map[upgrading][]*v1alpha1.MesosNode{}
	for _, n := range slices.SortedFunc(slices.Values(o.nodes.Alive), byName) {
		state := upgradeState(n, o.kubelet)
		states[state] = append(states[state], n)
	}
	progress := fmt.Sprintf("%d of %s the template's kubelet", len(states[upgradeSettled]), counted(len(o.nodes.Alive), "node runs", "nodes run"))
	switch {
	case len(states[upgradeRefused]) > 0:
		c.Reason = v1alpha1.ReasonKubeletRefused
		n := states[upgradeRefused][0]
		c.Message = cut(fmt.Sprintf("%s, and no more are upgraded until it is another. %s: %s", progress, n.Name, n.Status.Task.Kubelet.Upgrade.Message))
	case len(states[upgradeUnderWay])+len(states[upgradeDue]) > 0:
		c.Reason = v1alpha1.ReasonKubeletUpgrading
		c.Message = fmt.Sprintf("%s, %d on the way.", progress, len(states[upgradeUnderWay]))
	case slices.ContainsFunc(states[upgradeStuck], available):
		c.Reason = v1alpha1.ReasonKubeletNotReplaceable
		c.Message = cut(fmt.Sprintf("%s. The executors of these are of a release that cannot exchange it: %s. Delete them to have them replaced.", progress, named(states[upgradeStuck])))
	default:
		c.Status, c.Reason, c.Message = metav1.ConditionTrue, v1alpha1.ReasonKubeletCurrent, progress+"."
	}
	return c
}

func named(nodes []*v1alpha1.MesosNode) string {
	var out []string
	for _, n := range nodes {
		out = append(out, n.Name)
	}
	return strings.Join(out, ", ")
}

// available tells whether pods can run there.
func available(n *v1alpha1.MesosNode) bool {
	return meta.IsStatusConditionTrue(n.Status.Conditions, v1alpha1.ConditionReady)
}
