package decision

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/k8sm/k8sm/controllers/autoscaler/scheduling"
)

// Grow decides which nodes to create, so that the pods can run. Each pod goes to the first
// node that takes it: an existing one, else one that this decision creates already, else a new
// one of the first pool that can have it. Nodes that are leaving count as gone: a pod that fits
// then needs no new node, though the scheduler may not place it before. Large pods go first, so that small ones fill the
// gaps. A new node begins as the largest of the shapes that the pool prefers, so that it takes
// other waiting pods too, and ends as the smallest that holds what it took.
func Grow(in GrowInput) GrowPlan {
	mark := in.Cluster.Checkpoint()
	defer in.Cluster.Revert(mark)
	removeNodes(in.Cluster, in.Leaving)

	g := newScaleUp(in)
	defer g.close()
	g.growToMin()
	waiting := SortForPlacement(in.Cluster, in.Pods)
	for round := 0; round < maxRounds; round++ {
		g.refused = nil
		for _, pod := range waiting {
			g.place(pod)
		}
		helped := len(g.refused) < len(waiting)
		if shrunk := g.downsize(); len(g.refused) == 0 || !shrunk && !helped {
			break
		}
		// Downsizing may have given back enough for the pods that were refused. Pods that were
		// placed after them may satisfy their affinity.
		g.updateOpenShapes()
		waiting = waiting[:0]
		for _, refused := range g.refused {
			waiting = append(waiting, refused.Pod)
		}
	}
	return g.plan()
}

// maxRounds bounds the number of times that refused pods are tried again.
const maxRounds = 4

// scaleUp is the working state of Grow.
type scaleUp struct {
	cluster       *scheduling.Cluster
	pools         []*poolState
	openShapes    []*shapeState         // the shapes that can be launched, in the order in which they are tried
	openTemplates []scheduling.Template // the templates of openShapes
	launches      []*plannedNode
	launchByNode  map[string]*plannedNode // by the name of the node in the cluster
	placed        []Placement
	refused       []RefusedPod
}

// plannedNode is a node to be launched.
type plannedNode struct {
	node  string
	shape *shapeState
	pods  []*corev1.Pod
}

func newScaleUp(in GrowInput) *scaleUp {
	g := &scaleUp{cluster: in.Cluster, launchByNode: map[string]*plannedNode{}}
	for _, p := range in.Pools {
		g.pools = append(g.pools, newPoolState(p))
	}
	slices.SortStableFunc(g.pools, func(a, b *poolState) int {
		return cmp.Or(cmp.Compare(b.Weight, a.Weight), strings.Compare(a.Name, b.Name))
	})
	for _, p := range g.pools {
		p.largestFirst()
		for _, s := range p.shapes {
			name := fmt.Sprintf("%s (%s)", p.Name, s.describe())
			s.template = g.cluster.AddTemplate(s.nodeNamed(name), s.daemonPods(name))
		}
	}
	g.updateOpenShapes()
	return g
}

func (g *scaleUp) close() {
	for _, p := range g.pools {
		for _, s := range p.shapes {
			g.cluster.RemoveTemplate(s.template)
		}
	}
}

// updateOpenShapes finds anew which shapes can be launched.
func (g *scaleUp) updateOpenShapes() {
	g.openShapes, g.openTemplates = g.openShapes[:0], g.openTemplates[:0]
	for _, p := range g.pools {
		for _, s := range p.shapes {
			if s.blockReason = p.blockReason(s); s.blockReason == "" {
				g.openShapes, g.openTemplates = append(g.openShapes, s), append(g.openTemplates, s.template)
			}
		}
	}
}

// growToMin launches the nodes that pools lack of their minimum, in the smallest shape that
// they prefer.
func (g *scaleUp) growToMin() {
	for _, p := range g.pools {
		for p.Nodes < p.Min {
			s := p.smallest()
			if s == nil {
				break
			}
			g.launchNode(s)
		}
	}
}

func (g *scaleUp) place(pod *corev1.Pod) {
	node, placed := g.cluster.Place(pod)
	if !placed {
		if node, placed = g.placeOnNewNode(pod); !placed {
			g.refused = append(g.refused, RefusedPod{Pod: pod, Pools: g.refusalReasons(pod)})
			return
		}
	}
	if launch := g.launchByNode[node]; launch != nil {
		launch.pods = append(launch.pods, pod)
		return
	}
	g.placed = append(g.placed, Placement{Pod: pod, Node: node})
}

// placeOnNewNode launches a node that takes the pod, and puts the pod there.
func (g *scaleUp) placeOnNewNode(pod *corev1.Pod) (node string, placed bool) {
	for from := 0; ; from++ {
		i := g.cluster.FirstTemplate(pod, g.openTemplates[from:])
		if i < 0 {
			return g.placeBesideDaemons(pod)
		}
		from += i
		if name, placed := g.placeOn(pod, g.openShapes[from]); placed {
			return name, true
		}
	}
}

// placeBesideDaemons launches a node for a pod that wants to be near a pod that comes with the
// node. A template cannot show that: no plugin counts its pods.
func (g *scaleUp) placeBesideDaemons(pod *corev1.Pod) (node string, placed bool) {
	if pod.Spec.Affinity == nil || pod.Spec.Affinity.PodAffinity == nil {
		return "", false
	}
	for _, s := range g.openShapes {
		if !mayAttract(pod, s.Daemons) {
			continue
		}
		if name, placed := g.placeOn(pod, s); placed {
			return name, true
		}
	}
	return "", false
}

// mayAttract reports whether the pod has a required affinity to one of the others. That they are
// in a namespace that a term selects by its labels is assumed.
func mayAttract(pod *corev1.Pod, others []*corev1.Pod) bool {
	for _, term := range pod.Spec.Affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
		selector, err := metav1.LabelSelectorAsSelector(term.LabelSelector)
		if err != nil {
			continue
		}
		attracts := func(other *corev1.Pod) bool {
			inNamespace := term.NamespaceSelector != nil || slices.Contains(term.Namespaces, other.Namespace) ||
				len(term.Namespaces) == 0 && other.Namespace == pod.Namespace
			return inNamespace && selector.Matches(labels.Set(other.Labels))
		}
		if slices.ContainsFunc(others, attracts) {
			return true
		}
	}
	return false
}

// placeOn puts the pod onto a new node of the shape, unless the node would not take it.
func (g *scaleUp) placeOn(pod *corev1.Pod, s *shapeState) (node string, placed bool) {
	mark := g.cluster.Checkpoint()
	name := g.addNode(s)
	if fits, _ := g.cluster.Fits(pod, name); !fits || g.cluster.Put(pod, name) != nil {
		g.cluster.Revert(mark)
		return "", false
	}
	g.recordLaunch(s, name)
	return name, true
}

func (g *scaleUp) launchNode(s *shapeState) {
	g.recordLaunch(s, g.addNode(s))
}

// addNode adds a node of the shape to the cluster.
func (g *scaleUp) addNode(s *shapeState) (name string) {
	name = fmt.Sprintf("%s (new %d)", s.pool.Name, len(g.launches)+1)
	g.cluster.AddNode(s.nodeNamed(name), s.daemonPods(name)...)
	return name
}

// recordLaunch notes that the node is to be launched.
func (g *scaleUp) recordLaunch(s *shapeState, node string) {
	s.pool.takeNode(s)
	l := &plannedNode{node: node, shape: s}
	g.launches, g.launchByNode[node] = append(g.launches, l), l
	g.updateOpenShapes()
}

// refusalReasons returns why no pool can help the pod.
func (g *scaleUp) refusalReasons(pod *corev1.Pod) []PoolRefusal {
	refusals := make([]PoolRefusal, 0, len(g.pools))
	for _, p := range g.pools {
		var reasons []string
		for _, s := range p.shapes {
			fits, reason := g.cluster.FitsTemplate(pod, s.template)
			switch {
			case p.GrowthBlocked != "":
				reason = p.GrowthBlocked
			case fits && s.blockReason != "":
				reason = s.blockReason
			case fits:
				reason = "a new node would hold the pod, but affinity or spread with pods on other nodes forbids it"
			}
			if !slices.Contains(reasons, reason) {
				reasons = append(reasons, reason)
			}
		}
		refusals = append(refusals, PoolRefusal{Pool: p.Name, Reason: strings.Join(reasons, "; ")})
	}
	return refusals
}

// downsize turns each new node into the smallest shape that holds its pods, among the shapes
// of the same preference.
func (g *scaleUp) downsize() (shrunk bool) {
	for _, l := range g.launches {
		candidates := l.shape.smallerShapes()
		for i := len(candidates) - 1; i >= 0; i-- {
			s := candidates[i]
			if s.remaining == 0 || !g.cluster.CanReplace(s.template, l.node, l.pods) {
				continue
			}
			s.pool.swap(l.shape, s)
			if len(g.refused) > 0 {
				g.swapNode(l, s) // the next round must see it
			}
			l.shape, shrunk = s, true
			break
		}
	}
	return shrunk
}

// swapNode exchanges the node of a launch for one of another shape, and keeps its pods.
func (g *scaleUp) swapNode(l *plannedNode, s *shapeState) {
	for _, pod := range l.shape.daemonPods(l.node) {
		g.cluster.RemovePod(pod)
	}
	g.cluster.AddNode(s.nodeNamed(l.node), s.daemonPods(l.node)...)
}

func (g *scaleUp) plan() GrowPlan {
	plan := GrowPlan{Placed: g.placed, Refused: g.refused}
	for _, l := range g.launches {
		plan.Launches = append(plan.Launches, Launch{Pool: l.shape.pool.Name, Size: l.shape.Size, Pods: l.pods})
	}
	return plan
}
