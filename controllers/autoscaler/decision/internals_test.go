package decision

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/k8sm/k8sm/controllers/autoscaler/scheduling"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

// Tests of the types that Grow and Shrink work with.

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func amounts(cpu, memory string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory), corev1.ResourcePods: resource.MustParse("110")}
}

func shapeOf(name, cpu, memory string, preference int32) Shape {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"shape": name}}}
	node.Status.Capacity, node.Status.Allocatable = amounts(cpu, memory), amounts(cpu, memory)
	return Shape{Size: nodemodel.Size{Shape: name}, Node: node, Preference: preference, Room: -1}
}

func shapeNames(shapes []*shapeState) []string {
	var out []string
	for _, s := range shapes {
		out = append(out, s.Size.Shape)
	}
	return out
}

func TestShapeOrder(t *testing.T) {
	p := newPoolState(Pool{Shapes: []Shape{
		shapeOf("medium", "4", "8Gi", 0), shapeOf("small", "2", "4Gi", 0), shapeOf("preferred", "1", "1Gi", 5),
		shapeOf("large", "8", "16Gi", 0), shapeOf("also-medium", "4", "8Gi", 0), shapeOf("disliked", "16", "32Gi", -1),
	}})
	if diff := cmp.Diff([]string{"preferred", "small", "also-medium", "medium", "large", "disliked"}, shapeNames(p.shapes)); diff != "" {
		t.Errorf("smallest first (-want +got):\n%s", diff)
	}
	p.largestFirst()
	if diff := cmp.Diff([]string{"preferred", "large", "also-medium", "medium", "small", "disliked"}, shapeNames(p.shapes)); diff != "" {
		t.Errorf("largest first (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"also-medium", "medium", "small"}, shapeNames(p.shapes[1].smallerShapes())); diff != "" {
		t.Errorf("smaller than large, of the same preference (-want +got):\n%s", diff)
	}
	if got := p.smallest(); got.Size.Shape != "preferred" {
		t.Errorf("the smallest of the most preferred is %s", got.Size.Shape)
	}
}

func TestSmallestShapeWithRoom(t *testing.T) {
	full := shapeOf("preferred", "1", "1Gi", 5)
	full.Room, full.NearestMiss = 0, "nothing is free"
	p := newPoolState(Pool{Shapes: []Shape{full, shapeOf("large", "8", "16Gi", 0), shapeOf("small", "2", "4Gi", 0)}})
	p.largestFirst()
	if got := p.smallest(); got.Size.Shape != "small" {
		t.Errorf("it is %s, want small", got.Size.Shape)
	}
	p.GrowthBlocked = "it is paused"
	if got := p.smallest(); got != nil {
		t.Errorf("a pool that is blocked can have %s", got.Size.Shape)
	}
}

func TestTakenNodesAreAccountedFor(t *testing.T) {
	small, large := shapeOf("small", "2", "4Gi", 0), shapeOf("large", "4", "8Gi", 0)
	small.Room, large.Room, large.NearestMiss = 5, 1, "the rest is taken"
	used := amounts("1", "1Gi")
	p := newPoolState(Pool{Max: 4, Nodes: 1, Used: used, Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("20Gi")}, Shapes: []Shape{small, large}})
	s, l := p.shapes[0], p.shapes[1]
	check := func(step string, nodes int, cpu, reasonSmall, reasonLarge string) {
		t.Helper()
		if p.Nodes != nodes || p.used.Cpu().String() != cpu {
			t.Errorf("%s: %d nodes with %s cpus, want %d with %s", step, p.Nodes, p.used.Cpu(), nodes, cpu)
		}
		if got := [2]string{p.blockReason(s), p.blockReason(l)}; got != [2]string{reasonSmall, reasonLarge} {
			t.Errorf("%s: blocked by %q, want %q and %q", step, got, reasonSmall, reasonLarge)
		}
	}
	check("at first", 1, "1", "", "")
	p.takeNode(l)
	check("one large", 2, "5", "", "no capacity: the rest is taken")
	p.takeNode(s)
	check("one small", 3, "7", "", "one more node would exceed its limit of 20Gi memory")
	p.swap(l, s)
	check("small instead of large", 3, "5", "", "")
	p.takeNode(s)
	check("the maximum", 4, "7", "it has reached its maxReplicas of 4", "it has reached its maxReplicas of 4")
	if s.remaining != 2 || l.remaining != 1 {
		t.Errorf("room is left for %d and %d, want 2 and 1", s.remaining, l.remaining)
	}
	if used.Cpu().String() != "1" {
		t.Errorf("the input has changed to %s", used.Cpu())
	}
}

func TestUnknownRoomIsUnlimited(t *testing.T) {
	p := newPoolState(Pool{Shapes: []Shape{shapeOf("small", "2", "4Gi", 0)}})
	for range 1000 {
		p.takeNode(p.shapes[0])
	}
	if reason := p.blockReason(p.shapes[0]); reason != "" {
		t.Errorf("it is blocked: %s", reason)
	}
}

func TestShapeDescription(t *testing.T) {
	for _, test := range []struct {
		size nodemodel.Size
		want string
	}{{nodemodel.Size{Shape: "small"}, "shape small"}, {nodemodel.Size{Shape: "small", Zone: "eu-1"}, "shape small in zone eu-1"}} {
		if got := (&shapeState{Shape: Shape{Size: test.size}}).describe(); got != test.want {
			t.Errorf("it is %q, want %q", got, test.want)
		}
	}
}

func TestNodeOfAShapeIsACopy(t *testing.T) {
	given := shapeOf("small", "2", "4Gi", 0)
	given.Daemons = []*corev1.Pod{{ObjectMeta: metav1.ObjectMeta{Name: "logs", UID: "logs"}}}
	s := &shapeState{Shape: given}
	a, b := s.nodeNamed("a"), s.nodeNamed("b")
	if a.Name != "a" || a.Labels[corev1.LabelHostname] != "a" || b.Labels[corev1.LabelHostname] != "b" || a.Labels["shape"] != "small" {
		t.Errorf("the nodes are %v and %v", a.ObjectMeta, b.ObjectMeta)
	}
	pods := append(s.daemonPods("a"), s.daemonPods("b")...)
	if pods[0].UID == pods[1].UID || pods[0].Spec.NodeName != "a" || pods[1].Spec.NodeName != "b" {
		t.Errorf("the pods are %v and %v", pods[0], pods[1])
	}
	if given.Node.Name != "" || given.Node.Labels[corev1.LabelHostname] != "" || given.Daemons[0].Spec.NodeName != "" {
		t.Error("the shape itself has changed")
	}
}

func budgetFor(name string, allowed int32, change ...func(*policyv1.PodDisruptionBudget)) *policyv1.PodDisruptionBudget {
	b := &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec:       policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "x"}}},
		Status:     policyv1.PodDisruptionBudgetStatus{DisruptionsAllowed: allowed},
	}
	for _, c := range change {
		c(b)
	}
	return b
}

func running(name string, change ...func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name), Labels: map[string]string{"app": "x"}}}
	pod.Status.Phase = corev1.PodRunning
	for _, c := range change {
		c(pod)
	}
	return pod
}

func TestBudgetsAreSpentOnce(t *testing.T) {
	budgets := newBudgets([]*policyv1.PodDisruptionBudget{budgetFor("web", 2)})
	first := []*corev1.Pod{running("a")}
	if reason, message := budgets.violation([]*corev1.Pod{running("a"), running("b"), running("c")}); reason == "" || message != "PodDisruptionBudget default/web allows 2 evictions now, and the eviction of pod c would exceed this number." {
		t.Errorf("three pods at once: %q, %q", reason, message)
	}
	for range 3 { // a question spends nothing
		if reason, _ := budgets.violation([]*corev1.Pod{running("a"), running("b")}); reason != "" {
			t.Error("two pods may not go")
		}
	}
	budgets.spend(first)
	budgets.spend(first)
	if reason, _ := budgets.violation(first); reason == "" {
		t.Error("after two pods a third may go")
	}
	if reason, _ := budgets.violation(nil); reason != "" {
		t.Error("no pods may not go")
	}
}

func TestPodsSelectedByABudget(t *testing.T) {
	tests := map[string]struct {
		budget *policyv1.PodDisruptionBudget
		pod    *corev1.Pod
		may    bool
	}{
		"a pod that it selects":              {budgetFor("web", 0), running("a"), false},
		"a pod with other labels":            {budgetFor("web", 0), running("a", func(p *corev1.Pod) { p.Labels = nil }), true},
		"a pod of another namespace":         {budgetFor("web", 0), running("a", func(p *corev1.Pod) { p.Namespace = "other" }), true},
		"a pod that has not started":         {budgetFor("web", 0), running("a", func(p *corev1.Pod) { p.Status.Phase = corev1.PodPending }), true},
		"a budget that was not computed yet": {budgetFor("web", 5, func(b *policyv1.PodDisruptionBudget) { b.Generation = 2; b.Status.ObservedGeneration = 1 }), running("a"), false},
		"a budget without a selector":        {budgetFor("web", 0, func(b *policyv1.PodDisruptionBudget) { b.Spec.Selector = nil }), running("a"), true},
		"a budget that selects everything":   {budgetFor("web", 0, func(b *policyv1.PodDisruptionBudget) { b.Spec.Selector = &metav1.LabelSelector{} }), running("a"), false},
		"a budget that cannot be read": {budgetFor("web", 0, func(b *policyv1.PodDisruptionBudget) {
			b.Spec.Selector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Unknown"}}}
		}), running("a"), true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if reason, message := newBudgets([]*policyv1.PodDisruptionBudget{test.budget}).violation([]*corev1.Pod{test.pod}); (reason == "") != test.may {
				t.Errorf("it may go: %t, want %t (%s)", reason == "", test.may, message)
			}
		})
	}
}

func TestResourceFractions(t *testing.T) {
	for _, test := range []struct {
		part, whole int64
		want        float64
	}{{0, 0, 0}, {0, 4, 0}, {1, 4, 0.25}, {4, 4, 1}, {8, 4, 2}, {1, 0, 1}, {1, -1, 1}} {
		if got := fraction(test.part, test.whole); got != test.want {
			t.Errorf("%d of %d is %v, want %v", test.part, test.whole, got, test.want)
		}
	}
}

func TestTakesLess(t *testing.T) {
	for _, test := range []struct {
		a, b corev1.ResourceList
		want bool
	}{
		{amounts("2", "4Gi"), amounts("4", "8Gi"), true},
		{amounts("4", "4Gi"), amounts("4", "8Gi"), true},
		{amounts("2", "8Gi"), amounts("4", "8Gi"), true},
		{amounts("4", "8Gi"), amounts("4", "8Gi"), false},
		{amounts("2", "16Gi"), amounts("4", "8Gi"), false},
		{amounts("8", "4Gi"), amounts("4", "8Gi"), false},
	} {
		if got := takesLess(test.a, test.b); got != test.want {
			t.Errorf("%s and %s take less than %s and %s: %t", test.a.Cpu(), test.a.Memory(), test.b.Cpu(), test.b.Memory(), got)
		}
	}
}

func TestLowestPriorityThatJustifiesANode(t *testing.T) {
	if Expendable(running("a")) {
		t.Error("a pod without a priority is expendable")
	}
	for priority, want := range map[int32]bool{-1000: true, -11: true, -10: false, 0: false, 1000: false} {
		if got := Expendable(running("a", func(p *corev1.Pod) { p.Spec.Priority = &priority })); got != want {
			t.Errorf("a pod of priority %d is expendable: %t", priority, got)
		}
	}
}

func TestPlacementOrderIsDeterministic(t *testing.T) {
	cluster, err := scheduling.New()
	if err != nil {
		t.Fatal(err)
	}
	pod := func(name, cpu, memory string, change ...func(*corev1.Pod)) *corev1.Pod {
		p := running(name, change...)
		p.Spec.Containers = []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: amounts(cpu, memory)}}}
		return p
	}
	priority := func(n int32) func(*corev1.Pod) { return func(p *corev1.Pod) { p.Spec.Priority = &n } }
	age := func(minutes int) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.CreationTimestamp = metav1.NewTime(noon.Add(-time.Duration(minutes) * time.Minute))
		}
	}
	want := []*corev1.Pod{
		pod("important", "100m", "1Gi", priority(10)),
		pod("large", "4", "1Gi"),
		pod("much-memory", "2", "8Gi"),
		pod("old", "2", "4Gi", age(9)),
		pod("z-of-a-namespace-before", "2", "4Gi", age(5), func(p *corev1.Pod) { p.Namespace = "a" }),
		pod("b", "2", "4Gi", age(5)),
		pod("c", "2", "4Gi", age(5)),
		pod("small", "100m", "1Gi"),
		pod("unimportant", "8", "16Gi", priority(-5)),
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		shuffled := append([]*corev1.Pod(nil), want...)
		random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		var names []string
		for _, p := range SortForPlacement(cluster, shuffled) {
			names = append(names, p.Name)
		}
		var wanted []string
		for _, p := range want {
			wanted = append(wanted, p.Name)
		}
		if diff := cmp.Diff(wanted, names); diff != "" {
			t.Fatalf("order (-want +got):\n%s", diff)
		}
	}
}

// The regret rate is a share, whatever happens, and removals that were right lower it.
func TestRegretRateStaysBetweenZeroAndOne(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	h, pool, now := RemovalHistory{}, &ShrinkPool{AfterGrowth: 10 * time.Minute, ConsolidateAfter: 5 * time.Minute}, noon
	for range 1000 {
		now = now.Add(time.Duration(random.IntN(600)) * time.Second)
		if random.IntN(2) == 0 {
			h.Unassessed = append(h.Unassessed, now)
		}
		if random.IntN(2) == 0 {
			pool.Members = append(pool.Members, Member{Name: fmt.Sprint(len(pool.Members)), Created: now})
		}
		h = h.assess(pool, now)
		if h.RegretRate < 0 || h.RegretRate > 1 {
			t.Fatalf("the rate is %v", h.RegretRate)
		}
		if delay := h.idleDelay(pool); delay < pool.ConsolidateAfter || delay > maxDelayFactor*pool.ConsolidateAfter {
			t.Fatalf("the delay is %s", delay)
		}
	}
	h, pool.Members = RemovalHistory{RegretRate: 1}, nil
	for range 100 {
		now = now.Add(time.Hour)
		h.Unassessed = []time.Time{now.Add(-time.Hour)}
		before := h.RegretRate
		if h = h.assess(pool, now); h.RegretRate >= before {
			t.Fatalf("a removal that was right raised the rate from %v to %v", before, h.RegretRate)
		}
	}
}

func TestAssessDoesNotModifyThePreviousHistory(t *testing.T) {
	before := RemovalHistory{Unassessed: []time.Time{noon, noon.Add(time.Minute)}, RegretRate: 0.5}
	pool := &ShrinkPool{AfterGrowth: time.Minute, Members: []Member{{Created: noon.Add(30 * time.Second)}}}
	first := before.assess(pool, noon.Add(time.Hour))
	if diff := cmp.Diff(first, before.assess(pool, noon.Add(time.Hour))); diff != "" {
		t.Errorf("the same again gives another history:\n%s", diff)
	}
	if len(before.Unassessed) != 2 || before.RegretRate != 0.5 {
		t.Errorf("it has changed to %+v", before)
	}
}
