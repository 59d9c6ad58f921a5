package scheduling

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// spreadTrackerOf returns the tracker of a pod with spread constraints, up to date.
func spreadTrackerOf(t *testing.T, c *Cluster, pod *corev1.Pod) *spreadTracker {
	t.Helper()
	for _, cache := range c.filterCachesOf(c.classOf(pod), pod) {
		if cache != nil {
			if tracker, ok := cache.tracker.(*spreadTracker); ok {
				tracker.flush()
				return tracker
			}
		}
	}
	t.Fatal("there is no such tracker")
	return nil
}

// zonesOf adds nodes named after their zones, one zone for each letter.
func zonesOf(c *Cluster, zones string) {
	for i, zone := range zones {
		c.AddNode(testNode(fmt.Sprintf("%c%d", zone, i), "zone", string(zone)))
	}
}

func TestMatchingPodsAreCountedByDomain(t *testing.T) {
	c := emptyCluster(t)
	zonesOf(c, "aab")
	c.AddNode(testNode("unzoned"))
	pod := testPod("new", spreadOver("zone"))
	ending := testPod("ending", func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{} })
	check := func(step string, minimum int, want map[string]int) {
		t.Helper()
		tracker := spreadTrackerOf(t, c, pod)
		if diff := cmp.Diff(want, tracker.state.counts[0]); diff != "" {
			t.Errorf("%s: counts (-want +got):\n%s", step, diff)
		}
		if got := tracker.state.minimums[0][0].MatchNum; got != minimum {
			t.Errorf("%s: the minimum is %d, want %d", step, got, minimum)
		}
	}
	check("at first", 0, map[string]int{"a": 0, "b": 0})
	mustPut(t, c, testPod("1"), "a0")
	mustPut(t, c, testPod("2"), "a1")
	check("two pods in a", 0, map[string]int{"a": 2, "b": 0})
	mustPut(t, c, testPod("3"), "b2")
	check("one in b", 1, map[string]int{"a": 2, "b": 1})
	mustPut(t, c, testPod("4", labelled("app", "y")), "b2")
	mustPut(t, c, testPod("5", inNamespace("other")), "b2")
	mustPut(t, c, ending, "b2")
	mustPut(t, c, testPod("6"), "unzoned")
	check("pods that do not count", 1, map[string]int{"a": 2, "b": 1})
	c.RemovePod(ending)
	check("the ending pod has ended", 1, map[string]int{"a": 2, "b": 1})
	c.RemoveNode("a0")
	check("a node of a is gone, with its pod", 1, map[string]int{"a": 1, "b": 1})
	c.RemoveNode("b2")
	check("the only node of b is gone", 1, map[string]int{"a": 1})
	c.AddNode(testNode("c", "zone", "c"))
	check("an empty domain comes", 0, map[string]int{"a": 1, "c": 0})
	c.AddNode(testNode("c", "zone", "a"))
	check("its node moves to another domain", 1, map[string]int{"a": 1})
}

func TestWithoutADomainTheMinimumIsThatOfThePlugin(t *testing.T) {
	c := emptyCluster(t)
	c.AddNode(testNode("unzoned"))
	tracker := spreadTrackerOf(t, c, testPod("new", spreadOver("zone")))
	c.AddNode(testNode("a", "zone", "a"))
	c.RemoveNode("a")
	tracker.flush()
	if got := tracker.state.minimums[0][0].MatchNum; got != math.MaxInt32 {
		t.Errorf("it is %d", got)
	}
}

func TestTheMinimumOfDomains(t *testing.T) {
	tests := map[string]struct {
		index domainIndex
		want  int
	}{
		"no domain":                    {domainIndex{domainsPerCount: map[int]int{3: 1}, minCount: 3}, math.MaxInt32},
		"the minimum is unchanged":     {domainIndex{nodesPerDomain: map[string]int{"a": 1}, domainsPerCount: map[int]int{2: 1}, minCount: 2}, 2},
		"the minimum rises by one":     {domainIndex{nodesPerDomain: map[string]int{"a": 1}, domainsPerCount: map[int]int{2: 0, 3: 1}, minCount: 2}, 3},
		"the minimum rises by several": {domainIndex{nodesPerDomain: map[string]int{"a": 1}, domainsPerCount: map[int]int{0: 0, 7: 2}, minCount: 0}, 7},
		"several domains of 1":         {domainIndex{nodesPerDomain: map[string]int{"a": 1, "b": 2}, domainsPerCount: map[int]int{1: 2}, minCount: 0}, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.index.updateMin()
			if test.index.minCount != test.want {
				t.Errorf("it is %d, want %d", test.index.minCount, test.want)
			}
		})
	}
}

// However nodes and pods come and go, the sums must be what counting all of them anew gives.
func TestTheCountsAreAlwaysThoseOfAFreshCount(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 7))
			c, pod := emptyCluster(t), testPod("new", spreadOver("zone"), spreadOver("rack"))
			zonesOf(c, "ab")
			tracker := spreadTrackerOf(t, c, pod)
			var marks []Mark
			for step := range 200 {
				name := fmt.Sprint("n", random.IntN(8))
				switch random.IntN(8) {
				case 0:
					c.AddNode(testNode(name, "zone", string(rune('a'+random.IntN(3))), "rack", string(rune('x'+random.IntN(2)))))
				case 1:
					c.RemoveNode(name)
				case 2:
					c.RemovePod(testPod(fmt.Sprint("p", random.IntN(20))))
				case 3:
					marks = append(marks, c.Checkpoint())
				case 4:
					if len(marks) > 0 {
						c.Revert(marks[len(marks)-1])
						marks = marks[:len(marks)-1]
					}
				default:
					_ = c.Put(testPod(fmt.Sprint("p", random.IntN(20))), name) // it may not exist
				}
				tracker.flush()
				fresh := newSpreadTracker(c, &filterCache{plugin: tracker.cache.plugin, pod: pod, rejected: &slotSet{}}).(*spreadTracker)
				fresh.flush()
				for i := range tracker.constraints {
					if !maps.Equal(tracker.state.counts[i], fresh.state.counts[i]) {
						t.Fatalf("step %d, constraint %d: %v, a fresh count gives %v", step, i, tracker.state.counts[i], fresh.state.counts[i])
					}
					if got, want := tracker.domains[i].minCount, fresh.domains[i].minCount; got != want {
						t.Fatalf("step %d, constraint %d: the minimum is %d, a fresh count gives %d", step, i, got, want)
					}
				}
			}
		})
	}
}

func TestSpreadDecidesWhereAPodMayGo(t *testing.T) {
	minDomains := func(n int32) func(*corev1.TopologySpreadConstraint) {
		return func(c *corev1.TopologySpreadConstraint) { c.MinDomains = &n }
	}
	skew := func(n int32) func(*corev1.TopologySpreadConstraint) {
		return func(c *corev1.TopologySpreadConstraint) { c.MaxSkew = n }
	}
	tests := map[string]struct {
		change  func(*corev1.Pod)
		running map[string]string // node by pod
		want    []string          // of a0, b1, c2 and unzoned
	}{
		"no pod runs":                       {spreadOver("zone"), nil, []string{"a0", "b1", "c2"}},
		"a zone that is ahead":              {spreadOver("zone"), map[string]string{"1": "a0"}, []string{"b1", "c2"}},
		"two zones that are ahead":          {spreadOver("zone"), map[string]string{"1": "a0", "2": "c2"}, []string{"b1"}},
		"all zones are even":                {spreadOver("zone"), map[string]string{"1": "a0", "2": "b1", "3": "c2"}, []string{"a0", "b1", "c2"}},
		"a larger skew":                     {spreadOver("zone", skew(2)), map[string]string{"1": "a0"}, []string{"a0", "b1", "c2"}},
		"fewer zones than there must be":    {spreadOver("zone", minDomains(4)), map[string]string{"1": "a0", "2": "b1", "3": "c2"}, nil},
		"as many zones as there must be":    {spreadOver("zone", minDomains(3)), map[string]string{"1": "a0", "2": "b1", "3": "c2"}, []string{"a0", "b1", "c2"}},
		"over hosts, also without a zone":   {spreadOver(corev1.LabelHostname), map[string]string{"1": "a0"}, []string{"b1", "c2", "unzoned"}},
		"over a label that no node has":     {spreadOver("rack"), nil, nil},
		"over zones and hosts, both count":  {func(p *corev1.Pod) { spreadOver("zone")(p); spreadOver(corev1.LabelHostname)(p) }, map[string]string{"1": "a0"}, []string{"b1", "c2"}},
		"a preferred spread does not count": {spreadOver("zone", func(c *corev1.TopologySpreadConstraint) { c.WhenUnsatisfiable = corev1.ScheduleAnyway }), map[string]string{"1": "a0"}, []string{"a0", "b1", "c2", "unzoned"}},
		"a zone without countable nodes is not the minimum": {
			func(p *corev1.Pod) { spreadOver("zone")(p); p.Spec.NodeSelector = map[string]string{"zone": "a"} },
			map[string]string{"1": "a0"}, []string{"a0"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := emptyCluster(t)
			zonesOf(c, "abc")
			c.AddNode(testNode("unzoned"))
			for pod, node := range test.running {
				mustPut(t, c, testPod(pod), node)
			}
			for range 2 { // the second time from the cache
				if diff := cmp.Diff(test.want, fitting(c, testPod("new", test.change), "a0", "b1", "c2", "unzoned")); diff != "" {
					t.Errorf("nodes (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// Beyond 64 nodes of a domain the tracker discards all rejections instead of those of the
// domain: the answers must be the same.
func TestRejectedDomainIsRetriedWhenItHasFewerPods(t *testing.T) {
	c := emptyCluster(t)
	for i := range 100 {
		c.AddNode(testNode(fmt.Sprint("a", i), "zone", "a"))
	}
	c.AddNode(testNode("b", "zone", "b"))
	mustPut(t, c, testPod("1"), "a0")
	mustPut(t, c, testPod("filler", labelled("app", "y"), requesting("4")), "b")
	if node, placed := c.Place(testPod("2", spreadOver("zone"))); placed {
		t.Fatalf("the pod was placed on %s: zone a is ahead and b is full", node)
	}
	c.RemovePod(testPod("1"))
	if node, placed := c.Place(testPod("2", spreadOver("zone"))); !placed || node != "a0" {
		t.Errorf("the pod was placed on %q", node)
	}
}

func TestTheSetsOfRejectionsAreBounded(t *testing.T) {
	c, pod := emptyCluster(t), testPod("new", spreadOver("zone"), requesting("1m"))
	zonesOf(c, "ab")
	tracker := spreadTrackerOf(t, c, pod)
	for i := range 5 * maxRejectionSets {
		for _, node := range []string{"a0", "b1"} {
			mustPut(t, c, testPod(fmt.Sprint(node, i), requesting("1m")), node)
		}
		tracker.flush()
		if got := len(tracker.rejectedSets); got > maxRejectionSets {
			t.Fatalf("there are %d sets", got)
		}
	}
}

func TestWhetherNodesAreFiltered(t *testing.T) {
	constraint := func(change func(*corev1.TopologySpreadConstraint)) *corev1.TopologySpreadConstraint {
		return &testPod("a", spreadOver("zone", change)).Spec.TopologySpreadConstraints[0]
	}
	honor, ignore := corev1.NodeInclusionPolicyHonor, corev1.NodeInclusionPolicyIgnore
	tests := map[string]struct {
		constraint *corev1.TopologySpreadConstraint
		selector   map[string]string
		want       bool
	}{
		"by nothing":              {constraint(func(*corev1.TopologySpreadConstraint) {}), nil, false},
		"by a node selector":      {constraint(func(*corev1.TopologySpreadConstraint) {}), map[string]string{"a": "b"}, true},
		"by taints":               {constraint(func(c *corev1.TopologySpreadConstraint) { c.NodeTaintsPolicy = &honor }), nil, true},
		"by taints that it skips": {constraint(func(c *corev1.TopologySpreadConstraint) { c.NodeTaintsPolicy = &ignore }), nil, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			pod := testPod("a", func(p *corev1.Pod) { p.Spec.NodeSelector = test.selector })
			if got := filtersNodes(test.constraint, pod); got != test.want {
				t.Errorf("nodes are filtered: %t, want %t", got, test.want)
			}
		})
	}
}
