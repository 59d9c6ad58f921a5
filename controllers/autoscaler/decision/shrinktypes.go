package decision

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/k8sm/k8sm/controllers/autoscaler/scheduling"
)

// ShrinkInput is what Shrink decides from.
type ShrinkInput struct {
	Now time.Time
	// Cluster has the nodes there are and those in flight, with the pods on them; those
	// that leave are closed to pods. Shrink leaves it as it was.
	Cluster *scheduling.Cluster
	// Pending are pods that wait for nodes that are there or in flight: they are placed
	// first.
	Pending []*corev1.Pod
	// Budgets are the PodDisruptionBudgets.
	Budgets []*policyv1.PodDisruptionBudget
	// Pools that may shrink; they need no order.
	Pools []ShrinkPool
	// NodeStates is what the last plan said is to be remembered; nil at first.
	NodeStates NodeStates
}

// ShrinkPool is a node pool that may shrink.
type ShrinkPool struct {
	// Pool has the shapes by which a node may be replaced, and says by Closed why the pool
	// must not grow, as replacing does before it shrinks.
	Pool
	// RemovalBlocked is why no node may go, in words ("it is paused"); empty if they may.
	RemovalBlocked string
	// OnlyEmpty keeps nodes that have pods.
	OnlyEmpty bool
	// Threshold in percent: nodes that are used for less may go.
	Threshold int32
	// ConsolidateAfter is how long a node must have been empty, or under-used, and longer where nodes
	// that went were needed again soon; Lifetime for how long it must have been there; and
	// Calm how long the pool must not have grown.
	ConsolidateAfter, MinNodeLifetime, AfterGrowth time.Duration
	// Budget is how many of the pool's nodes may be on their way out at once: a number, or a
	// percentage, rounded up.
	Budget intstr.IntOrString
	// LastGrowth is when the pool last grew, Leaving how many of its nodes are on their way out.
	LastGrowth time.Time
	Leaving    int
	// History is what the last plan said is to be remembered of the pool; zero at first.
	History RemovalHistory
	// Members are its nodes that stay so far; they need no order.
	Members []Member
}

// Member is a node of a pool.
type Member struct {
	// Name in the Cluster, and the node as it is there.
	Name string
	Node *corev1.Node
	// Resources is what it takes from Mesos.
	Resources corev1.ResourceList
	// Created is since when it is there, and Ready says that it takes pods.
	Created time.Time
	Ready   bool
	// DoNotDisrupt says that somebody marked it as not to be disrupted.
	DoNotDisrupt bool
	// Pods on it, all of them.
	Pods []*corev1.Pod
}

// NodeStates is what the next decision has to know of this one, by the names of nodes. It is
// lost without harm: nodes then stay for longer.
type NodeStates map[string]NodeState

// NodeState is what is remembered of a node.
type NodeState struct {
	// IdleSince is since when the node has been empty or under-used; zero if it is not.
	IdleSince time.Time
	// UnmovableAt is when its pods were last found to fit nowhere else, and Why; zero if they
	// were not.
	UnmovableAt     time.Time
	UnmovableReason string
}

// ShrinkPlan is what to do, and why not more.
type ShrinkPlan struct {
	// Removals are the nodes to remove now, in order.
	Removals []Removal
	// Launches are smaller nodes for the pods of larger ones, which go when these are ready.
	Launches []Launch
	// Verdicts are on all members, by pool and name.
	Verdicts []Verdict
	// NodeStates and Pasts, the latter by pool, are for the next decision.
	NodeStates NodeStates
	Histories  map[string]RemovalHistory
	// RecheckAt is when to decide again although nothing changes; zero for never.
	RecheckAt time.Time
}

// Removal is a node to remove.
type Removal struct {
	Pool, Node string
	// Cause in words: "it has been empty for 5m0s".
	Cause string
}

// Verdict is whether anybody would miss a node.
type Verdict struct {
	Pool, Node  string
	Disruptable bool
	// Reason is one of api's for the condition Disruptable, and Message is for a person.
	Reason, Message string
}
