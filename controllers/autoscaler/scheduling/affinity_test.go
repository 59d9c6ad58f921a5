package scheduling

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// step changes a cluster, and names the nodes on which the pod fits then.
type step struct {
	name   string
	change func(*testing.T, *Cluster)
	want   []string
}

func put(pod *corev1.Pod, node string) func(*testing.T, *Cluster) {
	return func(t *testing.T, c *Cluster) { mustPut(t, c, pod, node) }
}

func removePod(name string) func(*testing.T, *Cluster) {
	return func(_ *testing.T, c *Cluster) { c.RemovePod(testPod(name)) }
}

// The cluster has the nodes a0 and a1 in zone a, b2 in zone b, and one in no zone. Each step
// is asked twice: the second answer comes from the cache, and what a step changes must reach
// it.
func TestAffinityFollowsPodChanges(t *testing.T) {
	other := func(name string) *corev1.Pod { return testPod(name, labelled("app", "y")) }
	all := []string{"a0", "a1", "b2", "unzoned"}
	tests := map[string]struct {
		pod   *corev1.Pod
		steps []step
	}{
		"to pods in the zone": {testPod("new", nearPods("zone", "app", "y")), []step{
			{"no pod runs", nil, nil},
			{"one comes to zone b", put(other("1"), "b2"), []string{"b2"}},
			{"one comes to zone a", put(other("2"), "a0"), []string{"a0", "a1", "b2"}},
			{"the one in b goes", removePod("1"), []string{"a0", "a1"}},
			{"the last one goes", removePod("2"), nil},
			{"one comes to a node without a zone", put(other("3"), "unzoned"), nil},
		}},
		"to pods of its own kind, it may be the first": {testPod("new", nearPods("zone", "app", "x")), []step{
			{"no pod runs", nil, []string{"a0", "a1", "b2"}},
			{"one comes", put(testPod("1"), "b2"), []string{"b2"}},
			{"and goes", removePod("1"), []string{"a0", "a1", "b2"}},
		}},
		"away from pods on the host": {testPod("new", apartFrom(corev1.LabelHostname, "app", "y")), []step{
			{"no pod runs", nil, all},
			{"one comes", put(other("1"), "a0"), []string{"a1", "b2", "unzoned"}},
			{"another comes to the same node", put(other("2"), "a0"), []string{"a1", "b2", "unzoned"}},
			{"the first goes", removePod("1"), []string{"a1", "b2", "unzoned"}},
			{"the other goes", removePod("2"), all},
		}},
		"away from pods in the zone": {testPod("new", apartFrom("zone", "app", "y")), []step{
			{"one comes", put(other("1"), "a0"), []string{"b2", "unzoned"}},
			{"it moves", put(other("1"), "b2"), []string{"a0", "a1", "unzoned"}},
		}},
		"anti-affinity of existing pods": {testPod("new"), []step{
			{"no pod runs", nil, all},
			{"one comes that wants its zone for itself", put(other("1"), "b2"), all},
			{"one comes that wants to be apart from it", put(testPod("2", labelled("app", "y"), apartFrom("zone", "app", "x")), "a1"), []string{"b2", "unzoned"}},
			{"another one too", put(testPod("3", labelled("app", "y"), apartFrom(corev1.LabelHostname, "app", "x")), "unzoned"), []string{"b2"}},
			{"the first goes", removePod("2"), []string{"a0", "a1", "b2"}},
		}},
		"pods of another namespace": {testPod("new", inNamespace("other"), apartFrom(corev1.LabelHostname, "app", "y")), []step{
			{"a pod of another namespace", put(other("1"), "a0"), all},
			{"one of the same", put(testPod("2", inNamespace("other"), labelled("app", "y")), "a1"), []string{"a0", "b2", "unzoned"}},
		}},
		"affinity and anti-affinity together": {testPod("new", nearPods("zone", "app", "y"), apartFrom(corev1.LabelHostname, "app", "y")), []step{
			{"one comes", put(other("1"), "a0"), []string{"a1"}},
			{"its neighbour too", put(other("2"), "a1"), nil},
			{"the first goes", removePod("1"), []string{"a0"}},
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := emptyCluster(t)
			zonesOf(c, "aab")
			c.AddNode(testNode("unzoned"))
			for _, step := range test.steps {
				if step.change != nil {
					step.change(t, c)
				}
				for range 2 {
					if diff := cmp.Diff(step.want, fitting(c, test.pod, all...)); diff != "" {
						t.Errorf("%s (-want +got):\n%s", step.name, diff)
					}
				}
			}
		})
	}
}

// What a trial changes must be gone with it, in the caches too.
func TestAffinityIsRevertedWithTheCluster(t *testing.T) {
	c := emptyCluster(t)
	zonesOf(c, "ab")
	near, apart := testPod("near", nearPods("zone", "app", "y")), testPod("apart", apartFrom("zone", "app", "y"))
	check := func(when string, wantNear, wantApart []string) {
		t.Helper()
		if diff := cmp.Diff([][]string{wantNear, wantApart}, [][]string{fitting(c, near, "a0", "b1"), fitting(c, apart, "a0", "b1")}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	check("before", nil, []string{"a0", "b1"})
	mark := c.Checkpoint()
	mustPut(t, c, testPod("1", labelled("app", "y")), "a0")
	check("in the trial", []string{"a0"}, []string{"b1"})
	c.Revert(mark)
	check("after it", nil, []string{"a0", "b1"})
}

func TestNamespaceSelectorOfAnAffinityTerm(t *testing.T) {
	c := emptyCluster(t)
	zonesOf(c, "ab")
	pod := testPod("new", apartFrom(corev1.LabelHostname, "app", "x"))
	pod.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution[0].NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": "red"}}
	mustPut(t, c, testPod("1", inNamespace("other")), "a0")
	setTeam := func(team string) {
		t.Helper()
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "other", Labels: map[string]string{"team": team}}}
		if err := c.SetObject(namespace); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		team string
		want []string
	}{{"", []string{"a0", "b1"}}, {"red", []string{"b1"}}, {"blue", []string{"a0", "b1"}}, {"red", []string{"b1"}}} {
		if test.team != "" {
			setTeam(test.team)
		}
		if diff := cmp.Diff(test.want, fitting(c, pod, "a0", "b1")); diff != "" {
			t.Errorf("team %q (-want +got):\n%s", test.team, diff)
		}
	}
	if err := c.DeleteObject(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "other"}}); err != nil {
		t.Fatal(err)
	}
	if got := fitting(c, pod, "a0", "b1"); len(got) != 2 {
		t.Errorf("without the namespace it fits on %v", got)
	}
}

func TestTrackerIsNotifiedOnlyOfMatchingPods(t *testing.T) {
	c := emptyCluster(t)
	zonesOf(c, "a")
	tests := map[string]struct {
		pod, other *corev1.Pod
		want       bool
	}{
		"a plain pod":                      {testPod("a"), testPod("b"), false},
		"a pod that its affinity is to":    {testPod("a", nearPods("zone", "app", "y")), testPod("b", labelled("app", "y")), true},
		"a pod that its affinity is not":   {testPod("a", nearPods("zone", "app", "y")), testPod("b"), false},
		"a pod that it wants to be far of": {testPod("a", apartFrom("zone", "app", "y")), testPod("b", labelled("app", "y")), true},
		"a pod that wants to be far of it": {testPod("a"), testPod("b", apartFrom("zone", "app", "x")), true},
		"a pod that is only near it":       {testPod("a"), testPod("b", nearPods("zone", "app", "x")), false},
		"a pod of another namespace":       {testPod("a", nearPods("zone", "app", "y")), testPod("b", labelled("app", "y"), inNamespace("other")), false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for _, cache := range c.filterCachesOf(c.classOf(test.pod), test.pod) {
				if cache == nil || cache.tracker == nil {
					continue
				}
				if tracker, ok := cache.tracker.(*affinityTracker); ok {
					if got := tracker.isAffectedBy(newPodInfo(test.other)); got != test.want {
						t.Errorf("it matters: %t, want %t", got, test.want)
					}
				}
			}
		})
	}
}
