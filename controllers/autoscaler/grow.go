package autoscaler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/autoscaler/decision"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/mesos/placement"
)

// pass is one decision, and what it has come to so far.
type pass struct {
	*world
	pools     []*pool
	templates templates
	pending   []*corev1.Pod // those that nodes may be made for
	held      []*corev1.Pod // those that nodes were made for in vain
	leftOut   map[string]int
	onNodes   map[string][]*corev1.Pod // the pods that are on a node, or will be
	plan      decision.GrowPlan
	// grown tells that nodes were created: nothing goes in the same breath.
	grown bool
	// again is when to look again although nothing happens; 0 for never.
	again time.Duration
}

// lookAgain at the latest then.
func (p *pass) lookAgain(after time.Duration) {
	if after > 0 && (p.again == 0 || after < p.again) {
		p.again = after
	}
}

// giveUp removes the nodes that do not come up. They count no more from now on, so that
// others can be made for the pods that they were for.
func (r *Reconciler) giveUp(ctx context.Context, p *pass) error {
	for _, pool := range p.pools {
		if pool.Spec.Paused || !usable(pool) {
			continue
		}
		given, next := hopeless(pool, p.now)
		if !next.IsZero() {
			p.lookAgain(next.Sub(p.now))
		}
		if len(given) == 0 {
			continue
		}
		r.guard.failed(pool, given, p.now)
		if _, err := r.Nodes.Remove(ctx, pool.MesosNodePool, given); err != nil {
			return fmt.Errorf("giving up nodes of pool %s: %w", pool.Name, err)
		}
		for _, n := range given {
			p.writtenOff[n.Name] = true
		}
		pool.fleet.Alive = slices.DeleteFunc(slices.Clone(pool.fleet.Alive), func(n *v1alpha1.MesosNode) bool { return slices.Contains(given, n) })
		pool.decided(v1alpha1.AutoscalingShrink, len(given), "Nodes did not come up: "+r.guard.pools[pool.Name].why)
	}
	return nil
}

// reflect makes the mirror show the world, and sorts the pods.
func (r *Reconciler) reflect(_ context.Context, p *pass) error {
	p.templates = learn(p.mesosNodes, p.nodes, p.daemons)
	views, daemons := p.views(p.templates)
	if err := r.mirror.follow(views, slices.Concat(p.pods, daemons), p.objects); err != nil {
		return fmt.Errorf("following the cluster: %w", err)
	}
	p.onNodes = p.podsByNode()
	pods, out := p.waiting()
	p.leftOut = out
	p.pending, p.held = r.guard.hold(pods, r.useOf(p), p.now)
	return nil
}

// grow creates the nodes that pods need, and those that pools are to have at least.
func (r *Reconciler) grow(ctx context.Context, p *pass) error {
	in := decision.GrowInput{Cluster: r.mirror.cluster, Pods: p.pending}
	sizes := map[string]nodemodel.Size{}
	for _, pool := range p.pools {
		pool.barred = r.bar(p, pool)
		asked, err := r.ask(ctx, p, pool, sizes)
		if err != nil {
			return err
		}
		in.Pools = append(in.Pools, asked)
	}
	began := r.Now()
	p.plan = decision.Grow(in)
	measureDecision("grow", r.Now().Sub(began))
	if len(p.plan.Refused) > 0 || len(p.held) > 0 {
		p.lookAgain(whileWaiting)
	}
	return r.launch(ctx, p, sizes)
}

// bar tells why a pool may not grow.
func (r *Reconciler) bar(p *pass, pool *pool) string {
	why, until, most := r.guard.barred(pool, p.now)
	pool.backOff, pool.most, pool.trouble = until, most, r.guard.of(pool)
	if !until.IsZero() {
		p.lookAgain(until.Sub(p.now))
	}
	if pool.Spec.Paused {
		return "it is paused"
	}
	for _, kind := range prerequisites {
		c := meta.FindStatusCondition(pool.Status.Conditions, kind)
		if c == nil {
			return "nobody has looked at the pool yet"
		}
		if c.Status != metav1.ConditionTrue {
			return c.Message
		}
	}
	return cmp.Or(unwell(p.pools, pool.Spec.FrameworkRef.Name), why)
}

// prerequisites are the conditions of a pool without which nothing is done about it.
var prerequisites = []string{v1alpha1.ConditionFrameworkReady, v1alpha1.ConditionTemplateValid}

// usable tells whether Mesos can be asked for nodes of a pool.
func usable(p *pool) bool {
	return meta.IsStatusConditionTrue(p.Status.Conditions, v1alpha1.ConditionFrameworkReady)
}

// ask describes a pool to the decider. What Mesos has room for is asked only if it matters.
func (r *Reconciler) ask(ctx context.Context, p *pass, pool *pool, sizes map[string]nodemodel.Size) (decision.Pool, error) {
	out := r.limits(pool)
	if len(p.pending) == 0 && out.Nodes >= out.Min {
		return out, nil // nobody will ask it for a node
	}
	var err error
	out.Shapes, err = r.shapes(ctx, p, pool, sizes)
	return out, err
}

// limits are what bounds a pool, and what it has of that.
func (r *Reconciler) limits(pool *pool) decision.Pool {
	scaling := pool.Spec.Autoscaling
	out := decision.Pool{
		Name: pool.Name, Weight: scaling.Weight, GrowthBlocked: pool.barred,
		Nodes: len(pool.fleet.Alive), Min: int(scaling.MinReplicas),
		Used: corev1.ResourceList{}, Limits: corev1.ResourceList{},
	}
	if scaling.MaxReplicas != nil {
		out.Max = int(*scaling.MaxReplicas)
	}
	if pool.most >= 0 && pool.backOff.IsZero() {
		out.Max = boundedBy(out.Max, out.Nodes+pool.most)
		if pool.most == 0 && out.GrowthBlocked == "" {
			out.GrowthBlocked = "tries one node at a time, after others did not come up"
		}
	}
	if scaling.Limits.CPU != nil {
		out.Limits[corev1.ResourceCPU] = *scaling.Limits.CPU
	}
	if scaling.Limits.Memory != nil {
		out.Limits[corev1.ResourceMemory] = *scaling.Limits.Memory
	}
	for _, n := range pool.fleet.Alive {
		for name, q := range taken(n) {
			sum := out.Used[name]
			sum.Add(q)
			out.Used[name] = sum
		}
	}
	return out
}

func boundedBy(most, bound int) int {
	if most == 0 || bound < most {
		return bound
	}
	return most
}

// shapes are the nodes that a pool can have: each size, in each zone that its cluster has.
func (r *Reconciler) shapes(ctx context.Context, p *pass, pool *pool, sizes map[string]nodemodel.Size) ([]decision.Shape, error) {
	framework := &v1alpha1.MesosFramework{}
	if err := r.Client.Get(ctx, client.ObjectKey{Name: pool.Spec.FrameworkRef.Name}, framework); client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading MesosFramework %s: %w", pool.Spec.FrameworkRef.Name, err)
	}
	var capacity placement.Capacity
	if pool.barred == "" {
		asking, cancel := context.WithTimeout(ctx, capacityTimeout)
		capacity = r.Agents.Capacity(asking, framework.Name)
		cancel()
	}
	var out []decision.Shape
	var rooms []placement.Headroom
	for _, shape := range shapesOf(pool.MesosNodePool) {
		for _, zone := range zones(pool.Spec.Placement, capacity) {
			size := nodemodel.Size{Shape: shape.Name, Resources: shape.Resources, Zone: zone}
			name := fmt.Sprintf("%s/%s/%s", pool.Name, size.Shape, zone)
			sizes[name] = size
			n := nodemodel.NewNode(pool.MesosNodePool, "new", size)
			room := placement.Headroom{Count: placement.UnknownCount}
			if pool.barred == "" {
				room = capacity.Headroom(nodemodel.Demand(n, framework.Spec.Roles, p.now))
				rooms = append(rooms, room)
			}
			object := p.templates.node(n)
			out = append(out, decision.Shape{
				Name: name, Node: object, Daemons: p.templates.daemonsOn(object), Preference: shape.Preference, Room: room.Count, NearestMiss: room.Reason,
			})
		}
	}
	pool.full = full(rooms)
	return out, nil
}

// full tells why there is room for nothing; empty if there is, or may be, for something.
func full(rooms []placement.Headroom) string {
	var why []string
	for _, room := range rooms {
		if room.Count != 0 {
			return ""
		}
		if !slices.Contains(why, room.Reason) {
			why = append(why, room.Reason)
		}
	}
	return strings.Join(why, "; ")
}

// shapesOf are the shapes of nodes that a pool's template has; one without a name where it
// has resources instead.
func shapesOf(p *v1alpha1.MesosNodePool) []v1alpha1.NodeShape {
	spec := p.Spec.Template.Spec
	if len(spec.Shapes) == 0 {
		return []v1alpha1.NodeShape{{Resources: spec.Resources}}
	}
	return spec.Shapes
}

// zones are those in which the pool's agents may be: pods that are spread over zones, or
// have a volume in one, need a node in a certain one.
func zones(p v1alpha1.Placement, c placement.Capacity) []string {
	if zone := zoneOf(p); zone != "" {
		return []string{""} // the placement says it already
	}
	var out []string
	for _, agents := range [][]*placement.Offer{c.Totals, c.Free.Offers} {
		for _, a := range agents {
			if !slices.Contains(out, a.Agent.Zone) {
				out = append(out, a.Agent.Zone)
			}
		}
	}
	if len(out) == 0 {
		return []string{""}
	}
	slices.Sort(out)
	return out
}

// launch creates the nodes of the plan, pool by pool. What could not be created is decided
// upon again.
func (r *Reconciler) launch(ctx context.Context, p *pass, sizes map[string]nodemodel.Size) error {
	var problems []error
	for _, pool := range p.pools {
		var wanted []nodemodel.Size
		var launches []decision.Launch
		for _, l := range p.plan.Launches {
			if l.Pool == pool.Name {
				wanted, launches = append(wanted, sizes[l.Shape]), append(launches, l)
			}
		}
		if len(wanted) == 0 {
			continue
		}
		p.grown = true
		names, err := r.Nodes.Create(ctx, pool.MesosNodePool, wanted)
		if err != nil {
			problems = append(problems, fmt.Errorf("creating nodes of pool %s: %w", pool.Name, err))
		}
		created, helped := 0, 0
		for i, name := range names {
			if name == "" {
				continue
			}
			created++
			helped += len(launches[i].Pods)
			for _, pod := range launches[i].Pods {
				r.guard.made(pod, name)
				r.toldTriggered(pod, pool, name)
			}
		}
		pool.decided(v1alpha1.AutoscalingGrow, created, cause(helped, pool))
	}
	return errors.Join(problems...)
}

func cause(helped int, p *pool) string {
	if helped == 0 {
		return fmt.Sprintf("The pool has at least %d nodes.", p.Spec.Autoscaling.MinReplicas)
	}
	return fmt.Sprintf("%d pods found no place.", helped)
}
