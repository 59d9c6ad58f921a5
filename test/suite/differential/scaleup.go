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

// plannedPod is a pod for which Grow has found a node.
type plannedPod struct {
	pod    *corev1.Pod
	node   string // empty until it is created
	launch int    // the index of the launch; -1 for an existing node
}

// scaleUp is the state of Satisfy.
type scaleUp struct {
	*trial
	demand *Demand
	plan   decision.GrowPlan
	nodes  []string // of the plan's launches, once they are created
}

// Satisfy calls Grow for all pods, creates the nodes of its plan, and gives the pods to the
// scheduler: it must bind each pod to the node in the plan, and leave those pending that Grow
// refused, unless they now fit in the simulation.
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

// defaultedPods returns the pods with the API server's defaults.
func (g *scaleUp) defaultedPods(ctx context.Context) ([]*corev1.Pod, error) {
	var pods []*corev1.Pod
	for _, arrival := range g.scenario.Arrivals {
		pod, err := g.client.CoreV1().Pods(arrival.Pod.Namespace).Create(ctx, arrival.Pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err != nil {
			return nil, fmt.Errorf("creating pod in a dry run: %w", err)
		}
		pods = append(pods, pod)
	}
	return pods, nil
}

// plannedPods returns the pods of the plan, in the order in which Grow considers them.
func (g *scaleUp) plannedPods() []plannedPod {
	byPod, pods := map[*corev1.Pod]plannedPod{}, []*corev1.Pod{}
	add := func(p plannedPod) {
		byPod[p.pod], pods = p, append(pods, p.pod)
	}
	for _, placement := range g.plan.Placed {
		add(plannedPod{pod: placement.Pod, node: placement.Node, launch: -1})
	}
	for i, launch := range g.plan.Launches {
		for _, pod := range launch.Pods {
			add(plannedPod{pod: pod, launch: i})
		}
	}
	var all []plannedPod
	for _, pod := range decision.SortForPlacement(g.cluster, pods) {
		all = append(all, byPod[pod])
	}
	return all
}

// launchMinimum creates the nodes for the pools' minimum, which Grow also plans first.
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

// schedulePlanned creates nodes and pods in the order of the plan. Pods that do not fit yet are tried
// again later.
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
			return g.disagreement(fmt.Sprintf("Grow planned a node for pod %s (%+v) on which it does not fit in the simulation", left[0].pod.Name, left[0]))
		}
		waiting = left
	}
	return nil
}

// schedule creates a planned pod, and its node if needed, once it can be scheduled.
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

// isSchedulable reports whether the pod fits on its node, which exists or is the next one to be
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

// checkRefused gives the pods to the scheduler that Grow refused.
func (g *scaleUp) checkRefused(ctx context.Context) error {
	for _, refused := range g.plan.Refused {
		if err := g.arrive(ctx, g.arrival(refused.Pod.Name, "")); err != nil {
			return err
		}
	}
	return nil
}

// arrival returns the pod of that name, which prefers the node, if there is one.
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
