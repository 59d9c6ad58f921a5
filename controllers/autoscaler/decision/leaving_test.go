package decision_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/controllers/autoscaler/decision"
	"github.com/k8sm/k8sm/controllers/autoscaler/scheduling"
)

// clusterOf makes a cluster of members, of which some are leaving.
func clusterOf(t *testing.T, members []decision.Member, leaving ...string) (*scheduling.Cluster, []decision.LeavingNode) {
	t.Helper()
	cluster, err := scheduling.New()
	if err != nil {
		t.Fatal(err)
	}
	var out []decision.LeavingNode
	for _, m := range members {
		cluster.AddNode(m.Node)
		for _, pod := range m.Pods {
			if err := cluster.AddPod(pod); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range leaving {
			if name == m.Name {
				cluster.AddNode(decision.Cordoned(m.Node))
				cluster.SetClosed(name, true)
				out = append(out, decision.LeavingNode{Name: name, Pods: m.Pods})
			}
		}
	}
	return cluster, out
}

// idleFor says that the members have been idle for an hour.
func idleFor(members []decision.Member) decision.NodeStates {
	states := decision.NodeStates{}
	for _, m := range members {
		states[m.Name] = decision.NodeState{IdleSince: noon.Add(-time.Hour)}
	}
	return states
}

func spreading(pod *corev1.Pod) { spread(pod, corev1.LabelHostname) }

func toleratingAll(pod *corev1.Pod) {
	pod.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
}

func endingAt(at time.Time) func(*corev1.Pod) {
	return func(pod *corev1.Pod) { pod.DeletionTimestamp = &metav1.Time{Time: at} }
}

func ready(pod *corev1.Pod) { pod.Status.Phase = corev1.PodRunning }

func TestShrinkCountsWhatTheSchedulerCounts(t *testing.T) {
	t.Parallel()
	nominated := with(member("n1"), func(m *decision.Member) { m.Nominated = []*corev1.Pod{replica("db", "1")} })
	larger := func(pod *corev1.Pod) *corev1.Pod {
		out := pod.DeepCopy()
		out.Spec.Containers[0].Resources.Requests[corev1.ResourceCPU] = resource.MustParse("3500m")
		return out
	}
	web := func(allowed int32) []*policyv1.PodDisruptionBudget {
		return []*policyv1.PodDisruptionBudget{{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"},
			Spec:       policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "x"}}},
			Status:     policyv1.PodDisruptionBudgetStatus{DisruptionsAllowed: allowed},
		}}
	}
	for name, tc := range map[string]struct {
		members   []decision.Member
		leaving   []decision.Member
		pending   []*corev1.Pod
		pdbs      []*policyv1.PodDisruptionBudget
		successor func(*corev1.Pod) *corev1.Pod
		want      []string
	}{
		"a node of a spread stays": {
			members: []decision.Member{member("n1", replica("a", "1", spreading)), member("n2", replica("b", "1", spreading))},
		},
		"an empty node counts as a domain of a spread": {
			members: []decision.Member{member("n1", replica("a", "1", spreading)), member("n2", replica("b", "2", spreading)), member("n3")},
			want:    []string{"n3"},
		},
		"the pods of a leaving node take their room": {
			leaving: []decision.Member{member("x", replica("x", "1500m"))},
			members: []decision.Member{member("y", replica("y", "1500m")), member("z", replica("z", "2100m"))},
		},
		"the pods of a leaving node that have ended take none": {
			leaving: []decision.Member{member("x", replica("x", "1500m", func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }))},
			members: []decision.Member{member("y", replica("y", "1500m")), member("z", replica("z", "2100m"))},
			want:    []string{"y"},
		},
		"a pod of a leaving node that is ending is made again": {
			leaving: []decision.Member{member("x", replica("x", "1500m", endingAt(noon)))},
			members: []decision.Member{member("y", replica("y", "1500m")), member("z", replica("z", "2100m"))},
		},
		"an empty node stays for the pods of a leaving node": {
			leaving: []decision.Member{member("x", replica("x", "3"))},
			members: []decision.Member{member("y")},
		},
		"a node stays for a pod that fits when the leaving node is gone": {
			leaving: []decision.Member{member("x")},
			members: []decision.Member{member("y", replica("y", "500m", spreading)), member("z", replica("z", "3900m"))},
			pending: []*corev1.Pod{replica("w", "500m", spreading)},
		},
		"the evictions of a leaving node spend a budget": {
			leaving: []decision.Member{member("x", replica("x", "500m", ready))},
			members: []decision.Member{member("y", replica("y", "500m", ready)), member("z", replica("z", "2100m"))},
			pdbs:    web(1),
		},
		"a pod that tolerates everything is not moved to a leaving node": {
			leaving: []decision.Member{member("x")},
			members: []decision.Member{member("y", replica("y", "500m", toleratingAll)), member("z", replica("z", "4"))},
		},
		"a nominated pod keeps its node": {
			members: []decision.Member{nominated},
		},
		"a move is reckoned with what the pod will request when it is made again": {
			members:   []decision.Member{member("n1", replica("a", "1")), member("n2", replica("b", "1"))},
			successor: larger,
		},
		"of two nodes the one that is cordoned is removed": {
			members: []decision.Member{member("n1", replica("a", "500m")), with(member("n2", replica("b", "1")), func(m *decision.Member) { m.Cordoned = true })},
			want:    []string{"n2"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var names []string
			for _, m := range tc.leaving {
				names = append(names, m.Name)
			}
			cluster, leaving := clusterOf(t, append(tc.members, tc.leaving...), names...)
			in := decision.ShrinkInput{
				Now: noon, Cluster: cluster, Leaving: leaving, Pending: tc.pending, Budgets: tc.pdbs, Successor: tc.successor,
				Pools: []decision.ShrinkPool{consolidatingPool(tc.members...)}, NodeStates: idleFor(tc.members),
			}
			plan := decision.Shrink(in)
			if diff := cmp.Diff(tc.want, removals(plan)); diff != "" {
				t.Errorf("removals (-want +got):\n%s\n%v", diff, plan.Verdicts)
			}
			if diff := cmp.Diff(plan, decision.Shrink(in)); diff != "" {
				t.Errorf("the same again gives another plan, or the cluster was changed:\n%s", diff)
			}
		})
	}
}

func TestGrowCountsLeavingNodesAsGone(t *testing.T) {
	t.Parallel()
	four := makeShape("four", "a", "4", "8Gi")
	pools := []decision.Pool{{Name: "p", Shapes: []decision.Shape{four}}}
	for name, tc := range map[string]struct {
		staying, leaving decision.Member
		pod              *corev1.Pod
		want             outcome
	}{
		"a pod of a spread fits when the other node is gone": {
			staying: member("n1", replica("a", "1", spreading)), leaving: member("old"), pod: replica("b", "1", spreading),
			want: outcome{Placed: map[string]string{"b": "n1"}},
		},
		"a pod that tolerates everything does not fit on a leaving node": {
			staying: member("n1", replica("a", "4")), leaving: member("old"), pod: replica("b", "1", toleratingAll),
			want: outcome{Launches: []string{"p/four: b"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster, leaving := clusterOf(t, []decision.Member{tc.staying, tc.leaving}, "old")
			in := decision.GrowInput{Cluster: cluster, Leaving: []string{leaving[0].Name}, Pods: []*corev1.Pod{tc.pod}, Pools: pools}
			if diff := cmp.Diff(tc.want, outcomeOf(decision.Grow(in))); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.want, outcomeOf(decision.Grow(in))); diff != "" {
				t.Errorf("the cluster was changed (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPodsThatWantToBeNearADaemonSetPod(t *testing.T) {
	t.Parallel()
	near := func(change func(*corev1.PodAffinityTerm)) *corev1.Pod {
		term := corev1.PodAffinityTerm{TopologyKey: corev1.LabelHostname, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "cache"}}}
		change(&term)
		pod := replica("web", "1")
		pod.Spec.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{term}}}
		return pod
	}
	cache := replica("cache", "100m", ofDaemonSet, func(p *corev1.Pod) { p.Namespace, p.Labels = "cache", map[string]string{"app": "cache"} })
	for name, tc := range map[string]struct {
		term     func(*corev1.PodAffinityTerm)
		launches int
	}{
		"in its namespace":           {func(term *corev1.PodAffinityTerm) { term.Namespaces = []string{"cache"} }, 1},
		"in a namespace by labels":   {func(term *corev1.PodAffinityTerm) { term.NamespaceSelector = &metav1.LabelSelector{} }, 1},
		"in the pod's own namespace": {func(*corev1.PodAffinityTerm) {}, 0},
		"with another label": {func(term *corev1.PodAffinityTerm) {
			term.Namespaces, term.LabelSelector.MatchLabels = []string{"cache"}, map[string]string{"app": "other"}
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shape := makeShape("four", "a", "4", "8Gi")
			shape.Daemons = []*corev1.Pod{cache}
			cluster, _ := clusterOf(t, nil)
			plan := decision.Grow(decision.GrowInput{Cluster: cluster, Pods: []*corev1.Pod{near(tc.term)}, Pools: []decision.Pool{{Name: "p", Shapes: []decision.Shape{shape}}}})
			if len(plan.Launches) != tc.launches || len(plan.Refused) != 1-tc.launches {
				t.Errorf("the plan is %+v, want %d nodes", plan, tc.launches)
			}
			if tc.launches == 0 && !strings.Contains(plan.Refused[0].Pools[0].Reason, "affinity") {
				t.Errorf("the reason is %q", plan.Refused[0].Pools[0].Reason)
			}
		})
	}
}

// With a lost node the pool keeps its minimum of the others.
func TestLostNodesDoNotCountForTheMinimum(t *testing.T) {
	t.Parallel()
	members := []decision.Member{member("n1"), member("n2"), with(member("lost"), notReady)}
	cluster, _ := clusterOf(t, members)
	pool := consolidatingPool(members...)
	pool.Min, pool.Lost = 2, 1
	plan := decision.Shrink(decision.ShrinkInput{Now: noon, Cluster: cluster, Pools: []decision.ShrinkPool{pool}, NodeStates: idleFor(members)})
	if len(plan.Removals) > 0 {
		t.Errorf("removed are %v, want none", removals(plan))
	}
}
