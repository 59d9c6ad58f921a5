package autoscaler

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/autoscaler/backoff"
	"github.com/k8sm/k8sm/controllers/autoscaler/decision"
	"github.com/k8sm/k8sm/controllers/autoscaler/forecast"
)

// withCondition adds a condition to a MesosNode.
func withCondition(n *v1alpha1.MesosNode, kind string, status metav1.ConditionStatus, at time.Time) *v1alpha1.MesosNode {
	n.Status.Conditions = append(n.Status.Conditions, metav1.Condition{Type: kind, Status: status, Reason: "Test", Message: "as the test wants", LastTransitionTime: metav1.NewTime(at)})
	return n
}

// readySince returns a node of a pool that became ready at that time.
func readySince(p *v1alpha1.MesosNodePool, name string, at time.Time) *v1alpha1.MesosNode {
	return withCondition(withCondition(mesosNodeOf(p, name), v1alpha1.ConditionRegistered, metav1.ConditionTrue, at), v1alpha1.ConditionReady, metav1.ConditionTrue, at)
}

func TestReasonsThatBlockGrowth(t *testing.T) {
	failed := backoff.Failure{Count: 1, At: noon, Until: noon.Add(time.Minute), Reason: "x"}
	setCondition := func(i int, message string) func(*pool) {
		return func(p *pool) {
			p.Status.Conditions[i].Status, p.Status.Conditions[i].Message = metav1.ConditionFalse, message
		}
	}
	paused := func(p *pool) { p.Spec.Paused = true }
	massFailure := func(p *pool) { p.massFailure = "4 of 8 nodes have ceased to be ready" }
	failing := func(p *pool) { p.failure = failed }
	tests := map[string]struct {
		changes []func(*pool)
		growth  string // why the pool may not grow
		removal string // why nodes of the pool may not be removed
		limit   int
	}{
		"nothing":                        {nil, "", "", backoff.Unlimited},
		"it is paused":                   {[]func(*pool){paused}, "it is paused", "it is paused", backoff.Unlimited},
		"its conditions are not set yet": {[]func(*pool){func(p *pool) { p.Status.Conditions = nil }}, "its conditions are not set yet", "its conditions are not set yet", backoff.Unlimited},
		"its framework is not ready":     {[]func(*pool){setCondition(0, "No master.")}, "No master.", "No master.", backoff.Unlimited},
		"its template is invalid, and nodes can be removed": {[]func(*pool){setCondition(1, "No such field.")}, "No such field.", "", backoff.Unlimited},
		"many nodes have ceased to be ready":                {[]func(*pool){massFailure}, "4 of 8 nodes have ceased to be ready", "4 of 8 nodes have ceased to be ready", backoff.Unlimited},
		"it backs off, and nodes can be removed":            {[]func(*pool){failing}, "backs off: x", "", 0},
		"the pause has precedence":                          {[]func(*pool){failing, massFailure, setCondition(0, "No master."), paused}, "it is paused", "it is paused", 0},
		"the framework has precedence over a back-off":      {[]func(*pool){failing, massFailure, setCondition(0, "No master.")}, "No master.", "No master.", 0},
		"a mass failure has precedence over a back-off":     {[]func(*pool){failing, massFailure}, "4 of 8 nodes have ceased to be ready", "4 of 8 nodes have ceased to be ready", 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := &pool{MesosNodePool: newPool("general")}
			for _, change := range test.changes {
				change(p)
			}
			p.limitGrowth(noon)
			if p.blockReason != test.growth || p.removalBlockReason() != test.removal || p.growthLimit != test.limit {
				t.Errorf("growth is blocked by %q, removal by %q, the limit is %d", p.blockReason, p.removalBlockReason(), p.growthLimit)
			}
			if backsOff := test.limit == 0; p.backOffUntil.IsZero() == backsOff {
				t.Errorf("it backs off until %s", p.backOffUntil)
			}
		})
	}
}

func TestNodesAreAbandonedOnlyWhileMesosIsConnected(t *testing.T) {
	late := noon.Add(backoff.StartTimeout)
	tests := map[string]struct {
		change func(*v1alpha1.MesosNodePool)
		want   int
	}{
		"a pool whose framework is ready":     {func(*v1alpha1.MesosNodePool) {}, 1},
		"a paused pool":                       {func(p *v1alpha1.MesosNodePool) { p.Spec.Paused = true }, 0},
		"a pool whose framework is not ready": {func(p *v1alpha1.MesosNodePool) { p.Status.Conditions[0].Status = metav1.ConditionFalse }, 0},
		"a pool with an invalid template":     {func(p *v1alpha1.MesosNodePool) { p.Status.Conditions[1].Status = metav1.ConditionFalse }, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			object := newPool("general", test.change)
			stuck := mesosNodeOf(object, "stuck")
			stuck.CreationTimestamp = metav1.NewTime(noon)
			p := &pool{MesosNodePool: object, alive: []*v1alpha1.MesosNode{stuck, readySince(object, "ready", noon)}}
			given := slices.Clone(p.alive)
			p.abandonNodes(backoff.Failure{}, late)
			if len(p.abandoned) != test.want || len(p.alive) != 2-test.want || p.failure.Count != test.want {
				t.Errorf("%d nodes are given up, %d are left, %d failures", len(p.abandoned), len(p.alive), p.failure.Count)
			}
			if diff := cmp.Diff(2, len(given)); diff != "" || given[0] != stuck {
				t.Error("the list that was given has changed")
			}
		})
	}
}

func TestNodesUsedForPlacement(t *testing.T) {
	object := newPool("general")
	fc := forecast.Forecast{}
	node := func(name string, change ...func(*corev1.Node)) *corev1.Node {
		out := fc.Node(mesosNodeOf(object, name))
		for _, c := range change {
			c(out)
		}
		return out
	}
	notReady := func(n *corev1.Node) {
		n.Spec.Taints = []corev1.Taint{{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoSchedule}}
	}
	deleted := func(n *corev1.Node) { n.DeletionTimestamp = new(metav1.NewTime(noon)) }
	cordoned := func(n *corev1.Node) { *n = *decision.Cordoned(n) }
	leaving := readySince(object, "leaving", noon.Add(-time.Hour))
	leaving.DeletionTimestamp = new(metav1.NewTime(noon))
	goneSince := withCondition(withCondition(mesosNodeOf(object, "vanished"), v1alpha1.ConditionRegistered, metav1.ConditionTrue, noon.Add(-time.Hour)), v1alpha1.ConditionReady, metav1.ConditionFalse, noon)

	o := &observation{now: noon, nodes: map[string]*corev1.Node{}}
	for _, n := range []*corev1.Node{
		node("foreign"), node("foreign-deleted", deleted), node("ready"), node("leaving"), node("abandoned"), node("already-cordoned", cordoned, deleted),
		node("starting", notReady), node("just-ready", notReady), node("long-ready", notReady),
	} {
		o.nodes[n.Name] = n
	}
	for _, n := range []*v1alpha1.MesosNode{
		readySince(object, "ready", noon.Add(-time.Hour)), leaving, mesosNodeOf(object, "abandoned"), mesosNodeOf(object, "starting"),
		readySince(object, "just-ready", noon.Add(-time.Second)), readySince(object, "long-ready", noon.Add(-time.Hour)),
		mesosNodeOf(object, "in-flight"), goneSince,
	} {
		o.mesosNodes = append(o.mesosNodes, *n)
	}
	s := &Snapshot{observation: o, forecast: fc}
	o.pools = []*pool{{MesosNodePool: object, abandoned: []*v1alpha1.MesosNode{mesosNodeOf(object, "abandoned")}}}

	type view struct {
		Cordoned bool
		Taints   int
	}
	want := map[string]view{
		"foreign": {}, "foreign-deleted": {Cordoned: true, Taints: 1}, "already-cordoned": {Cordoned: true, Taints: 1},
		"ready": {}, "leaving": {Cordoned: true, Taints: 1}, "abandoned": {Cordoned: true, Taints: 1},
		"starting": {}, "just-ready": {}, "long-ready": {Taints: 1}, "in-flight": {},
	}
	nodes, _ := s.schedulableNodes()
	got := map[string]view{}
	for name, n := range nodes {
		got[name] = view{n.Spec.Unschedulable, len(n.Spec.Taints)}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("nodes (-want +got):\n%s", diff)
	}
	for _, name := range []string{"foreign", "ready", "long-ready", "already-cordoned"} {
		if nodes[name] != o.nodes[name] {
			t.Errorf("%s is a copy although nothing differs", name)
		}
	}
	if diff := cmp.Diff([]string{"abandoned", "already-cordoned", "foreign-deleted", "leaving"}, s.leaving); diff != "" {
		t.Errorf("nodes that leave (-want +got):\n%s", diff)
	}
	if o.nodes["leaving"].Spec.Unschedulable || len(o.nodes["starting"].Spec.Taints) != 1 {
		t.Error("the observation itself has changed")
	}
}

func TestOutcomeOfANode(t *testing.T) {
	object := newPool("general")
	cluster, err := newClusterCache()
	if err != nil {
		t.Fatal(err)
	}
	s := &Snapshot{observation: &observation{now: noon, nodes: map[string]*corev1.Node{}}, cluster: cluster.cluster}
	p := &pool{MesosNodePool: object}
	for _, name := range []string{"empty", "busy", "daemons", "in-flight"} {
		n := mesosNodeOf(object, name)
		p.alive = append(p.alive, n)
		if name != "in-flight" {
			s.nodes[name] = forecast.Forecast{}.Node(n)
		}
	}
	if err := cluster.Sync(clusterView{nodes: s.nodes}); err != nil {
		t.Fatal(err)
	}
	s.pools = []*pool{p}
	daemon := newPod("logs", "1", replica, func(p *corev1.Pod) { p.OwnerReferences[0].Kind = "DaemonSet" })
	ending := newPod("ending", "1", replica, func(p *corev1.Pod) { p.DeletionTimestamp = new(metav1.NewTime(noon)) })
	s.podsByNode = map[string][]*corev1.Pod{"busy": {newPod("web", "1", replica)}, "daemons": {daemon, ending}}
	small, large := newPod("small", "1"), newPod("large", "64")
	tests := map[string]struct {
		node string
		pods []*corev1.Pod
		want backoff.Outcome
	}{
		"a node that does not exist":                      {"other", []*corev1.Pod{small}, backoff.Gone},
		"a node with a pod":                               {"busy", []*corev1.Pod{large}, backoff.Helped},
		"a MesosNode without a Node":                      {"in-flight", []*corev1.Pod{small}, backoff.Unclear},
		"no pending pod":                                  {"empty", nil, backoff.Unclear},
		"a pending pod fits":                              {"empty", []*corev1.Pod{large, small}, backoff.Helped},
		"no pending pod fits":                             {"empty", []*corev1.Pod{large}, backoff.Refused},
		"pods of DaemonSets and ending pods do not count": {"daemons", []*corev1.Pod{large}, backoff.Refused},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := s.outcomeOf()(test.node, test.pods); got != test.want {
				t.Errorf("it is %d, want %d", got, test.want)
			}
		})
	}
}

func TestNodesMayOnlyBeReplacedWhereThereIsAnotherSize(t *testing.T) {
	shapes := func(n int) func(*v1alpha1.MesosNodePool) {
		return func(p *v1alpha1.MesosNodePool) {
			consolidating(p)
			p.Spec.Template.Spec.Shapes = make([]v1alpha1.NodeShape, n)
		}
	}
	tests := map[string]struct {
		change func(*v1alpha1.MesosNodePool)
		want   bool
	}{
		"two shapes": {shapes(2), true},
		"one shape":  {shapes(1), false},
		"no shapes":  {shapes(0), false},
		"policy WhenEmpty": {func(p *v1alpha1.MesosNodePool) {
			shapes(2)(p)
			p.Spec.Autoscaling.ScaleDown.ConsolidationPolicy = v1alpha1.WhenEmpty
		}, false},
		"removal blocked": {func(p *v1alpha1.MesosNodePool) { shapes(2)(p); p.Spec.Paused = true }, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := &pool{MesosNodePool: newPool("general", test.change)}
			p.limitGrowth(noon)
			if got := p.mayReplaceNodes(); got != test.want {
				t.Errorf("they may: %t, want %t", got, test.want)
			}
		})
	}
}

func TestLastGrowthOfAPool(t *testing.T) {
	object := newPool("general")
	node := func(name string, minutes int) *v1alpha1.MesosNode {
		n := mesosNodeOf(object, name)
		n.UID, n.CreationTimestamp = types.UID(name), metav1.NewTime(noon.Add(time.Duration(minutes)*time.Minute))
		return n
	}
	p := &pool{MesosNodePool: object}
	if got := p.lastGrowth(); !got.IsZero() {
		t.Errorf("a pool without nodes grew at %s", got)
	}
	p.alive, p.leaving = []*v1alpha1.MesosNode{node("a", 1), node("b", 3)}, []*v1alpha1.MesosNode{node("c", 5), node("d", 2)}
	if got := p.lastGrowth(); !got.Equal(noon.Add(5 * time.Minute)) {
		t.Errorf("it grew at %s: a node that leaves counts too", got)
	}
}

func TestResourcesThatLimitsCount(t *testing.T) {
	object := newPool("general", func(p *v1alpha1.MesosNodePool) {
		p.Spec.Autoscaling.Weight, p.Spec.Autoscaling.MinReplicas, p.Spec.Autoscaling.MaxReplicas = 7, 1, new(int32(9))
		p.Spec.Autoscaling.Limits.CPU = new(resource.MustParse("100"))
	})
	p := &pool{MesosNodePool: object, growthLimit: backoff.Unlimited, alive: []*v1alpha1.MesosNode{mesosNodeOf(object, "a"), mesosNodeOf(object, "b")}}
	got := p.limits()
	if got.Name != "general" || got.Weight != 7 || got.Min != 1 || got.Max != 9 || got.Nodes != 2 {
		t.Errorf("limits are %+v", got)
	}
	if got.Used.Cpu().String() != "8" || got.Used.Memory().String() != "16Gi" || got.Limits.Cpu().String() != "100" || len(got.Limits) != 1 {
		t.Errorf("used are %v of %v", got.Used, got.Limits)
	}
	for _, test := range []struct {
		limit, max int
		blocked    string
	}{{1, 3, ""}, {0, 2, "creates one node at a time, because others did not become ready"}, {100, 9, ""}} {
		p.growthLimit = test.limit
		if got := p.limits(); got.Max != test.max || got.GrowthBlocked != test.blocked {
			t.Errorf("with a limit of %d it may have %d, blocked by %q", test.limit, got.Max, got.GrowthBlocked)
		}
	}
}
