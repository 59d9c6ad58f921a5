package autoscaler

import (
	"container/heap"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/autoscaler/cordon"
	"github.com/k8sm/k8sm/controllers/autoscaler/forecast"
	"github.com/k8sm/k8sm/controllers/autoscaler/pending"
	"github.com/k8sm/k8sm/controllers/drain"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/controllers/poolnodes"
	"github.com/k8sm/k8sm/mesos/placement"
)

// virtualCluster plays a small cluster in virtual time: the real Reconciler, a scheduler that
// asks the kube-scheduler's plugins (virtualscheduler_test.go), the controllers of workloads
// (virtualworkloads_test.go), and nodes that take varying times to start and to drain. What
// happens next follows from what changed, so that a day in which nothing changes costs little.
// Everything depends on the seed alone.
type virtualCluster struct {
	t          *testing.T
	api        *virtualAPI
	reconciler *Reconciler
	recorder   *events.FakeRecorder
	scheduler  *clusterCache
	capacity   placement.Capacity

	now      time.Time
	rng      *rand.Rand
	timeline timeline
	next     map[string]time.Time // when each component runs next
	uids     int
	named    int

	workloads []*workload
	daemons   []*daemonSet
	// onRegister changes a Node as it registers. OnReady is called when a node becomes ready, and
	// onDecision when the first thing is done to remove one.
	onRegister []func(*corev1.Node)
	onReady    func(name string)
	onDecision func(name string)

	provisioning time.Duration // the time that a volume takes to be provisioned

	created, removed, evicted int
	history                   []string
}

// event is a function that runs at a time. Events of the same time run in the order in which
// they were added.
type virtualEvent struct {
	at  time.Time
	seq int
	do  func()
}

type timeline struct {
	events []virtualEvent
	seq    int
}

func (l *timeline) Len() int { return len(l.events) }
func (l *timeline) Less(i, j int) bool {
	a, b := l.events[i], l.events[j]
	return a.at.Before(b.at) || a.at.Equal(b.at) && a.seq < b.seq
}
func (l *timeline) Swap(i, j int) { l.events[i], l.events[j] = l.events[j], l.events[i] }
func (l *timeline) Push(e any)    { l.events = append(l.events, e.(virtualEvent)) }
func (l *timeline) Pop() any {
	e := l.events[len(l.events)-1]
	l.events = l.events[:len(l.events)-1]
	return e
}

func newVirtualCluster(t *testing.T, objects ...client.Object) *virtualCluster {
	t.Helper()
	c := &virtualCluster{
		t: t, api: newVirtualAPI(), now: noon, rng: rand.New(rand.NewPCG(1, 1)), next: map[string]time.Time{},
		recorder: events.NewFakeRecorder(100000), onReady: func(string) {}, onDecision: func(string) {}, capacity: placement.Capacity{UnknownReason: "nobody has asked"}, provisioning: 20 * time.Second,
	}
	c.api.changed, c.api.evict = c.changed, c.evict
	var err error
	if c.scheduler, err = newClusterCache(); err != nil {
		t.Fatal(err)
	}
	c.restart()
	c.api.put(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}})
	c.api.put(&v1alpha1.MesosFramework{ObjectMeta: metav1.ObjectMeta{Name: "default"}, Spec: v1alpha1.MesosFrameworkSpec{Roles: []string{"k8sm"}}})
	for _, object := range objects {
		c.api.put(object)
	}
	return c
}

// restart makes a new Reconciler, which remembers nothing.
func (c *virtualCluster) restart() {
	c.t.Helper()
	r, err := NewReconciler(Options{Permission: permitted{}, Client: c.api, Live: c.api, Nodes: c, Agents: c, Recorder: c.recorder, Now: func() time.Time { return c.now }})
	if err != nil {
		c.t.Fatal(err)
	}
	r.startWatches = func() error { return nil }
	c.reconciler = r
}

// defaultPool is a pool with `autoscaling: {}` and nodes of 4 cpus and 8 GiB, of which 3900m are
// for pods.
func defaultPool(name string, how ...func(*v1alpha1.MesosNodePool)) *v1alpha1.MesosNodePool {
	return newPool(name, append([]func(*v1alpha1.MesosNodePool){func(p *v1alpha1.MesosNodePool) {
		p.Spec.Autoscaling = &v1alpha1.Autoscaling{
			Batch: v1alpha1.AutoscalingBatch{Idle: &metav1.Duration{Duration: 500 * time.Millisecond}, Max: &metav1.Duration{Duration: 5 * time.Second}},
			ScaleDown: v1alpha1.ScaleDown{
				ConsolidationPolicy: v1alpha1.WhenEmptyOrUnderutilized, ConsolidateAfter: &metav1.Duration{Duration: 5 * time.Minute}, UtilizationThreshold: new(int32(50)),
				MinNodeLifetime: &metav1.Duration{Duration: 10 * time.Minute}, AfterGrowth: &metav1.Duration{Duration: 10 * time.Minute},
			},
		}
	}}, how...)...)
}

// after runs a function when the time has passed.
func (c *virtualCluster) after(d time.Duration, do func()) {
	c.timeline.seq++
	heap.Push(&c.timeline, virtualEvent{at: c.now.Add(d), seq: c.timeline.seq, do: do})
}

// wake makes a component run within the time.
func (c *virtualCluster) wake(component string, within time.Duration, run func()) {
	at := c.now.Add(within)
	if due, waits := c.next[component]; waits && !due.After(at) {
		return
	}
	c.next[component] = at
	c.after(within, func() {
		if c.next[component].Equal(at) {
			delete(c.next, component)
			run()
		}
	})
}

// between returns a random time.
func (c *virtualCluster) between(least, most time.Duration) time.Duration {
	return least + time.Duration(c.rng.Int64N(int64(most-least)+1))
}

// run lets time pass.
func (c *virtualCluster) run(d time.Duration) {
	end := c.now.Add(d)
	for len(c.timeline.events) > 0 && !c.timeline.events[0].at.After(end) {
		e := heap.Pop(&c.timeline).(virtualEvent)
		c.now = e.at
		e.do()
		if c.t.Failed() {
			return
		}
	}
	c.now = end
}

// note adds a line to the history, which a test that fails prints.
func (c *virtualCluster) note(format string, args ...any) {
	c.history = append(c.history, c.now.Sub(noon).Round(time.Second).String()+" "+fmt.Sprintf(format, args...))
}

// changed wakes the components that a change concerns.
func (c *virtualCluster) changed(object client.Object) {
	c.wake("scheduler", 100*time.Millisecond, c.schedule)
	switch o := object.(type) {
	case *corev1.Pod:
		c.wake("workloads", 200*time.Millisecond, c.syncWorkloads)
		c.wake("budgets", 300*time.Millisecond, c.syncBudgets)
		c.wake("autoscaler", podChangeDelay, c.reconcile)
		if pending.IsUnschedulable(o) && pending.ExclusionReason(o) == "" {
			c.wake("autoscaler", changeDelay, c.reconcile)
		}
	case *corev1.Node:
		if cordon.IsCordoned(o) {
			c.onDecision(o.Name)
		}
		c.wake("workloads", 200*time.Millisecond, c.syncWorkloads)
		c.wake("autoscaler", changeDelay, c.reconcile)
	case *v1alpha1.MesosNode, *v1alpha1.MesosNodePool:
		c.wake("autoscaler", changeDelay, c.reconcile)
	case *policyv1.PodDisruptionBudget:
		c.wake("budgets", 300*time.Millisecond, c.syncBudgets)
	}
}

func (c *virtualCluster) reconcile() {
	result, err := c.reconciler.Reconcile(context.Background(), allPools)
	if err != nil {
		c.t.Fatal(err)
	}
	if result.RequeueAfter > 0 {
		c.wake("autoscaler", result.RequeueAfter, c.reconcile)
	}
}

// Capacity implements Agents.
func (c *virtualCluster) Capacity(context.Context, string) placement.Capacity { return c.capacity }

// Inventory implements Nodes.
func (c *virtualCluster) Inventory(_ context.Context, pool *v1alpha1.MesosNodePool) (poolnodes.Inventory, error) {
	out := poolnodes.Inventory{}
	for _, n := range all[*v1alpha1.MesosNode](c.api) {
		switch {
		case n.Labels[v1alpha1.LabelPool] != pool.Name:
		case n.DeletionTimestamp.IsZero():
			out.Alive = append(out.Alive, n)
		default:
			out.Leaving = append(out.Leaving, n)
		}
	}
	return out, nil
}

// Create implements Nodes.
func (c *virtualCluster) Create(_ context.Context, pool *v1alpha1.MesosNodePool, sizes []nodemodel.Size) ([]string, error) {
	var names []string
	for _, size := range sizes {
		n := c.newNode(pool, size)
		c.created++
		names = append(names, n.Name)
		c.after(c.between(10*time.Second, 90*time.Second), func() { c.register(n.Name) })
	}
	return names, nil
}

func (c *virtualCluster) newNode(pool *v1alpha1.MesosNodePool, size nodemodel.Size) *v1alpha1.MesosNode {
	c.named++
	n := nodemodel.NewNode(pool, fmt.Sprintf("%s-%d", pool.Name, c.named), size)
	n.UID, n.CreationTimestamp = types.UID(n.Name), metav1.NewTime(c.now)
	n.Status.Task = &v1alpha1.MesosTask{ID: n.Name, AgentID: "agent-of-" + n.Name, AgentHostname: "host-of-" + n.Name, Zone: nodemodel.DomainOf(n.Spec.Placement).Zone}
	c.api.put(n)
	c.note("create %s %s %s", n.Name, size.Shape, size.Zone)
	return n
}

// register lets the kubelet of a node register its Node, which is ready after a while.
func (c *virtualCluster) register(name string) {
	n := find[*v1alpha1.MesosNode](c.api, "", name)
	if n == nil || !n.DeletionTimestamp.IsZero() {
		return
	}
	object := forecast.Forecast{}.Node(n)
	object.UID, object.CreationTimestamp = types.UID("node-"+name), metav1.NewTime(c.now)
	object.Spec.Taints = append(object.Spec.Taints, corev1.Taint{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoSchedule})
	for _, change := range c.onRegister {
		change(object)
	}
	c.api.put(object)
	c.setCondition(name, v1alpha1.ConditionRegistered, metav1.ConditionTrue, v1alpha1.ReasonNodeRegistered)
	c.after(c.between(5*time.Second, 60*time.Second), func() { c.makeReady(name) })
}

func (c *virtualCluster) makeReady(name string) {
	record := find[*v1alpha1.MesosNode](c.api, "", name)
	if find[*corev1.Node](c.api, "", name) == nil || record == nil || nodemodel.WasReady(record) {
		return
	}
	c.changeNode(name, func(n *corev1.Node) { n.Spec.Taints = withoutTaint(n.Spec.Taints, corev1.TaintNodeNotReady) })
	c.setCondition(name, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonNodeReady)
	c.onReady(name)
}

// addReadyNode adds a node that has been there for a day.
func (c *virtualCluster) addReadyNode(pool, zone string) string {
	p := find[*v1alpha1.MesosNodePool](c.api, "", pool)
	n := c.newNode(p, nodemodel.Size{Resources: p.Spec.Template.Spec.Resources, Zone: zone})
	old := n.DeepCopy()
	old.CreationTimestamp = metav1.NewTime(c.now.Add(-24 * time.Hour))
	c.api.put(old)
	c.register(n.Name)
	c.makeReady(n.Name)
	return n.Name
}

func (c *virtualCluster) setCondition(name, kind string, status metav1.ConditionStatus, reason string) {
	n := find[*v1alpha1.MesosNode](c.api, "", name).DeepCopy()
	meta.SetStatusCondition(&n.Status.Conditions, metav1.Condition{Type: kind, Status: status, Reason: reason, Message: "as the test wants", LastTransitionTime: metav1.NewTime(c.now)})
	c.api.put(n)
}

// changeNode changes a Node, if it exists.
func (c *virtualCluster) changeNode(name string, change func(*corev1.Node)) {
	if object := find[*corev1.Node](c.api, "", name); object != nil {
		object = object.DeepCopy()
		change(object)
		c.api.put(object)
	}
}

// changePod changes a Pod, if it exists.
func (c *virtualCluster) changePod(name string, change func(*corev1.Pod)) {
	if pod := find[*corev1.Pod](c.api, "default", name); pod != nil {
		pod = pod.DeepCopy()
		change(pod)
		c.api.put(pod)
	}
}

func withoutTaint(taints []corev1.Taint, key string) []corev1.Taint {
	var kept []corev1.Taint
	for _, taint := range taints {
		if taint.Key != key {
			kept = append(kept, taint)
		}
	}
	return kept
}

// Remove implements Nodes: nodes are cordoned, drained and released as the controller of
// MesosNodes does it.
func (c *virtualCluster) Remove(_ context.Context, _ *v1alpha1.MesosNodePool, nodes []*v1alpha1.MesosNode) (int, error) {
	for _, n := range nodes {
		c.deleteNode(n.Name)
	}
	return len(nodes), nil
}

// Disrupt implements Nodec.
func (c *virtualCluster) Disrupt(ctx context.Context, pool *v1alpha1.MesosNodePool, candidates []poolnodes.Candidate) (poolnodes.Disrupted, error) {
	inventory, err := c.Inventory(ctx, pool)
	if err != nil {
		return poolnodes.Disrupted{}, err
	}
	chosen, out := inventory.Choose(pool, candidates, c.now)
	for _, n := range chosen {
		c.deleteNode(n.Name)
		out.Removed = append(out.Removed, n.Name)
	}
	return out, nil
}

// deleteNode deletes a MesosNode.
func (c *virtualCluster) deleteNode(name string) {
	n := find[*v1alpha1.MesosNode](c.api, "", name)
	if n == nil || !n.DeletionTimestamp.IsZero() {
		return
	}
	c.onDecision(name)
	c.removed++
	c.note("remove %s, pods %v", name, c.podsOn(name))
	n = n.DeepCopy()
	n.DeletionTimestamp = &metav1.Time{Time: c.now}
	c.api.put(n)
	began := c.now.Add(time.Second)
	c.after(time.Second, func() {
		c.changeNode(name, func(object *corev1.Node) {
			object.Spec.Unschedulable = true
			object.Spec.Taints = append(object.Spec.Taints, corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule})
		})
		c.drain(name, began)
	})
}

// drain evicts pods until none is left, and then lets the node go.
func (c *virtualCluster) drain(name string, began time.Time) {
	var pods corev1.PodList
	if err := c.api.List(context.Background(), &pods, client.MatchingFields{drain.FieldNodeName: name}); err != nil {
		c.t.Fatal(err)
	}
	left := 0
	for _, decided := range drain.DecideAll(pods.Items, drain.Options{Now: c.now, Began: began}).Decisions {
		if decided.Verdict == drain.Evict { // in order, so that each run is the same
			_ = c.api.evict(find[*corev1.Pod](c.api, decided.Pod.Namespace, decided.Pod.Name)) // a budget may forbid it
		}
		if decided.Verdict != drain.Ignore {
			left++
		}
	}
	if left > 0 {
		c.after(c.between(2*time.Second, 10*time.Second), func() { c.drain(name, began) })
		return
	}
	c.after(c.between(time.Second, 30*time.Second), func() {
		for _, pod := range all[*corev1.Pod](c.api) {
			if pod.Spec.NodeName == name {
				c.api.remove(pod)
			}
		}
		if object := find[*corev1.Node](c.api, "", name); object != nil {
			c.api.remove(object)
		}
		c.api.remove(find[*v1alpha1.MesosNode](c.api, "", name))
		c.note("%s is gone", name)
	})
}

func (c *virtualCluster) podsOn(node string) (names []string) {
	for _, pod := range all[*corev1.Pod](c.api) {
		if pod.Spec.NodeName == node {
			names = append(names, pod.Name)
		}
	}
	return names
}

// nodesOf returns the nodes of a pool that are not being removed.
func (c *virtualCluster) nodesOf(pool string) (names []string) {
	inventory, _ := c.Inventory(context.Background(), find[*v1alpha1.MesosNodePool](c.api, "", pool))
	for _, n := range inventory.Alive {
		names = append(names, n.Name)
	}
	return names
}

// pendingPods returns the pods that are on no node.
func (c *virtualCluster) pendingPods() (names []string) {
	for _, pod := range all[*corev1.Pod](c.api) {
		if pod.Spec.NodeName == "" && pod.DeletionTimestamp.IsZero() {
			names = append(names, pod.Name)
		}
	}
	return names
}

// expectAtMost expects no more nodes to have been created and removed, and no more pods to have
// been evicted, and that no pod waits.
func (c *virtualCluster) expectAtMost(created, removed, evicted int) {
	c.t.Helper()
	if c.created > created || c.removed > removed || c.evicted > evicted {
		c.t.Errorf("%d nodes were created, %d removed and %d pods evicted, want at most %d, %d, %d", c.created, c.removed, c.evicted, created, removed, evicted)
	}
	if waiting := c.pendingPods(); len(waiting) > 0 {
		c.t.Errorf("pods wait: %v", waiting)
	}
	if c.t.Failed() {
		for _, p := range all[*v1alpha1.MesosNodePool](c.api) {
			if a := p.Status.Autoscaling; a != nil && a.LastDecision != nil {
				c.t.Logf("pool %s: %s: %s", p.Name, a.LastDecision.Action, a.LastDecision.Cause)
			}
		}
		for len(c.recorder.Events) > 0 {
			c.t.Log(<-c.recorder.Events)
		}
		for _, line := range c.history[:min(len(c.history), 60)] {
			c.t.Log(line)
		}
	}
}

// permitted is a Permission that lacks nothing.
type permitted struct{}

// Missing implements Permission.
func (permitted) Missing(context.Context) (string, error) { return "", nil }
