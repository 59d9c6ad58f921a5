package mesosnodepool

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/disruptionbudget"
	"github.com/k8sm/k8sm/controllers/messages"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/controllers/patch"
)

// UpgradeInput is all that the decision depends on which nodes get another kubelet.
type UpgradeInput struct {
	// Wanted returns the kubelet that a node should run, nil when it keeps what it has.
	Wanted func(*v1alpha1.MesosNode) *v1alpha1.Artifact
	// MaxUnavailable bounds the number of nodes that are not Ready or being upgraded.
	MaxUnavailable int
	// Alive are the pool's nodes that are not being deleted, in any order.
	Alive []*v1alpha1.MesosNode
}

// PlanUpgrades returns the nodes whose status.kubeletUpgrade must become what is wanted, in
// order. An upgrade that was begun is corrected at once. New ones are begun only as far as nodes
// may be unavailable, and none once a node has refused what is wanted: the others would most
// likely refuse it, too.
func PlanUpgrades(k UpgradeInput) []*v1alpha1.MesosNode {
	var correct, begin []*v1alpha1.MesosNode
	room, halted := k.MaxUnavailable, false
	for _, n := range slices.SortedFunc(slices.Values(k.Alive), byName) {
		wanted := k.Wanted(n)
		state := progressOf(n, wanted)
		switch {
		case state == upgradeRefused:
			halted = true
		case state == upgradeUnderWay || !nodemodel.IsReady(n):
			room--
		case state == upgradeDue:
			begin = append(begin, n)
		}
		upgrade := n.Status.KubeletUpgrade
		if (state == upgradeSettled && upgrade != nil || state == upgradeUnderWay) && !equality.Semantic.DeepEqual(upgrade, wanted) {
			correct = append(correct, n)
		}
	}
	if halted {
		room = 0
	}
	return append(correct, begin[:min(len(begin), max(room, 0))]...)
}

// upgradeProgress is how far a node has come on its way to the kubelet that is wanted.
type upgradeProgress int

const (
	upgradeSettled  upgradeProgress = iota // it runs, or none is wanted
	upgradeDue                             // it could be upgraded
	upgradeStuck                           // its executor does not report its kubelet, or not yet
	upgradeUnderWay                        // it was sent this request, or still works on another
	upgradeRefused                         // its executor refused what is wanted
)

func progressOf(n *v1alpha1.MesosNode, wanted *v1alpha1.Artifact) upgradeProgress {
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

// upgradeInput is the part of the observation that the decision on upgrades depends on. Without
// nodes none gets another kubelet: that is so while the template's runtime is refused.
func (o observation) upgradeInput() UpgradeInput {
	if o.isRuntimeRefused() {
		return UpgradeInput{}
	}
	most := ptr.Deref(o.pool.Spec.Rollout.MaxUnavailable, intstr.FromInt32(1))
	k := UpgradeInput{MaxUnavailable: disruptionbudget.Resolve(most, len(o.nodes.Alive)), Alive: o.nodes.Alive, Wanted: o.wantedKubelet}
	if o.pool.Spec.Paused || o.pool.Spec.Rollout.Paused {
		k.MaxUnavailable = 0
	}
	return k
}

// isRuntimeRefused reports whether the template has artifacts that the operator does not allow,
// or chooses a runtime that nodes cannot have.
func (o observation) isRuntimeRefused() bool {
	return slices.Contains([]string{v1alpha1.ReasonArtifactsNotAllowed, v1alpha1.ReasonRuntimeVersionUnknown, v1alpha1.ReasonKubeletVersionSkew}, o.refusal.Reason)
}

// wantedKubelet returns the kubelet that a node should run by the template, for the architecture
// of its agent; nil if it keeps what it has.
func (o observation) wantedKubelet(n *v1alpha1.MesosNode) *v1alpha1.Artifact {
	if !o.upgradesInPlace() {
		return nil
	}
	task := n.Status.Task
	if task == nil || task.Kubelet == nil {
		return o.runtime.Kubelet("")
	}
	if task.Kubelet.Architecture == "" { // The executor is of a release that does not report it.
		for _, kubelet := range o.kubelets() {
			if kubelet.SHA256 == task.Kubelet.SHA256 {
				return kubelet
			}
		}
	}
	return o.runtime.Kubelet(task.Kubelet.Architecture)
}

// kubelets returns the template's kubelets that can be exchanged in place: one for all agents,
// or one for each architecture.
func (o observation) kubelets() (all []*v1alpha1.Artifact) {
	for _, architecture := range append(o.runtime.Architectures(), "") {
		if kubelet := o.runtime.Kubelet(architecture); kubelet != nil {
			all = append(all, kubelet)
		}
	}
	return all
}

func (o observation) upgradesInPlace() bool {
	return o.pool.Spec.Rollout.Kubelet == v1alpha1.KubeletInPlace && !o.isDeleting()
}

// writeUpgrades writes into the nodes' records which kubelet they should run. The controller
// of MesosNodes sends it to the executors.
func (r *Reconciler) writeUpgrades(ctx context.Context, k UpgradeInput) error {
	for _, n := range PlanUpgrades(k) {
		changed := n.DeepCopy()
		changed.Status.KubeletUpgrade = k.Wanted(n)
		if err := patch.Status(ctx, r.Client, n, changed); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("writing the kubelet of MesosNode %s: %w", n.Name, err)
		}
	}
	return nil
}

// kubeletCurrentCondition counts the pool's nodes that run the kubelet of its template.
func (o observation) kubeletCurrentCondition() metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionKubeletCurrent, Status: metav1.ConditionFalse}
	if o.isRuntimeRefused() {
		c.Reason = v1alpha1.ReasonKubeletNotReplaceable
		c.Message = truncate("No kubelet is exchanged, because the template cannot be used: " + o.refusal.Message)
		return c
	}
	if len(o.kubelets()) == 0 {
		c.Reason = v1alpha1.ReasonKubeletNotReplaceable
		c.Message = `No artifact named "kubelet" is of type Binary: a kubelet that comes in an archive is not upgraded in place.`
		return c
	}
	states := map[upgradeProgress][]*v1alpha1.MesosNode{}
	for _, n := range slices.SortedFunc(slices.Values(o.nodes.Alive), byName) {
		wanted := o.wantedKubelet(n)
		state := progressOf(n, wanted)
		if wanted == nil {
			state = upgradeStuck // Which of the kubelets is for its agent is not known.
		}
		states[state] = append(states[state], n)
	}
	progress := fmt.Sprintf("%d of %s the template's kubelet", len(states[upgradeSettled]), messages.Count(len(o.nodes.Alive), "node runs", "nodes run"))
	switch {
	case len(states[upgradeRefused]) > 0:
		c.Reason = v1alpha1.ReasonKubeletRefused
		n := states[upgradeRefused][0]
		c.Message = truncate(fmt.Sprintf("%s, and no more are upgraded until the template names another. %s: %s", progress, n.Name, n.Status.Task.Kubelet.Upgrade.Message))
	case len(states[upgradeUnderWay])+len(states[upgradeDue]) > 0:
		c.Reason = v1alpha1.ReasonKubeletUpgrading
		c.Message = fmt.Sprintf("%s, %d are being upgraded.", progress, len(states[upgradeUnderWay]))
	case slices.ContainsFunc(states[upgradeStuck], nodemodel.IsReady):
		c.Reason = v1alpha1.ReasonKubeletNotReplaceable
		c.Message = truncate(fmt.Sprintf("%s. The executors of these nodes are of a release that cannot exchange it, or there is no kubelet for their architecture: %s. Delete them to have them replaced.", progress, joinNames(states[upgradeStuck])))
	default:
		c.Status, c.Reason, c.Message = metav1.ConditionTrue, v1alpha1.ReasonKubeletCurrent, progress+"."
	}
	return c
}

func joinNames(nodes []*v1alpha1.MesosNode) string {
	var out []string
	for _, n := range nodes {
		out = append(out, n.Name)
	}
	return strings.Join(out, ", ")
}
