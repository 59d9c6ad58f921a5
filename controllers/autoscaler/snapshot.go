package autoscaler

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/autoscaler/admission"
	"github.com/k8sm/k8sm/controllers/autoscaler/backoff"
	"github.com/k8sm/k8sm/controllers/autoscaler/cordon"
	"github.com/k8sm/k8sm/controllers/autoscaler/decision"
	"github.com/k8sm/k8sm/controllers/autoscaler/forecast"
	"github.com/k8sm/k8sm/controllers/autoscaler/pending"
	"github.com/k8sm/k8sm/controllers/autoscaler/scheduling"
	"github.com/k8sm/k8sm/controllers/drain"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/controllers/poolnodes"
)

// Snapshot is what one cycle decides from: the observation, sorted by what decisions need.
// Once it is complete nothing changes it.
type Snapshot struct {
	*observation

	forecast forecast.Forecast
	// pending are the pods that nodes may be created for, in the order in which they were
	// created; held are pods that earlier nodes did not help. Unseen are the pods that the
	// scheduler has not looked at yet: they may need room that exists.
	pending, held, unseen []*corev1.Pod
	// excluded counts the unschedulable pods that get no node, by reason.
	excluded map[string]int
	// podsByNode has the pods that are on a node, or will be, and nominated the pods that the
	// scheduler has nominated to a node.
	podsByNode, nominated map[string][]*corev1.Pod
	// leaving are the nodes that are being removed and still exist, sorted.
	leaving []string
	// cluster has the nodes as pods can be placed on them, and simulatedNodes are these nodes
	// by name. Deciders try things on the cluster and revert them.
	cluster        *scheduling.Cluster
	simulatedNodes map[string]*corev1.Node
}

// pool is a pool that has autoscaling.
type pool struct {
	*v1alpha1.MesosNodePool
	// inventory has all nodes of the pool.
	inventory poolnodes.Inventory
	// alive are the pool's nodes, without the ones that are given up in this cycle; leaving are
	// nodes that are being deleted.
	alive, leaving []*v1alpha1.MesosNode
	// lost are the alive nodes, by name, that have ceased to be ready for so long that others may
	// take their places.
	lost map[string]bool
	// abandoned are the nodes that are given up in this cycle. nextDeadline is when the next
	// one may have to be, zero if no node is starting.
	abandoned    []*v1alpha1.MesosNode
	nextDeadline time.Time
	// failure is that of the nodes that did not become ready, including the abandoned ones.
	failure backoff.Failure
	// massFailure is why nothing is done to the nodes of the framework; empty if it may be.
	massFailure string
	// blockReason is why the pool does not grow now; empty if it may.
	blockReason string
	// backOffUntil is the end of the back-off, zero if there is none. growthLimit is the number
	// of nodes that the pool may grow by otherwise, or backoff.Unlimited.
	backOffUntil time.Time
	growthLimit  int
	// shapes are the nodes that the pool can have; nil if no decision needs them.
	shapes []decision.Shape
	// noRoom is why Mesos has no room for any node of the pool; empty if it has, or if it was
	// not asked.
	noRoom string
}

// takeSnapshot sorts what was observed. It updates the part of the state that follows the
// cluster: the simulated cluster, recoveries of pools, and the outcome of nodes that were
// created for pods.
func (r *Reconciler) takeSnapshot(o *observation) (*Snapshot, error) {
	daemonSets := admission.DaemonSets(o.daemonSets, o.pods, admission.NewDefaults(o.limits, o.classes))
	s := &Snapshot{observation: o, forecast: forecast.New(o.mesosNodes, o.nodes, daemonSets, o.now), podsByNode: pending.ByNode(o.pods, pending.NodeOf)}
	for _, p := range s.pools {
		r.state.failures[p.Name] = r.state.failureOf(p.MesosNodePool).AfterRecovery(p.alive)
		p.abandonNodes(r.state.failures[p.Name], s.now)
		p.findLostNodes(s.now)
	}
	for _, p := range s.pools {
		p.massFailure = backoff.MassFailure(s.nodesOfFramework(p.Spec.FrameworkRef.Name))
		p.limitGrowth(s.now)
	}
	if r.state.nodeStates == nil {
		r.state.nodeStates = recallNodeStates(s.pools)
	}
	nodes, daemons := s.schedulableNodes()
	closed := make(map[string]bool, len(s.leaving))
	for _, name := range s.leaving {
		closed[name] = true
	}
	nominatedTo := pending.Nominations(nodes, closed)
	s.nominated = pending.ByNode(s.pods, nominatedTo)
	err := r.state.cluster.Sync(clusterView{
		nodes: nodes, closed: closed, pods: slices.Concat(s.pods, daemons), objects: s.objects,
		nodeOf: func(pod *corev1.Pod) string { return cmp.Or(pending.NodeOf(pod), nominatedTo(pod)) },
	})
	if err != nil {
		return nil, fmt.Errorf("updating the simulated cluster: %w", err)
	}
	s.cluster, s.simulatedNodes = r.state.cluster.cluster, r.state.cluster.nodes

	var waiting []*corev1.Pod
	waiting, s.unseen, s.excluded = pending.Find(s.pods, nominatedTo)
	r.state.owners.Update(waiting, s.outcomeOf(), s.now)
	s.pending, s.held = r.state.owners.Split(waiting)
	return s, nil
}

// abandonNodes gives up the nodes that do not become ready. They do not count from now on,
// so that others can be created for the pods that they were for.
func (p *pool) abandonNodes(failure backoff.Failure, now time.Time) {
	p.failure = failure
	if p.Spec.Paused || !p.isFrameworkReady() {
		return
	}
	p.abandoned, p.nextDeadline = backoff.Abandoned(p.alive, int(p.Spec.Autoscaling.MinReplicas), now)
	if len(p.abandoned) == 0 {
		return
	}
	p.failure = p.failure.Next(p.abandoned, now)
	p.alive = slices.DeleteFunc(slices.Clone(p.alive), func(n *v1alpha1.MesosNode) bool { return slices.Contains(p.abandoned, n) })
}

// findLostNodes finds the nodes that do not count as capacity any more.
func (p *pool) findLostNodes(now time.Time) {
	lost, next := backoff.Lost(p.alive, now)
	p.lost = map[string]bool{}
	for _, n := range lost {
		p.lost[n.Name] = true
	}
	if !next.IsZero() && (p.nextDeadline.IsZero() || next.Before(p.nextDeadline)) {
		p.nextDeadline = next
	}
}

// limitGrowth finds out whether the pool may grow. The first reason against it counts.
func (p *pool) limitGrowth(now time.Time) {
	var backingOff string
	p.growthLimit, backingOff, p.backOffUntil = p.failure.Allowance(p.countNotReadyYet(), now)
	p.blockReason = cmp.Or(p.unusableReason(), p.massFailure, backingOff)
}

// unusableReason returns why nothing is done about the pool; empty if it may be.
func (p *pool) unusableReason() string {
	if p.Spec.Paused {
		return "it is paused"
	}
	for _, kind := range []string{v1alpha1.ConditionFrameworkReady, v1alpha1.ConditionTemplateValid} {
		c := meta.FindStatusCondition(p.Status.Conditions, kind)
		if c == nil {
			return "its conditions are not set yet"
		}
		if c.Status != metav1.ConditionTrue {
			return c.Message
		}
	}
	return ""
}

// isFrameworkReady reports whether Mesos can be asked for nodes of the pool.
func (p *pool) isFrameworkReady() bool {
	return meta.IsStatusConditionTrue(p.Status.Conditions, v1alpha1.ConditionFrameworkReady)
}

// countNotReadyYet counts the pool's nodes that were never ready.
func (p *pool) countNotReadyYet() int {
	count := 0
	for _, n := range p.alive {
		if !nodemodel.WasReady(n) {
			count++
		}
	}
	return count
}

// mayReplaceNodes reports whether the pool may have a smaller node take the place of a larger
// one.
func (p *pool) mayReplaceNodes() bool {
	return p.removalBlockReason() == "" && p.Spec.Autoscaling.ScaleDown.ConsolidationPolicy != v1alpha1.WhenEmpty &&
		len(p.Spec.Template.Spec.Shapes) > 1
}

// removalBlockReason returns why no node of the pool may be removed; empty if nodes may be.
// A pool that only backs off may shrink.
func (p *pool) removalBlockReason() string {
	if p.Spec.Paused || !p.isFrameworkReady() || p.massFailure != "" {
		return p.blockReason
	}
	return ""
}

// lastGrowth returns when the pool last grew, as far as its nodes show.
func (p *pool) lastGrowth() time.Time {
	var last time.Time
	for _, n := range slices.Concat(p.alive, p.leaving) {
		if n.CreationTimestamp.After(last) {
			last = n.CreationTimestamp.Time
		}
	}
	return last
}

// mayGrow reports whether a node of the pool may be created for pods or for its minimum.
func (s *Snapshot) mayGrow(p *pool) bool {
	return len(s.pending) > 0 || len(p.alive)-len(p.lost) < int(p.Spec.Autoscaling.MinReplicas)
}

// nodesOfFramework returns the nodes of all autoscaled pools of a framework.
func (s *Snapshot) nodesOfFramework(framework string) []*v1alpha1.MesosNode {
	var out []*v1alpha1.MesosNode
	for _, p := range s.pools {
		if p.Spec.FrameworkRef.Name == framework {
			out = append(out, p.alive...)
		}
	}
	return out
}

// schedulableNodes returns the nodes as the scheduler sees them, by name: existing nodes as they
// are, nodes that are starting as they will be, and cordoned copies of nodes that are being
// removed, which it notes in leaving. Daemons are the pods that DaemonSets and templates will
// have on nodes that are starting.
func (s *Snapshot) schedulableNodes() (nodes map[string]*corev1.Node, daemons []*corev1.Pod) {
	nodes = make(map[string]*corev1.Node, len(s.nodes))
	leave := func(object *corev1.Node) {
		nodes[object.Name] = decision.Cordoned(object)
		s.leaving = append(s.leaving, object.Name)
	}
	for name, object := range s.nodes {
		nodes[name] = object
	}
	abandoned := s.abandonedNodes()
	for i := range s.mesosNodes {
		n := &s.mesosNodes[i]
		object := s.nodes[n.Name]
		if object != nil && !object.DeletionTimestamp.IsZero() {
			continue // It leaves, whatever its MesosNode says.
		}
		if !n.DeletionTimestamp.IsZero() || abandoned[n.Name] {
			if object != nil {
				leave(object)
			}
			continue
		}
		if node, missing := s.nodeOf(n, object); node != nil {
			nodes[n.Name] = node
			daemons = append(daemons, missing...)
		}
	}
	for _, object := range s.nodes {
		if !object.DeletionTimestamp.IsZero() {
			leave(object)
		}
	}
	slices.Sort(s.leaving)
	return nodes, daemons
}

// nodeOf returns the Node of a MesosNode that stays, as the scheduler will see it, and the pods
// of DaemonSets and templates that it does not have yet. The Node is nil if there is none any
// more.
func (s *Snapshot) nodeOf(n *v1alpha1.MesosNode, object *corev1.Node) (*corev1.Node, []*corev1.Pod) {
	switch {
	case object == nil && nodemodel.WasReady(n):
		return nil, nil
	case object == nil:
		node := s.forecast.Node(n)
		return node, s.forecast.Daemons(n, node)
	case !nodemodel.WasReady(n) || s.now.Before(startupEnd(n)):
		node := cordon.Without(s.forecast.Started(object, n))
		return node, s.forecast.MissingDaemons(n, node, s.podsByNode[n.Name])
	}
	return cordon.Without(object), nil
}

// abandonedNodes returns the names of the nodes that their pools have given up.
func (s *Snapshot) abandonedNodes() map[string]bool {
	names := map[string]bool{}
	for _, p := range s.pools {
		for _, n := range p.abandoned {
			names[n.Name] = true
		}
	}
	return names
}

// startupEnd returns until when a ready node is expected to lose its startup taints, and the
// taints of a Node that is not ready. Other controllers remove them a moment after the node
// became ready, or later. It is zero if the node is not ready.
func startupEnd(n *v1alpha1.MesosNode) time.Time {
	if !nodemodel.IsReady(n) {
		return time.Time{}
	}
	return nodemodel.Condition(n, v1alpha1.ConditionReady).LastTransitionTime.Add(backoff.StartTimeout)
}

// outcomeOf returns a function that reports what became of a node that was created for pods.
func (s *Snapshot) outcomeOf() func(node string, pods []*corev1.Pod) backoff.Outcome {
	alive := map[string]bool{}
	for _, p := range s.pools {
		for _, n := range p.alive {
			alive[n.Name] = true
		}
	}
	staysThere := func(pod *corev1.Pod) bool { return isOrdinary(pod, s.now) }
	return func(node string, pods []*corev1.Pod) backoff.Outcome {
		fitsThere := func(pod *corev1.Pod) bool {
			fits, _ := s.cluster.Fits(pod, node)
			return fits
		}
		switch {
		case !alive[node]:
			return backoff.Gone
		case slices.ContainsFunc(s.podsByNode[node], staysThere):
			return backoff.Helped
		case s.nodes[node] == nil || len(pods) == 0:
			return backoff.Unclear
		case slices.ContainsFunc(pods, fitsThere):
			return backoff.Helped
		}
		return backoff.Refused
	}
}

// isOrdinary reports whether a pod neither came with its node, as a DaemonSet's does, nor is
// about to end.
func isOrdinary(pod *corev1.Pod, now time.Time) bool {
	verdict := drain.Decide(pod, drain.Options{Now: now}).Verdict
	return verdict != drain.Ignore && verdict != drain.Await
}

func duration(d *metav1.Duration) time.Duration {
	if d == nil {
		return 0
	}
	return d.Duration
}
