package mesosnodepool

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

// standing is what decides how soon a node is deleted when its pool has too many.
type standing struct {
	node      *v1alpha1.MesosNode
	protected bool  // a person forbids that the node is disrupted
	stage     int   // how far the node has come
	marked    bool  // a person has marked the node for deletion
	cost      int32 // the deletion cost
	outdated  bool
	expired   bool
}

// selectForDeletion picks the n nodes that are missed least, the first to go first. It is
// deterministic. docs/rollout.md has the order. A node that was created to replace another one does
// not go before that one, unless the whole pool goes.
func selectForDeletion(in PlanInput, n int) []*v1alpha1.MesosNode {
	var sorted []standing
	for _, node := range in.Alive {
		if in.Deleting || in.Replaced[node.Annotations[v1alpha1.AnnotationReplaces]] != node {
			sorted = append(sorted, in.standingOf(node))
		}
	}
	slices.SortFunc(sorted, func(a, b standing) int { return cmp.Or(compareUse(a, b), compareAge(in.Order, a.node, b.node)) })

	zones := countByZone(in.Alive)
	out := make([]*v1alpha1.MesosNode, 0, n)
	for len(sorted) > 0 && len(out) < n {
		equals := slices.IndexFunc(sorted, func(s standing) bool { return compareUse(s, sorted[0]) != 0 })
		if equals < 0 {
			equals = len(sorted)
		}
		out = append(out, takeFromLargestZones(sorted[:equals], zones, n-len(out))...)
		sorted = sorted[equals:]
	}
	return out
}

func (in PlanInput) standingOf(node *v1alpha1.MesosNode) standing {
	cost, _ := deletionCost(node) // an invalid one is reported elsewhere
	has := node.Labels[v1alpha1.LabelRevision]
	return standing{
		node:      node,
		protected: node.Annotations[v1alpha1.AnnotationDoNotDisrupt] == "true",
		stage:     stageOf(node),
		marked:    node.Annotations[v1alpha1.AnnotationDelete] == "true",
		cost:      cost,
		outdated:  in.Revision != "" && has != "" && has != in.Revision,
		expired:   in.HasExpired != nil && in.HasExpired(node),
	}
}

// stageOf counts how far a node has come: a demand, a task, a Node, a ready Node.
func stageOf(node *v1alpha1.MesosNode) int {
	switch {
	case !nodemodel.MayRun(node):
		return 0
	case !nodemodel.IsRegistered(node):
		return 1
	case !nodemodel.IsReady(node):
		return 2
	}
	return 3
}

// compareUse is negative if a is to be deleted before b, whatever their zones and ages are.
func compareUse(a, b standing) int {
	return cmp.Or(
		compareBool(b.protected, a.protected),
		cmp.Compare(a.stage, b.stage),
		compareBool(a.marked, b.marked),
		cmp.Compare(a.cost, b.cost),
		compareBool(a.outdated, b.outdated),
		compareBool(a.expired, b.expired),
	)
}

// compareBool is negative if only a is true.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// compareAge is negative if a is to be deleted before b: the newest first, or the oldest. Of equally
// old nodes the last by name goes first.
func compareAge(order v1alpha1.DeletionOrder, a, b *v1alpha1.MesosNode) int {
	newest := b.CreationTimestamp.Compare(a.CreationTimestamp.Time)
	if order == v1alpha1.DeletionOldest {
		newest = -newest
	}
	return cmp.Or(newest, cmp.Compare(b.Name, a.Name))
}

// countByZone counts nodes by the zone of their agent. Nodes without an agent are in none.
func countByZone(nodes []*v1alpha1.MesosNode) map[string]int {
	counts := map[string]int{}
	for _, n := range nodes {
		if n.Status.Task != nil {
			counts[n.Status.Task.Zone]++
		}
	}
	return counts
}

// takeFromLargestZones picks up to n of nodes that differ in their zone and age alone, each from the
// zone that has the most nodes left, and within a zone in the order in which they are given. It
// subtracts what it picks from the counts.
func takeFromLargestZones(equals []standing, counts map[string]int, n int) (out []*v1alpha1.MesosNode) {
	type queue struct {
		zone    string
		waiting []int // indexes into equals
	}
	var queues []*queue
	byZone := map[string]*queue{}
	for i, s := range equals {
		zone := ""
		if s.node.Status.Task != nil {
			zone = s.node.Status.Task.Zone
		}
		if byZone[zone] == nil {
			byZone[zone] = &queue{zone: zone}
			queues = append(queues, byZone[zone])
		}
		byZone[zone].waiting = append(byZone[zone].waiting, i)
	}
	for len(queues) > 0 && len(out) < n {
		next := slices.MinFunc(queues, func(a, b *queue) int {
			return cmp.Or(cmp.Compare(counts[b.zone], counts[a.zone]), cmp.Compare(a.waiting[0], b.waiting[0]))
		})
		out = append(out, equals[next.waiting[0]].node)
		counts[next.zone]--
		if next.waiting = next.waiting[1:]; len(next.waiting) == 0 {
			queues = slices.DeleteFunc(queues, func(q *queue) bool { return q == next })
		}
	}
	return out
}

// deletionCost returns the deletion cost of a node, 0 if it has none. An error means that the
// annotation is not an integer of 32 bits; the cost is 0 then.
func deletionCost(node *v1alpha1.MesosNode) (int32, error) {
	value, set := node.Annotations[v1alpha1.AnnotationDeletionCost]
	if !set {
		return 0, nil
	}
	cost, err := strconv.ParseInt(value, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("annotation %s is %.40q, which is not an integer between -2147483648 and 2147483647: it counts as 0", v1alpha1.AnnotationDeletionCost, value)
	}
	return int32(cost), nil
}
