package decision

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/autoscaler/scheduling"
	"github.com/k8sm/k8sm/controllers/disruptionbudget"
	"github.com/k8sm/k8sm/controllers/drain"
)

// ShrinkInput is what Shrink decides from.
type ShrinkInput struct {
	Now time.Time
	// Cluster has the nodes that exist and those that are on their way, with the pods on them;
	// nodes that are being removed are cordoned and closed. Shrink leaves it as it was.
	Cluster *scheduling.Cluster
	// Pending are the pods that wait for a node, whether the scheduler has looked at them or
	// not. They are placed first.
	Pending []*corev1.Pod
	// Leaving are the nodes that are being removed. Their pods are placed next: nothing else is
	// removed that they need.
	Leaving []LeavingNode
	// Successor returns the pod that takes the place of one that is evicted, as its controller
	// and admission will make it. It has the UID of the pod that it succeeds. Nil means that
	// each pod is made again as it is.
	Successor func(*corev1.Pod) *corev1.Pod
	// Budgets are the PodDisruptionBudgets.
	Budgets []*policyv1.PodDisruptionBudget
	// Pools need no order.
	Pools []ShrinkPool
	// NodeStates are those of the last plan; nil at first.
	NodeStates NodeStates
}

// LeavingNode is a node that is being removed.
type LeavingNode struct {
	Name string
	// Pods are all pods on the node, also those that are ending.
	Pods []*corev1.Pod
	// Drain is how its pool has its nodes drained.
	Drain drain.Policy
}

// ShrinkPool is a node pool that may shrink.
type ShrinkPool struct {
	// Pool has the shapes by which a node may be replaced. Its GrowthBlocked keeps the pool from
	// replacing nodes, for which it grows before it shrinks.
	Pool
	// RemovalBlocked is why no node may be removed, in words ("it is paused"); empty if nodes
	// may be removed.
	RemovalBlocked string
	// Drain is how the pool has its nodes drained.
	Drain drain.Policy
	// OnlyEmpty: nodes that have pods stay.
	OnlyEmpty bool
	// Threshold: nodes of which a smaller percentage is requested are underutilized.
	Threshold int32
	// ConsolidateAfter is the time that a node must have been empty or underutilized before it
	// is removed; it is longer if removed nodes were needed again soon. MinNodeLifetime is the
	// time that the node must have existed, and AfterGrowth the time since the pool last grew.
	ConsolidateAfter, MinNodeLifetime, AfterGrowth time.Duration
	// Empty and Underutilized are what the pool's disruption budgets leave for these reasons.
	Empty, Underutilized disruptionbudget.Allowance
	// LastGrowth is when the pool last grew.
	LastGrowth time.Time
	// Lost is the number of members that have ceased to be ready, and do not count for the pool's
	// minimum.
	Lost int
	// History is that of the last plan; zero at first.
	History RemovalHistory
	// Members are the pool's nodes that are not being removed. They need no order.
	Members []Member
}

// Member is a node of a pool.
type Member struct {
	// Name is the name in the Cluster.
	Name string
	// Node is the node as the Cluster has it.
	Node *corev1.Node
	// Resources is what the node takes from Mesos.
	Resources corev1.ResourceList
	// Created is when the node was created.
	Created time.Time
	// Ready: the node takes pods.
	Ready bool
	// DoNotDisrupt: an annotation forbids the removal of the node.
	DoNotDisrupt bool
	// Replaces is the name of the node that this one is to replace, which is still there; empty
	// for none. Such a node stays, although no pod is on it yet.
	Replaces string
	// Pods are all pods on the node.
	Pods []*corev1.Pod
	// Nominated are the pods that the scheduler will put onto the node, once their volumes are
	// provisioned or others have made room.
	Nominated []*corev1.Pod
	// Cordoned: the last plan removes the node, and no pod comes to it since then. Cordoned nodes
	// are decided on first, so that the next plan removes them too if nothing speaks against it.
	Cordoned bool
}

// NodeStates is what the next decision has to know of this one, by the names of nodes. Losing
// it does no harm: nodes then stay for longer.
type NodeStates map[string]NodeState

// NodeState is what is remembered of a node.
type NodeState struct {
	// IdleSince is when the node became empty or underutilized; zero if it is not.
	IdleSince time.Time
	// UnmovableAt is when its pods were last found to fit nowhere else, and UnmovableReason is
	// the message about it; zero if they were not.
	UnmovableAt     time.Time
	UnmovableReason string
}

// ShrinkPlan is what to do, and why not more.
type ShrinkPlan struct {
	// Removals are the nodes to remove now, in order.
	Removals []Removal
	// Launches are smaller nodes for the pods of larger ones. The larger ones are removed by a
	// later plan, when these are ready.
	Launches []Launch
	// Verdicts are on all members, by pool and name.
	Verdicts []Verdict
	// NodeStates and Histories, the latter by pool, are for the next decision.
	NodeStates NodeStates
	Histories  map[string]RemovalHistory
	// RecheckAt is when to decide again although nothing changes; zero for never.
	RecheckAt time.Time
}

// Removal is a node to remove.
type Removal struct {
	Pool, Node string
	// Reason is Empty or Underutilized.
	Reason v1alpha1.DisruptionReason
	// Cause in words: "it has been empty for 5m0s".
	Cause string
}

// Verdict is whether a node could be removed without harm.
type Verdict struct {
	Pool, Node  string
	Disruptable bool
	// Reason is one of the API's reasons for the condition Disruptable; Message explains it.
	Reason, Message string
}
