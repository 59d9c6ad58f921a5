package simulation

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

const (
	// usualLag is the time for which an operator may act on an old state: caches lag, and a
	// reconcile makes several calls before its last write.
	usualLag = 10 * time.Second
	// greatestLag is the same during and after an outage of the API server and a freeze.
	greatestLag = 75 * time.Second
)

// disruptionState is what the checks of replacements and budgets remember.
type disruptionState struct {
	// versions are the specs that pools have had, by UID of the pool.
	versions map[types.UID][]poolVersion
	nodes    map[types.UID]*nodeHistory
	// makeups has, by the first half of a revision, what nodes of it are made of, and revisions
	// the opposite.
	makeups, revisions map[string]string
}

// poolVersion is a pool as it was, until when; zero while it is the current one.
type poolVersion struct {
	pool  *v1alpha1.MesosNodePool
	until time.Time
}

// nodeHistory is when what changed of a MesosNode.
type nodeHistory struct {
	readiness, registration time.Time // when it last became ready, or ceased to be, and the same for registered
	deleted, gone           time.Time
	deletedBy               string
	// forRollout: it was deleted by an operator, and only a rollout can be the cause.
	forRollout bool
	pool       types.UID
}

func newDisruptionState() disruptionState {
	return disruptionState{
		versions: map[types.UID][]poolVersion{}, nodes: map[types.UID]*nodeHistory{},
		makeups: map[string]string{}, revisions: map[string]string{},
	}
}

// lag returns the time for which an operator may act on an old state now.
func (c *checks) lag() time.Duration {
	if time.Since(c.world.lastDisturbance()) < 2*greatestLag {
		return greatestLag
	}
	return usualLag
}

// recordPoolVersion records the specs that pools had lately.
func (c *checks) recordPoolVersion(ch change) {
	if ch.after == nil {
		return
	}
	p := ch.after.(*v1alpha1.MesosNodePool)
	versions := c.disruptions.versions[p.UID]
	if n := len(versions); n > 0 {
		if versions[n-1].pool.Generation == p.Generation {
			return
		}
		versions[n-1].until = time.Now()
	}
	c.disruptions.versions[p.UID] = append(versions, poolVersion{pool: p})
}

// recentPools returns the pool of a node as it is, and as it lately was, the present one last.
func (c *checks) recentPools(n *v1alpha1.MesosNode) (out []*v1alpha1.MesosNodePool) {
	for _, v := range c.disruptions.versions[poolUID(n)] {
		if v.until.IsZero() || time.Since(v.until) < c.lag() {
			out = append(out, v.pool)
		}
	}
	return out
}

func poolUID(n *v1alpha1.MesosNode) types.UID {
	if owner := metav1.GetControllerOf(n); owner != nil {
		return owner.UID
	}
	return ""
}

// nodeChanged checks the creation and the deletion of a MesosNode by an operator, and remembers
// what changed.
func (c *checks) nodeChanged(ch change) {
	before, _ := ch.before.(*v1alpha1.MesosNode)
	after, _ := ch.after.(*v1alpha1.MesosNode)
	byOperator := strings.HasPrefix(ch.actor, "operator")
	switch {
	case before == nil:
		c.disruptions.nodes[after.UID] = &nodeHistory{pool: poolUID(after), readiness: time.Now(), registration: time.Now()}
		c.checkPoolSize(ch.actor, after)
		if byOperator {
			c.checkRevision(after)
			c.checkSurge(ch.actor, after)
		}
		return
	case after == nil:
		c.disruptions.nodes[before.UID].gone = time.Now()
		return
	}
	h := c.disruptions.nodes[after.UID]
	if nodemodel.IsReady(before) != nodemodel.IsReady(after) {
		h.readiness = time.Now()
	}
	if nodemodel.IsRegistered(before) != nodemodel.IsRegistered(after) {
		h.registration = time.Now()
	}
	if byOperator && before.Labels[v1alpha1.LabelRevision] != after.Labels[v1alpha1.LabelRevision] {
		c.checkRevision(after)
	}
	if before.DeletionTimestamp.IsZero() && !after.DeletionTimestamp.IsZero() {
		h.deleted, h.deletedBy = time.Now(), ch.actor
		if byOperator {
			h.forRollout = c.checkDeletion(ch.actor, after)
		}
	}
}

// checkRevision checks that nodes have the same revision if they are made of the same, and only
// then.
func (c *checks) checkRevision(n *v1alpha1.MesosNode) {
	base, _, _ := strings.Cut(n.Labels[v1alpha1.LabelRevision], "-")
	made := makeup(n.Spec.Template)
	if base == "" {
		c.world.fail("MesosNode %s was made without a revision", n.Name)
		return
	}
	if other, ok := c.disruptions.makeups[base]; ok && other != made {
		c.world.fail("MesosNode %s is of revision %s and made of %s; others of the revision are made of %s", n.Name, base, made, other)
	}
	if other, ok := c.disruptions.revisions[made]; ok && other != base {
		c.world.fail("MesosNode %s is of revision %s; others that are made of the same are of revision %s", n.Name, base, other)
	}
	c.disruptions.makeups[base], c.disruptions.revisions[made] = made, base
}

// tally counts the nodes of a pool, in favour of the operator: what changed lately counts as
// whatever permits more.
type tally struct {
	// nodes are all, and disrupted those that are leaving or have ceased to be ready.
	nodes, disrupted int
	// alive are not being deleted, and ready are the ready ones among them.
	alive, ready int
	// pairs are the nodes that are to replace another one, while both are alive.
	pairs int
	// leaving are being deleted, and hold resources of their agents.
	leaving int
	// successor is true if there is a ready node that is to replace the given one.
	successor bool
}

// tally counts the other nodes of a node's pool. The node counts as alive for the pairs. The API
// server's lock is held.
func (c *checks) tally(actor string, of *v1alpha1.MesosNode) (t tally) {
	pool, lag, alive := poolUID(of), c.lag(), map[string]bool{}
	var nodes []*v1alpha1.MesosNode
	for _, o := range c.world.server.tables[kindMesosNode] {
		n := o.(*v1alpha1.MesosNode)
		if poolUID(n) != pool {
			continue
		}
		if h := c.disruptions.nodes[n.UID]; n.UID == of.UID || h.deleted.IsZero() || h.deletedBy != actor && time.Since(h.deleted) < lag {
			alive[n.Name] = true
		}
		if n.UID != of.UID {
			nodes = append(nodes, n)
		}
	}
	if alive[of.Annotations[v1alpha1.AnnotationReplaces]] {
		t.pairs++
	}
	for _, n := range nodes {
		c.tallyNode(&t, of, n, alive, lag)
	}
	for _, h := range c.disruptions.nodes {
		if h.pool == pool && !h.gone.IsZero() && time.Since(h.gone) < lag {
			t.nodes++
		}
	}
	return t
}

func (c *checks) tallyNode(t *tally, of, n *v1alpha1.MesosNode, alive map[string]bool, lag time.Duration) {
	h := c.disruptions.nodes[n.UID]
	t.nodes++
	if alive[n.Name] {
		old := n.Annotations[v1alpha1.AnnotationReplaces]
		t.alive++
		if alive[old] {
			t.pairs++
		}
		switch {
		case nodemodel.IsReady(n) || time.Since(h.readiness) < lag:
			t.ready++
			t.successor = t.successor || old == of.Name
		case h.deleted.IsZero() && nodemodel.WasReady(n):
			t.disrupted++
		}
		return
	}
	if nodemodel.IsRegistered(n) && time.Since(h.registration) > lag {
		t.disrupted++
	}
	if (h.forRollout || time.Since(h.deleted) > lag) && c.holdsResources(n, lag) {
		t.leaving++
	}
}

// holdsResources reports whether an operator must know that a node holds resources of an agent.
func (c *checks) holdsResources(n *v1alpha1.MesosNode, lag time.Duration) bool {
	launched := nodemodel.Condition(n, v1alpha1.ConditionLaunched)
	return nodemodel.MayRun(n) && c.tasks[n.Status.Task.ID] != nil && !nodemodel.IsUnreachable(n.Status.Task) &&
		launched.Status == metav1.ConditionTrue && time.Since(launched.LastTransitionTime.Time) > lag
}

// checkSurge checks that no more new nodes are made to replace others than the pool permits.
// Nodes that leave and hold their resources count.
func (c *checks) checkSurge(actor string, n *v1alpha1.MesosNode) {
	if n.Annotations[v1alpha1.AnnotationReplaces] == "" {
		return
	}
	pools, most := c.recentPools(n), 0
	for _, p := range pools {
		most = max(most, resolve(ptr.Deref(p.Spec.Rollout.MaxSurge, intstr.FromString("10%")), int(*p.Spec.Replicas)))
	}
	beside, t := c.pairsBeside(n), c.tally(actor, n)
	if len(pools) > 0 && beside+t.leaving+1 > most {
		c.world.fail("%s is to replace %s beside %d others, while %d are leaving, and maxSurge is %d", n.Name, n.Annotations[v1alpha1.AnnotationReplaces],
			beside, t.leaving, most)
	}
}

// pairsBeside counts the nodes of a node's pool, other than itself, that are to replace another one
// that is not being deleted.
func (c *checks) pairsBeside(of *v1alpha1.MesosNode) (count int) {
	alive := map[string]bool{}
	for _, o := range c.world.server.tables[kindMesosNode] {
		alive[o.GetName()] = o.GetDeletionTimestamp().IsZero()
	}
	for _, o := range c.world.server.tables[kindMesosNode] {
		n := o.(*v1alpha1.MesosNode)
		if poolUID(n) == poolUID(of) && n.UID != of.UID && alive[n.Name] && alive[n.Annotations[v1alpha1.AnnotationReplaces]] {
			count++
		}
	}
	return count
}

// checkDeletion checks that an operator has a reason to delete a node, and that it keeps the
// disruption budgets and the bounds of a rollout. It returns whether only a rollout can be the
// cause.
func (c *checks) checkDeletion(actor string, n *v1alpha1.MesosNode) (forRollout bool) {
	pools, lag, t := c.recentPools(n), c.lag(), c.tally(actor, n)
	if len(pools) == 0 || !pools[len(pools)-1].DeletionTimestamp.IsZero() || c.cannotStay(n, pools, lag) {
		return false
	}
	reasons := c.reasonsFor(n, pools, t)
	if len(reasons) == 0 {
		c.world.fail("%s deletes MesosNode %s without a reason", actor, n.Name)
		return false
	}
	forRollout = reasons[0] != v1alpha1.DisruptionScaleIn
	stable := nodemodel.IsReady(n) && time.Since(c.disruptions.nodes[n.UID].readiness) > lag
	if stable && !within(pools, reasons, t, lag) {
		c.world.fail("%s deletes MesosNode %s (%v) beyond the budget: %d of %d nodes are disrupted", actor, n.Name, reasons, t.disrupted, t.nodes+1)
	}
	if forRollout && !t.successor {
		c.checkRolloutBounds(actor, n, pools, t, stable)
	}
	return forRollout
}

// checkRolloutBounds checks that a rollout removes a node that no ready one replaces only within
// maxUnavailable, and while no more are leaving than maxUnavailable and maxSurge together. Stable
// is true if the node has been ready for so long that operators know it.
func (c *checks) checkRolloutBounds(actor string, n *v1alpha1.MesosNode, pools []*v1alpha1.MesosNodePool, t tally, stable bool) {
	spare, room := math.MinInt, 0
	for _, p := range pools {
		size := int(*p.Spec.Replicas)
		unavailable := resolve(ptr.Deref(p.Spec.Rollout.MaxUnavailable, intstr.FromInt32(1)), size)
		spare = max(spare, t.ready+unavailable-size)
		room = max(room, unavailable+resolve(ptr.Deref(p.Spec.Rollout.MaxSurge, intstr.FromString("10%")), size)-t.leaving)
	}
	if stable && spare < 0 {
		c.world.fail("%s deletes MesosNode %s: %d more nodes than maxUnavailable are not ready then", actor, n.Name, -spare)
	}
	if room <= 0 && c.holdsResources(n, c.lag()) {
		c.world.fail("%s deletes MesosNode %s while %d are leaving", actor, n.Name, t.leaving)
	}
}

// cannotStay reports whether a node may be removed whatever the budgets are.
func (c *checks) cannotStay(n *v1alpha1.MesosNode, pools []*v1alpha1.MesosNodePool, lag time.Duration) bool {
	return c.hasFailed(n) || c.mayBeLost(n, lag) || c.mayBeDissolved(n, pools, lag)
}

// hasFailed reports whether a node is removed because its task has ended, or because its Node was
// deleted: a MesosNode is one node.
func (c *checks) hasFailed(n *v1alpha1.MesosNode) bool {
	return nodemodel.HasEnded(n.Status.Task) || nodemodel.Condition(n, v1alpha1.ConditionRegistered).Reason == v1alpha1.ReasonNodeDeleted ||
		c.world.server.peek(kindNode, n.Name) == nil && nodemodel.IsRegistered(n)
}

// mayBeLost reports whether a node may be removed because its agent was cut off.
func (c *checks) mayBeLost(n *v1alpha1.MesosNode, lag time.Duration) bool {
	launched := nodemodel.Condition(n, v1alpha1.ConditionLaunched)
	return c.world.plan.replaceAfter > 0 && (launched.Status == metav1.ConditionUnknown || time.Since(launched.LastTransitionTime.Time) < lag)
}

// mayBeDissolved reports whether a node may be removed because the one that it was to replace may
// stay after all.
func (c *checks) mayBeDissolved(n *v1alpha1.MesosNode, pools []*v1alpha1.MesosNodePool, lag time.Duration) bool {
	o := c.world.server.peek(kindMesosNode, n.Annotations[v1alpha1.AnnotationReplaces])
	if o == nil {
		return false
	}
	old := o.(*v1alpha1.MesosNode)
	if h := c.disruptions.nodes[old.UID]; !h.deleted.IsZero() && time.Since(h.deleted) > lag {
		return false
	}
	return slices.ContainsFunc(pools, func(p *v1alpha1.MesosNodePool) bool { return isUpToDate(old, p) })
}

// isUpToDate reports whether a node may be up to date in a pool.
func isUpToDate(n *v1alpha1.MesosNode, p *v1alpha1.MesosNodePool) bool {
	return p.Spec.Rollout.Strategy == v1alpha1.OnDelete || makeup(n.Spec.Template) == makeup(p.Spec.Template)
}

// reasonsFor returns the reasons for which a node may be deleted. If ScaleIn is one, it is the
// first.
func (c *checks) reasonsFor(n *v1alpha1.MesosNode, pools []*v1alpha1.MesosNodePool, t tally) (out []v1alpha1.DisruptionReason) {
	add := func(r v1alpha1.DisruptionReason) {
		if !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	smallest := math.MaxInt
	for _, p := range pools {
		smallest = min(smallest, int(*p.Spec.Replicas))
	}
	if t.alive+1-t.pairs > smallest {
		add(v1alpha1.DisruptionScaleIn)
	}
	for _, p := range pools {
		if isOutdated(n, p) {
			add(v1alpha1.DisruptionOutdated)
		}
		if after := p.Spec.Disruption.ExpireAfter; after != nil && time.Since(n.CreationTimestamp.Time) > after.Duration*9/10-time.Second {
			add(v1alpha1.DisruptionExpired)
		}
	}
	return out
}

// isOutdated reports whether a node may be outdated in a pool. That its kubelet differs may be
// known from what it was made of, or from what runs.
func isOutdated(n *v1alpha1.MesosNode, p *v1alpha1.MesosNodePool) bool {
	if p.Spec.Rollout.Strategy == v1alpha1.OnDelete {
		return false
	}
	if makeup(n.Spec.Template) != makeup(p.Spec.Template) {
		return true
	}
	kubelet := artifactOf(p.Spec.Template, nodeapi.ArtifactKubelet)
	running := n.Status.Task != nil && n.Status.Task.Kubelet != nil && n.Status.Task.Kubelet.SHA256 != kubelet
	return p.Spec.Rollout.Kubelet != v1alpha1.KubeletInPlace && (running || artifactOf(n.Spec.Template, nodeapi.ArtifactKubelet) != kubelet)
}

// within reports whether the budgets that were lately in force leave a disruption for one of the
// reasons.
func within(pools []*v1alpha1.MesosNodePool, reasons []v1alpha1.DisruptionReason, t tally, lag time.Duration) bool {
	for _, p := range pools {
		for _, reason := range reasons {
			for _, at := range []time.Time{time.Now(), time.Now().Add(-lag)} {
				if t.disrupted < allowedBy(p, reason, t.nodes+1, at) {
					return true
				}
			}
		}
	}
	return false
}

// allowedBy returns the number of nodes that the budgets of a pool allow to be disrupted. It knows
// no schedule but budgetSchedule.
func allowedBy(p *v1alpha1.MesosNodePool, reason v1alpha1.DisruptionReason, nodes int, at time.Time) int {
	budgets, allowed := p.Spec.Disruption.Budgets, math.MaxInt
	if len(budgets) == 0 && reason != v1alpha1.DisruptionScaleIn {
		return resolve(intstr.FromString("10%"), nodes)
	}
	for _, b := range budgets {
		applies := b.Schedule == "" || at.UTC().Minute()%budgetPeriod < budgetDuration
		if applies && (len(b.Reasons) == 0 || slices.Contains(b.Reasons, reason)) {
			allowed = min(allowed, resolve(b.Nodes, nodes))
		}
	}
	return allowed
}

// resolve returns the number that a count or a percentage stands for, rounded up.
func resolve(value intstr.IntOrString, of int) int {
	if value.Type == intstr.Int {
		return value.IntValue()
	}
	percent, _ := strconv.Atoi(strings.TrimSuffix(value.StrVal, "%"))
	return (percent*of + 99) / 100
}
