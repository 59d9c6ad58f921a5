package replacement

import (
	"time"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/disruptionbudget"
)

// Pool is what Decide decides from.
type Pool struct {
	// Now is the time of the decision.
	Now time.Time
	// Size is the number of nodes that the pool is to have, without those that replace others.
	Size int
	// MaxSurge is the number of nodes that there may be beyond Size, and MaxUnavailable the number
	// by which ready nodes may fall short of it.
	MaxSurge, MaxUnavailable int
	// MinReady is the time for which a new node must have been ready.
	MinReady time.Duration
	// Blocked is why no node can be created, in words; empty if nodes can be.
	Blocked string
	// Paused: nothing is begun. What was begun is finished.
	Paused bool
	// Settling: it is not known yet for all nodes whether they are to be replaced, because the
	// process has just started. What was begun is not taken back.
	Settling bool
	// Nodes are the pool's nodes that are not being deleted.
	Nodes []Node
	// Leaving is the number of nodes that are being deleted and still hold their resources. They
	// count as surge.
	Leaving int
	// Allow returns what the disruption budgets leave for a reason.
	Allow func(v1alpha1.DisruptionReason) disruptionbudget.Allowance
	// Held returns why the pods of a node keep it from being replaced now, in words; empty if they
	// do not. It is asked for few nodes. Nil means never.
	Held func(name string) string
}

// Node is a node of the pool.
type Node struct {
	Name, Zone string
	// Created is when the node was created.
	Created time.Time
	// Reason is why the node is to be replaced, and Cause the same in words; empty if it may stay.
	Reason v1alpha1.DisruptionReason
	Cause  string
	// Launched: the node holds resources of its agent.
	Launched bool
	// ReadySince is since when the node is ready; zero if it is not.
	ReadySince time.Time
	// NoRoomSince is since when the node waits for an offer although offers were looked at; zero if
	// it does not wait.
	NoRoomSince time.Time
	// Replaces is the name of the node that this one is to replace; empty for none.
	Replaces string
	// Protected: an annotation forbids that the node is disrupted.
	Protected bool
}

// Plan is what to do now, and why not more.
type Plan struct {
	// Create are the nodes that a new one is created for, in order.
	Create []string
	// Remove are the nodes to remove, in order, as far as budgets allow.
	Remove []Removal
	// Dissolve are new nodes whose old node need not be replaced any more.
	Dissolve []string
	// Candidates is the number of nodes that are to be replaced.
	Candidates int
	// Obstacle is what holds the next replacement back; ObstacleNone if nothing does, or if there
	// is nothing to do. Message explains it.
	Obstacle Obstacle
	Message  string
	// Waiting has, by name, why each candidate that is not in Remove is still there.
	Waiting map[string]Wait
	// RecheckAt is when to decide again although nothing changes; zero for never.
	RecheckAt time.Time
}

// Removal is a node to remove.
type Removal struct {
	Name   string
	Reason v1alpha1.DisruptionReason
	Cause  string
}

// Obstacle is what holds a replacement back.
type Obstacle string

// The obstacles.
const (
	// ObstacleNone: nothing.
	ObstacleNone Obstacle = ""
	// ObstacleProgress: what was begun must be done first.
	ObstacleProgress Obstacle = "Progress"
	// ObstacleBudget: a disruption budget allows no more now.
	ObstacleBudget Obstacle = "Budget"
	// ObstacleCapacity: Mesos has no room for a new node, and no more may be unavailable.
	ObstacleCapacity Obstacle = "Capacity"
	// ObstacleBlocked: no node can be created.
	ObstacleBlocked Obstacle = "Blocked"
	// ObstacleHeld: pods, or an annotation, keep the nodes.
	ObstacleHeld Obstacle = "Held"
	// ObstacleTurn is met by single candidates: others come first, and it was not looked at what
	// else holds this one.
	ObstacleTurn Obstacle = "Turn"
)
