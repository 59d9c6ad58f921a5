package autoscaler

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/autoscaler/cordon"
	"github.com/k8sm/k8sm/controllers/autoscaler/decision"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/mesos/placement"
)

func TestNextCycleTime(t *testing.T) {
	at := func(d time.Duration) time.Time { return noon.Add(d) }
	tests := map[string]struct {
		pools     []*pool
		held      int
		refused   int
		recheckAt time.Time
		left      bool
		want      time.Duration
	}{
		"no cycle is due when nothing is waited for":                          {},
		"a cycle is due at the deadline of a node that is starting":           {pools: []*pool{{nextDeadline: at(time.Minute)}}, want: time.Minute},
		"a cycle is due at the end of a back-off":                             {pools: []*pool{{backOffUntil: at(time.Minute)}}, want: time.Minute},
		"a cycle is due every capacity interval while a pod is refused":       {refused: 1, want: capacityInterval},
		"a cycle is due every capacity interval while a pod is held":          {held: 1, want: capacityInterval},
		"a cycle is due when a node has been idle long enough":                {recheckAt: at(time.Hour), want: time.Hour},
		"a cycle is due after the cache delay if the time is now":             {recheckAt: at(0), want: cacheDelay},
		"a cycle is due after the cache delay while conditions are unwritten": {left: true, want: cacheDelay},
		"the earliest of several times counts":                                {pools: []*pool{{nextDeadline: at(time.Hour)}, {backOffUntil: at(3 * time.Second)}}, refused: 1, recheckAt: at(time.Minute), want: 3 * time.Second},
		"a deadline that has passed does not count":                           {pools: []*pool{{nextDeadline: at(-time.Second)}}, held: 1, want: capacityInterval},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := &Snapshot{observation: &observation{now: noon, pools: test.pools}, held: make([]*corev1.Pod, test.held)}
			growth := decision.GrowPlan{Refused: make([]decision.RefusedPod, test.refused)}
			got := recheckAfter(s, growth, decision.ShrinkPlan{RecheckAt: test.recheckAt}, &outcome{conditionsLeft: test.left})
			if got != test.want {
				t.Errorf("after %s, want %s", got, test.want)
			}
		})
	}
}

// Deciders change nothing, so that the same snapshot gives the same plans.
func TestDecideIsDeterministic(t *testing.T) {
	s := newTestCluster(t, newPool("general", consolidating))
	s.fillNodes("general", 2)
	s.addPendingPod("a", "3", replica)
	s.addPendingPod("b", "64", replica)
	pools, _, err := s.reconciler.autoscaledPools(t.Context())
	s.must(err)
	observed, err := s.reconciler.observe(t.Context(), pools)
	s.must(err)
	snapshot, err := s.reconciler.takeSnapshot(observed)
	s.must(err)
	s.reconciler.observeCapacity(t.Context(), snapshot)
	first := s.reconciler.decideGrowth(snapshot)
	if len(first.Launches) != 1 || len(first.Refused) != 1 {
		t.Fatalf("the plan is %+v", first)
	}
	states := len(s.reconciler.state.nodeStates)
	shrinkage, err := s.reconciler.decideShrinkage(t.Context(), snapshot, decision.GrowPlan{})
	s.must(err)
	if diff := cmp.Diff(first, s.reconciler.decideGrowth(snapshot)); diff != "" {
		t.Errorf("growth decided again (-first +second):\n%s", diff)
	}
	again, err := s.reconciler.decideShrinkage(t.Context(), snapshot, decision.GrowPlan{})
	s.must(err)
	if diff := cmp.Diff(shrinkage, again); diff != "" {
		t.Errorf("shrinkage decided again (-first +second):\n%s", diff)
	}
	if len(s.reconciler.state.nodeStates) != states {
		t.Error("deciding has changed the state")
	}
	if none, err := s.reconciler.decideShrinkage(t.Context(), snapshot, first); err != nil || none.NodeStates != nil || none.Verdicts != nil {
		t.Errorf("beside growth shrinkage is decided: %+v", none)
	}
}

func TestCapacityIsQueriedOncePerFrameworkAndCycle(t *testing.T) {
	s := newTestCluster(t, newPool("a", consolidating), newPool("b"), newPool("c", func(p *v1alpha1.MesosNodePool) { p.Spec.Paused = true }))
	s.addPendingPod("large", "64")
	s.reconcile()
	if s.capacityCalls != 1 {
		t.Errorf("Mesos was asked %d times, want once", s.capacityCalls)
	}
	s.advance(capacityInterval)
	if s.capacityCalls != 2 {
		t.Errorf("Mesos was asked %d times in two cycles", s.capacityCalls)
	}
}

func TestCapacityIsNotQueriedForAPausedPool(t *testing.T) {
	s := newTestCluster(t, newPool("a", func(p *v1alpha1.MesosNodePool) { p.Spec.Paused = true }))
	s.addPendingPod("a", "1")
	s.reconcile()
	if s.capacityCalls != 0 {
		t.Errorf("Mesos was asked %d times", s.capacityCalls)
	}
}

func TestReasonsForMissingCapacity(t *testing.T) {
	room := func(count int, reason string) placement.Headroom {
		return placement.Headroom{Count: count, Reason: reason}
	}
	tests := map[string]struct {
		rooms []placement.Headroom
		want  string
	}{
		"no shape was checked":              {nil, ""},
		"one shape has room":                {[]placement.Headroom{room(0, "full"), room(2, "")}, ""},
		"the room for one shape is unknown": {[]placement.Headroom{room(0, "full"), room(placement.UnknownCount, "")}, ""},
		"no shape has room":                 {[]placement.Headroom{room(0, "no cpus"), room(0, "no memory")}, "no cpus; no memory"},
		"each reason is given once":         {[]placement.Headroom{room(0, "no cpus"), room(0, "no memory"), room(0, "no cpus")}, "no cpus; no memory"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := noRoomReason(test.rooms); got != test.want {
				t.Errorf("the reason is %q, want %q", got, test.want)
			}
		})
	}
}

// The nodes of a zone and a shape are created as they were decided on.
func TestCreatedNodeHasTheChosenSize(t *testing.T) {
	s := newTestCluster(t, newPool("general", func(p *v1alpha1.MesosNodePool) {
		spec := &p.Spec.Template.Spec
		spec.Shapes = []v1alpha1.NodeShape{{Name: "only", Resources: spec.Resources}}
		spec.Resources = v1alpha1.NodeResources{}
	}))
	agent := placement.Offer{Agent: placement.Agent{ID: "S1", Zone: "eu-1"}}
	s.capacity = placement.Capacity{UnknownReason: "not queried yet", Totals: []*placement.Offer{&agent}}
	s.addPendingPod("a", "1")
	s.reconcile()
	s.expectNodes("general", 1)
	n := s.nodes("general")[0]
	if n.Labels[v1alpha1.LabelShape] != "only" || n.Spec.Template.Spec.Resources.CPU.String() != "4" {
		t.Errorf("its shape is %q with %s cpus", n.Labels[v1alpha1.LabelShape], n.Spec.Template.Spec.Resources.CPU.String())
	}
	if c := n.Spec.Placement.Constraints; len(c) != 1 || c[0].Values[0] != "eu-1" {
		t.Errorf("its placement is %+v", c)
	}
}

// A pod that selects a region gets a node in it, and the node a constraint that keeps it there.
func TestPodsThatAskForARegionGetANodeThere(t *testing.T) {
	agents := func(domains ...nodemodel.Domain) (out []*placement.Offer) {
		for i, d := range domains {
			out = append(out, &placement.Offer{Agent: placement.Agent{ID: fmt.Sprint("S", i), Region: d.Region, Zone: d.Zone}})
		}
		return out
	}
	known := placement.Capacity{UnknownReason: "nobody has asked", Totals: agents(nodemodel.Domain{Region: "eu", Zone: "a"}, nodemodel.Domain{Region: "us", Zone: "a"})}
	local := known
	local.Free.LocalRegion = "us"
	anyRegion := func(p *v1alpha1.MesosNodePool) {
		p.Spec.Placement.Constraints = []v1alpha1.AgentConstraint{{Attribute: "@region", Operator: v1alpha1.ConstraintExists}}
	}
	for name, tc := range map[string]struct {
		pool     func(*v1alpha1.MesosNodePool)
		capacity placement.Capacity
		region   string
		want     int
	}{
		"the local region":                  {func(*v1alpha1.MesosNodePool) {}, local, "us", 1},
		"a region that the pool may use":    {anyRegion, local, "eu", 1},
		"a region that the pool does not":   {func(*v1alpha1.MesosNodePool) {}, local, "eu", 0},
		"any region without a local one":    {func(*v1alpha1.MesosNodePool) {}, known, "eu", 1},
		"a region that no agent has at all": {anyRegion, local, "asia", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTestCluster(t, newPool("general", tc.pool))
			s.capacity = tc.capacity
			s.addPendingPod("a", "1", func(pod *corev1.Pod) {
				pod.Spec.NodeSelector = map[string]string{corev1.LabelTopologyRegion: tc.region}
			})
			s.reconcile()
			s.expectNodes("general", tc.want)
			for _, n := range s.nodes("general") {
				if got := nodemodel.DomainOf(n.Spec.Placement); got != (nodemodel.Domain{Region: tc.region, Zone: "a"}) {
					t.Errorf("the node is kept in %+v", got)
				}
			}
		})
	}
}

// failStatusPatches makes the status patches of a kind fail.
func (s *testCluster) failStatusPatches(kind client.Object, err error) {
	s.reconciler.Client = interceptor.NewClient(s.client, interceptor.Funcs{
		SubResourcePatch: func(ctx context.Context, c client.Client, name string, object client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
			switch object.(type) {
			case *v1alpha1.MesosNode:
				if _, ok := kind.(*v1alpha1.MesosNode); ok {
					return err
				}
			case *v1alpha1.MesosNodePool:
				if _, ok := kind.(*v1alpha1.MesosNodePool); ok {
					return err
				}
			}
			return c.SubResource(name).Patch(ctx, object, patch, opts...)
		},
	})
}

func TestFailedStatusWrites(t *testing.T) {
	resource := v1alpha1.GroupVersion.WithResource("mesosnodes").GroupResource()
	broken := errors.New("broken")
	conflict := apierrors.NewConflict(resource, "general-1", broken)
	gone := apierrors.NewNotFound(resource, "general-1")
	tests := map[string]struct {
		kind    client.Object
		err     error
		want    string // part of the error; empty for none
		requeue bool   // soon, without an error
	}{
		"a node that changed meanwhile": {&v1alpha1.MesosNode{}, conflict, "", false},
		"a node that was deleted":       {&v1alpha1.MesosNode{}, gone, "", false},
		"a node that cannot be written": {&v1alpha1.MesosNode{}, broken, "setting condition Disruptable of MesosNode general-1", false},
		"a pool that changed meanwhile": {&v1alpha1.MesosNodePool{}, conflict, "", true},
		"a pool that was deleted":       {&v1alpha1.MesosNodePool{}, gone, "", false},
		"a pool that cannot be written": {&v1alpha1.MesosNodePool{}, broken, "writing the status of pool general", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newTestCluster(t, newPool("general"))
			s.addPendingPod("a", "1")
			s.reconcile()
			s.makeReady("general-1")
			s.failStatusPatches(test.kind, test.err)
			s.deletePod("a")
			s.addPendingPod("b", "64") // the status of the pool changes too
			result, err := s.reconciler.Reconcile(t.Context(), allPools)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("error %v, want none", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("error %v, want %q in it", err, test.want)
			}
			if soon := err == nil && result.RequeueAfter == cacheDelay; test.requeue && !soon {
				t.Errorf("the next cycle is after %s", result.RequeueAfter)
			}
		})
	}
}

func TestConditionWritesPerCycleAreLimited(t *testing.T) {
	s := newTestCluster(t)
	object := newPool("general")
	snapshot := &Snapshot{observation: &observation{now: noon, pools: []*pool{{MesosNodePool: object}}}}
	var verdicts []decision.Verdict
	for i := range conditionsPerCycle + 20 {
		n := mesosNodeOf(object, "n"+strings.Repeat("x", i))
		s.must(s.client.Create(t.Context(), n))
		snapshot.pools[0].alive = append(snapshot.pools[0].alive, n)
		verdicts = append(verdicts, decision.Verdict{Pool: "general", Node: n.Name, Disruptable: i%2 == 0, Reason: "Test"})
	}
	out := &outcome{}
	s.must(s.reconciler.patchConditions(t.Context(), snapshot, verdicts, out))
	written := 0
	for i := range verdicts {
		n := &v1alpha1.MesosNode{}
		s.get(verdicts[i].Node, n)
		c := meta.FindStatusCondition(n.Status.Conditions, v1alpha1.ConditionDisruptable)
		if c == nil {
			continue
		}
		written++
		if (c.Status == metav1.ConditionTrue) != verdicts[i].Disruptable {
			t.Errorf("node %d: the condition is %s", i, c.Status)
		}
		if nodemodel.Condition(snapshot.pools[0].alive[i], v1alpha1.ConditionDisruptable).Status != "" {
			t.Fatal("the snapshot itself has changed")
		}
	}
	if written != conditionsPerCycle || !out.conditionsLeft {
		t.Errorf("%d conditions are written, others are left: %t", written, out.conditionsLeft)
	}
}

func TestWatchesAreStartedOnce(t *testing.T) {
	s := newTestCluster(t)
	starts, broken := 0, errors.New("no cache")
	s.reconciler.startWatches = func() error { starts++; return broken }
	if _, err := s.reconciler.Reconcile(t.Context(), allPools); err != nil || starts != 0 {
		t.Errorf("without an autoscaled pool watches are started %d times, error %v", starts, err)
	}
	s.must(s.client.Create(t.Context(), newPool("general")))
	if _, err := s.reconciler.Reconcile(t.Context(), allPools); !errors.Is(err, broken) {
		t.Errorf("the error is %v", err)
	}
	broken = nil
	for range 3 {
		if _, err := s.reconciler.Reconcile(t.Context(), allPools); err != nil {
			t.Error(err)
		}
	}
	if starts != 2 {
		t.Errorf("watches were started %d times, want twice: the first start fails", starts)
	}
}

func TestChangesThatTriggerACycle(t *testing.T) {
	node := func(change func(*corev1.Node)) *corev1.Node {
		n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1", Labels: map[string]string{"a": "b"}}}
		change(n)
		return n
	}
	nodes := map[string]struct {
		change func(*corev1.Node)
		want   bool
	}{
		"nothing": {func(*corev1.Node) {}, false},
		"a heartbeat": {func(n *corev1.Node) {
			n.ResourceVersion = "2"
			n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady}}
		}, false},
		"a label":  {func(n *corev1.Node) { n.Labels["a"] = "c" }, true},
		"a taint":  {func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{{Key: "a"}} }, true},
		"a cordon": {func(n *corev1.Node) { n.Spec.Unschedulable = true }, true},
		"resources": {func(n *corev1.Node) {
			n.Status.Allocatable = corev1.ResourceList{"cpu": *newPod("a", "1").Spec.Containers[0].Resources.Requests.Cpu()}
		}, true},
		"a new Node": {func(n *corev1.Node) { n.UID = "other" }, true},
	}
	for name, test := range nodes {
		if got := nodeChanged().Update(event.UpdateEvent{ObjectOld: node(func(*corev1.Node) {}), ObjectNew: node(test.change)}); got != test.want {
			t.Errorf("%s of a Node causes a cycle: %t, want %t", name, got, test.want)
		}
	}
	mesosNodes := map[string]struct {
		change func(*v1alpha1.MesosNode)
		want   bool
	}{
		"nothing":     {func(*v1alpha1.MesosNode) {}, false},
		"the attempt": {func(n *v1alpha1.MesosNode) { n.Status.Attempt = 2 }, false},
		"a condition": {func(n *v1alpha1.MesosNode) { withCondition(n, v1alpha1.ConditionReady, metav1.ConditionTrue, noon) }, true},
		"a deletion":  {func(n *v1alpha1.MesosNode) { n.DeletionTimestamp = new(metav1.NewTime(noon)) }, true},
	}
	for name, test := range mesosNodes {
		before, after := mesosNodeOf(newPool("general"), "n1"), mesosNodeOf(newPool("general"), "n1")
		test.change(after)
		if got := mesosNodeChanged().Update(event.UpdateEvent{ObjectOld: before, ObjectNew: after}); got != test.want {
			t.Errorf("%s of a MesosNode causes a cycle: %t, want %t", name, got, test.want)
		}
	}
}

// A pool whose autoscaling is switched off leaves no node cordoned.
func TestNodesAreUncordonedWhenNoPoolIsAutoscaled(t *testing.T) {
	s := newTestCluster(t, newPool("general"))
	s.fillNodes("general", 1)
	s.deletePod("old-0")
	s.reconcile()
	s.now = s.now.Add(2 * time.Second)
	s.reconcile()
	object := &corev1.Node{}
	if s.get("general-1", object); !cordon.IsCordoned(object) {
		t.Fatal("the node is not cordoned before it is removed")
	}
	p := &v1alpha1.MesosNodePool{}
	s.get("general", p)
	p.Spec.Autoscaling = nil
	s.must(s.client.Update(t.Context(), p))
	s.restart()
	s.reconcile()
	if s.get("general-1", object); cordon.IsCordoned(object) {
		t.Error("the node stays cordoned")
	}
	s.expectNodes("general", 1)
}

// A pod that comes before the node is removed is as if the node had never been cordoned.
func TestNodeThatIsNeededIsUncordoned(t *testing.T) {
	s := newTestCluster(t, newPool("general"))
	s.fillNodes("general", 1)
	s.deletePod("old-0")
	s.reconcile()
	s.now = s.now.Add(2 * time.Second)
	s.reconcile()
	s.addPendingPod("new", "1", replica)
	s.now = s.now.Add(time.Second)
	s.reconcile()
	object := &corev1.Node{}
	if s.get("general-1", object); cordon.IsCordoned(object) {
		t.Error("the node stays cordoned although a pod needs it")
	}
	s.advance(time.Minute)
	s.expectNodes("general", 1)
}

// An operator whose RBAC is that of an older release goes on without templates.
func TestTemplatesThatMayNotBeRead(t *testing.T) {
	owner := &metav1.OwnerReference{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web", UID: "web"}
	broken := errors.New("broken")
	for name, test := range map[string]struct{ err, want error }{
		"forbidden": {apierrors.NewForbidden(corev1.Resource("replicasets"), "web", broken), nil},
		"not found": {apierrors.NewNotFound(corev1.Resource("replicasets"), "web"), nil},
		"an error":  {broken, broken},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTestCluster(t)
			s.reconciler.Live = interceptor.NewClient(s.client, interceptor.Funcs{Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
				return test.err
			}})
			if spec, err := s.reconciler.readTemplate(t.Context(), "default", owner); spec != nil || !errors.Is(err, test.want) {
				t.Errorf("the template is %v, the error %v", spec, err)
			}
		})
	}
}
