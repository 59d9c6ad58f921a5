package differential

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/controllers/autoscaler/decision"
)

// plannedPod is a pod that Grow found a place for.
type plannedPod struct {
	pod    *corev1.Pod
	node   string // empty until it is created
	launch int    // which node to create; -1 for one there is
}

// scaleUp is a demand that is being satisfied.
type scaleUp struct {
	*trial
	demand *Demand
	plan   decision.GrowPlan
	nodes  []string // of the plan's launches, once they are created
}

// Satisfy has Grow decide about all pods, creates the nodes as their templates say, and gives
// the pods to the scheduler: it must bind each where Grow placed it, and leave those pending
// that Grow refused, unless the simulation says that they fit by now.
func (c *ControlPlane) Satisfy(ctx context.Context, demand *Demand) (tally Tally, err error) {
	t, err := c.newTrial(demand.Scenario)
	if err != nil {
		return tally, err
	}
	defer func() { err = errors.Join(err, t.clean(context.WithoutCancel(ctx))) }()
	if err := t.createScenario(ctx); err != nil {
		return tally, err
	}
	g := &scaleUp{trial: t, demand: demand}
	pods, err := g.defaultedPods(ctx)
	if err != nil {
		return t.tally, err
	}
	g.plan = decision.Grow(decision.GrowInput{Cluster: t.cluster, Pods: pods, Pools: demand.Pools})
	g.nodes = make([]string, len(g.plan.Launches))
	for _, step := range []func(context.Context) error{g.launchMinimum, g.schedulePlanned, g.checkRefused} {
		if err := step(ctx); err != nil {
			return t.tally, err
		}
	}
	return t.tally, nil
}

// defaultedPods are the pods as the API server would have them.
func (g *scaleUp) defaultedPods(ctx context.Context) ([]*corev1.Pod, error) {
	var pods []*corev1.Pod
	for _, arrival := range g.scenario.Arrivals {
		pod, err := g.client.CoreV1().Pods(arrival.Pod.Namespace).Create(ctx, arrival.Pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err != nil {
			return nil, fmt.Errorf("creating pod as a trial: %w", err)
		}
		pods = append(pods, pod)
	}
	return pods, nil
}

// plannedPods are what the plan promises, in the order in which Grow looks at pods.
func (g *scaleUp) plannedPods() []plannedPod {
	byPod, pods := map[*corev1.Pod]plannedPod{}, []*corev1.Pod{}
	promised := func(p plannedPod) {
		byPod[p.pod], pods = p, append(pods, p.pod)
	}
	for _, placement := range g.plan.Placed {
		promised(plannedPod{pod: placement.Pod, node: placement.Node, launch: -1})
	}
	for i, launch := range g.plan.Launches {
		for _, pod := range launch.Pods {
			promised(plannedPod{pod: pod, launch: i})
		}
	}
	var all []plannedPod
	for _, pod := range decision.SortForPlacement(g.cluster, pods) {
		all = append(all, byPod[pod])
	}
	return all
}

// launchMinimum creates the nodes that pools are to have at least, which Grow does first.
func (g *scaleUp) launchMinimum(ctx context.Context) error {
	lacks := map[string]int{}
	for _, pool := range g.demand.Pools {
		lacks[pool.Name] = pool.Min
	}
	for i, launch := range g.plan.Launches {
		if lacks[launch.Pool]--; lacks[launch.Pool] >= 0 {
			if err := g.launch(ctx, i); err != nil {
				return err
			}
		}
	}
	return nil
}

func (g *scaleUp) launch(ctx context.Context, i int) error {
	node := g.demand.node(g.plan.Launches[i])
	g.nodes[i], g.scenario.Nodes = node.Name, append(g.scenario.Nodes, node)
	return g.createNodes(ctx, []*corev1.Node{node})
}

// schedulePlanned creates nodes and pods as Grow thought of them, those later that don't fit
// yet.
func (g *scaleUp) schedulePlanned(ctx context.Context) error {
	waiting := g.plannedPods()
	for len(waiting) > 0 {
		var left []plannedPod
		for _, p := range waiting {
			kept, err := g.schedule(ctx, p)
			if err != nil {
				return err
			}
			if !kept {
				left = append(left, p)
			}
		}
		if len(left) == len(waiting) {
			return g.disagreement(fmt.Sprintf("Grow promised pod %s a place (%+v) that the simulation does not see by now", left[0].pod.Name, left[0]))
		}
		waiting = left
	}
	return nil
}

// schedule keeps a promise, if it is its turn.
func (g *scaleUp) schedule(ctx context.Context, p plannedPod) (kept bool, err error) {
	if !g.isSchedulable(p) {
		return false, nil
	}
	if g.nodeOf(p) == "" {
		if err := g.launch(ctx, p.launch); err != nil {
			return false, err
		}
	}
	return true, g.arrive(ctx, g.arrival(p.pod.Name, g.nodeOf(p)))
}

// isSchedulable tells whether the pod fits by now, on a node that is there, or is the next to be
// launched.
func (g *scaleUp) isSchedulable(p plannedPod) bool {
	mark := g.cluster.Checkpoint()
	defer g.cluster.Revert(mark)
	node := g.nodeOf(p)
	if node == "" {
		if slices.Index(g.nodes, "") != p.launch {
			return false
		}
		next := g.demand.node(g.plan.Launches[p.launch])
		g.cluster.AddNode(next)
		node = next.Name
	}
	fits, _ := g.cluster.Fits(p.pod, node)
	return fits
}

func (g *scaleUp) nodeOf(p plannedPod) string {
	if p.launch < 0 {
		return p.node
	}
	return g.nodes[p.launch]
}

// checkRefused gives those to the scheduler that Grow refused.
func (g *scaleUp) checkRefused(ctx context.Context) error {
	for _, refused := range g.plan.Refused {
		if err := g.arrive(ctx, g.arrival(refused.Pod.Name, "")); err != nil {
			return err
		}
	}
	return nil
}

// arrival is the pod of that name, which prefers the node, if there is one.
func (g *scaleUp) arrival(pod, node string) Arrival {
	i := slices.IndexFunc(g.scenario.Arrivals, func(a Arrival) bool { return a.Pod.Name == pod })
	order := []string{node}
	for _, other := range g.scenario.Nodes {
		if other.Name != node {
			order = append(order, other.Name)
		}
	}
	return prefer(g.scenario.Arrivals[i].Pod.DeepCopy(), slices.DeleteFunc(order, func(name string) bool { return name == "" }))
}
