package decision_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/autoscaler/decision"
	"github.com/k8sm/k8sm/controllers/autoscaler/scheduling"
	"github.com/k8sm/k8sm/controllers/disruptionbudget"
	"github.com/k8sm/k8sm/controllers/drain"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// replica is a pod that its owner makes again elsewhere.
func replica(name, cpu string, change ...func(*corev1.Pod)) *corev1.Pod {
	yes := true
	pod := makePod(name, cpu)
	pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web", UID: "web", Controller: &yes}}
	for _, f := range change {
		f(pod)
	}
	return pod
}

func expendable(pod *corev1.Pod) { pod.Spec.Priority = new(int32(-11)) }

func inZone(zone string) func(*decision.Member) {
	return func(m *decision.Member) { m.Node.Labels[corev1.LabelTopologyZone] = zone }
}

func ofDaemonSet(pod *corev1.Pod) { pod.OwnerReferences[0].Kind = "DaemonSet" }

func annotated(key, value string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) { pod.Annotations = map[string]string{key: value} }
}

func ofKind(kind string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) { pod.Labels = map[string]string{"kind": kind} }
}

// drainedBy gives a pool a rule for its pods of the kind job.
func drainedBy(behavior v1alpha1.DrainBehavior) func(*decision.ShrinkPool) {
	return func(p *decision.ShrinkPool) {
		p.Drain = drain.NewPolicy(v1alpha1.Drain{Rules: []v1alpha1.DrainRule{{
			Name: "r", PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kind": "job"}}, Behavior: behavior,
		}}})
	}
}

func alone(pod *corev1.Pod) {
	pod.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
			TopologyKey: corev1.LabelHostname, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "x"}}}}}}
}

// member is a node of 4 cpus and 8 GiB that has been there for a day.
func member(name string, pods ...*corev1.Pod) decision.Member {
	return sized(name, "4", "8Gi", pods...)
}

func sized(name, cpu, memory string, pods ...*corev1.Pod) decision.Member {
	for _, pod := range pods {
		pod.Spec.NodeName = name
	}
	return decision.Member{
		Name: name, Node: makeNode(name, "a", cpu, memory), Resources: resources(cpu, memory),
		Created: noon.Add(-24 * time.Hour), Ready: true, Pods: pods,
	}
}

func with(m decision.Member, change func(*decision.Member)) decision.Member {
	change(&m)
	return m
}

func notReady(m *decision.Member) { m.Ready = false }

// consolidatingPool is a pool whose nodes go after five minutes, all at once if need be.
func consolidatingPool(members ...decision.Member) decision.ShrinkPool {
	return decision.ShrinkPool{
		Pool: decision.Pool{Name: "general"}, Threshold: 50, ConsolidateAfter: 5 * time.Minute, MinNodeLifetime: 10 * time.Minute, AfterGrowth: 10 * time.Minute,
		Empty: atMost(100), Underutilized: atMost(100), Members: members,
	}
}

// atMost is the allowance of disruption budgets that leave n nodes.
func atMost(n int) disruptionbudget.Allowance {
	return disruptionbudget.Allowance{Remaining: n, Limit: fmt.Sprintf("its budget allows %d", n)}
}

// allow makes the disruption budgets of a pool leave n nodes, whatever the reason.
func allow(n int) func(*decision.ShrinkPool) {
	return func(p *decision.ShrinkPool) { p.Empty, p.Underutilized = atMost(n), atMost(n) }
}

// scaleDownPool is a ShrinkPool and what the decision has taken from it.
type scaleDownPool struct {
	pool    decision.ShrinkPool
	others  []decision.Member // nodes of nobody's
	pending []*corev1.Pod
	pdbs    []*policyv1.PodDisruptionBudget
	objects []runtime.Object // that plugins look up
	memory  decision.NodeStates
	now     time.Time
}

func (s *scaleDownPool) decide(t *testing.T) decision.ShrinkPlan {
	t.Helper()
	cluster, err := scheduling.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range s.objects {
		if err := cluster.SetObject(object); err != nil {
			t.Fatal(err)
		}
	}
	for _, members := range [][]decision.Member{s.pool.Members, s.others} {
		for _, m := range members {
			cluster.AddNode(m.Node)
			for _, pod := range m.Pods {
				if err := cluster.AddPod(pod); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	in := decision.ShrinkInput{Now: s.now, Cluster: cluster, Pending: s.pending, Budgets: s.pdbs, Pools: []decision.ShrinkPool{s.pool}, NodeStates: s.memory}
	plan := decision.Shrink(in)
	if diff := cmp.Diff(plan, decision.Shrink(in)); diff != "" {
		t.Errorf("the same again gives another plan, or the cluster was changed:\n%s", diff)
	}
	s.memory = plan.NodeStates
	return plan
}

// verdicts returns each verdict as "node: true Empty".
func verdicts(plan decision.ShrinkPlan) []string {
	var out []string
	for _, v := range plan.Verdicts {
		out = append(out, fmt.Sprintf("%s: %v %s", v.Node, v.Disruptable, v.Reason))
	}
	return out
}

func removals(plan decision.ShrinkPlan) []string {
	var out []string
	for _, r := range plan.Removals {
		out = append(out, r.Node)
	}
	return out
}

func TestShrink(t *testing.T) {
	t.Parallel()
	small := makeShape("small", "a", "2", "4Gi")
	smaller := func(p *decision.ShrinkPool) {
		p.Shapes = []decision.Shape{makeShape("large", "a", "4", "8Gi"), small}
	}
	for name, tc := range map[string]struct {
		members []decision.Member
		others  []decision.Member
		pool    func(*decision.ShrinkPool)
		pending []*corev1.Pod
		pdbs    []*policyv1.PodDisruptionBudget
		objects []runtime.Object
		want    []string
		gone    []string
		launch  []string
		says    string // part of the first verdict's message
		// saysLast is part of the last verdict's message.
		saysLast string
	}{
		"an empty node is removed": {
			members: []decision.Member{member("n1"), member("n2", replica("p", "3"))},
			want:    []string{"n1: true Empty", "n2: false Utilized"}, gone: []string{"n1"},
		},
		"a node with only pods of DaemonSets is empty": {
			members: []decision.Member{member("n1", replica("d", "3", ofDaemonSet))},
			want:    []string{"n1: true Empty"}, gone: []string{"n1"},
		},
		"an under-used node is removed when its pods fit on other nodes": {
			members: []decision.Member{member("n1", replica("a", "1")), member("n2", replica("b", "2500m"))},
			want:    []string{"n1: true Underutilized", "n2: false Utilized"}, gone: []string{"n1"},
			says: "25 % of the cpu",
		},
		"several nodes are removed together as long as all their pods fit": {
			members: []decision.Member{member("n1", replica("a", "1500m")), member("n2", replica("b", "1500m")), member("n3", replica("c", "1500m")), member("n4", replica("d", "1500m"))},
			want:    []string{"n1: true Underutilized", "n2: false Utilized", "n3: true Underutilized", "n4: false Utilized"}, gone: []string{"n1", "n3"},
		},
		"a node whose pods fit nowhere else is kept": {
			members: []decision.Member{member("n1", replica("a", "1500m")), member("n2", replica("b", "3"))},
			want:    []string{"n1: false PodsFitNowhereElse", "n2: false Utilized"},
			says:    "pod default/a fits on no other node",
		},
		"pods with anti-affinity to each other keep both nodes": {
			members: []decision.Member{member("n1", replica("a", "1", alone)), member("n2", replica("b", "1", alone))},
			want:    []string{"n1: false PodsFitNowhereElse", "n2: false PodsFitNowhereElse"},
		},
		"nodes of other pools take pods as well": {
			members: []decision.Member{member("n1", replica("a", "1"))}, others: []decision.Member{member("other", replica("b", "1"))},
			want: []string{"n1: true Underutilized"}, gone: []string{"n1"},
		},
		"only empty nodes are removed with the policy WhenEmpty": {
			members: []decision.Member{member("n1", replica("a", "1")), member("n2", replica("b", "1")), member("n3")},
			pool:    func(p *decision.ShrinkPool) { p.OnlyEmpty = true },
			want:    []string{"n1: false Utilized", "n2: false Utilized", "n3: true Empty"}, gone: []string{"n3"},
		},
		"a pod annotated do-not-disrupt keeps its node": {
			members: []decision.Member{member("n1", replica("a", "1", annotated("k8sm.io/do-not-disrupt", "true"))), member("n2", replica("b", "3"))},
			want:    []string{"n1: false PodHoldsNode", "n2: false Utilized"},
			says:    "Pod default/a is annotated k8sm.io/do-not-disrupt=true.",
		},
		"a pod annotated as not safe to evict keeps its node": {
			members: []decision.Member{member("n1", replica("a", "1", annotated("cluster-autoscaler.kubernetes.io/safe-to-evict", "false"))), member("n2", replica("b", "3"))},
			want:    []string{"n1: false PodHoldsNode", "n2: false Utilized"},
		},
		"a pod that Karpenter must not disrupt keeps its node": {
			members: []decision.Member{member("n1", replica("a", "1", annotated("karpenter.sh/do-not-disrupt", "true"))), member("n2", replica("b", "3"))},
			want:    []string{"n1: false PodHoldsNode", "n2: false Utilized"},
			says:    "Pod default/a is annotated karpenter.sh/do-not-disrupt=true.",
		},
		"a pod that the pool's drain waits for keeps its node": {
			members: []decision.Member{member("n1", replica("a", "1", ofKind("job"))), member("n2", replica("b", "3"))},
			pool:    drainedBy(v1alpha1.DrainBehaviorWaitCompleted),
			want:    []string{"n1: false PodHoldsNode", "n2: false Utilized"},
			says:    `Pod default/a has not completed, as the rule "r" requires.`,
		},
		"a node with only pods that the pool's drain skips is empty": {
			members: []decision.Member{member("n1", replica("a", "1", ofKind("job"))), member("n2", replica("b", "3"))},
			pool:    drainedBy(v1alpha1.DrainBehaviorSkip),
			want:    []string{"n1: true Empty", "n2: false Utilized"}, gone: []string{"n1"},
		},
		"a bare pod keeps its node": {
			members: []decision.Member{member("n1", makePod("a", "1")), member("n2", replica("b", "3"))},
			want:    []string{"n1: false PodHoldsNode", "n2: false Utilized"},
			says:    "belongs to no controller",
		},
		"a node annotated do-not-disrupt is kept": {
			members: []decision.Member{with(member("n1"), func(m *decision.Member) { m.DoNotDisrupt = true })},
			want:    []string{"n1: false DoNotDisrupt"},
		},
		"an exhausted PodDisruptionBudget keeps the node": {
			members: []decision.Member{member("n1", replica("a", "1")), member("n2", replica("b", "2500m"))}, pdbs: []*policyv1.PodDisruptionBudget{pdb("web", 0)},
			want: []string{"n1: false DisruptionBudget", "n2: false Utilized"},
			says: "PodDisruptionBudget default/web allows 0 evictions now",
		},
		"nodes removed earlier count against the PodDisruptionBudget": {
			members: []decision.Member{member("n1", replica("c", "2")), member("n2", replica("a", "1")), member("n3", replica("b", "1"))}, pdbs: []*policyv1.PodDisruptionBudget{pdb("web", 1)},
			want: []string{"n1: false Utilized", "n2: true Underutilized", "n3: false DisruptionBudget"}, gone: []string{"n2"},
		},
		"a pod with two PodDisruptionBudgets keeps its node": {
			members: []decision.Member{member("n1", replica("a", "1")), member("n2", replica("c", "2"))}, pdbs: []*policyv1.PodDisruptionBudget{pdb("web", 1), pdb("too", 1)},
			want: []string{"n1: false DisruptionBudget", "n2: false Utilized"}, says: "more than one PodDisruptionBudget",
		},
		"a node with only expendable pods is removed like an empty one": {
			members: []decision.Member{member("n1", replica("a", "3", expendable))},
			want:    []string{"n1: true Empty"}, gone: []string{"n1"},
		},
		"expendable pods need not fit elsewhere": {
			members: []decision.Member{member("n1", replica("a", "1"), replica("b", "3", expendable)), member("n2", replica("c", "3"))},
			want:    []string{"n1: true Underutilized", "n2: false Utilized"}, gone: []string{"n1"},
		},
		"a node with pods at the lowest priority that counts is kept": {
			members: []decision.Member{member("n1", replica("a", "3", func(pod *corev1.Pod) { pod.Spec.Priority = new(int32(-10)) }))},
			want:    []string{"n1: false Utilized"},
		},
		"expendable pods keep their node with the policy WhenEmpty": {
			members: []decision.Member{member("n1", replica("a", "1", expendable))}, pool: func(p *decision.ShrinkPool) { p.OnlyEmpty = true },
			want: []string{"n1: false Utilized"}, says: "It has 1 pods",
		},
		"PodDisruptionBudgets apply to expendable pods": {
			members: []decision.Member{member("n1", replica("a", "1", expendable))}, pdbs: []*policyv1.PodDisruptionBudget{pdb("web", 0)},
			want: []string{"n1: false DisruptionBudget"},
		},
		"a host port in use on all other nodes keeps a node": {
			members: []decision.Member{member("n1", replica("a", "1", onPort(80))), member("n2", replica("b", "2", onPort(80)))},
			want:    []string{"n1: false PodsFitNowhereElse", "n2: false Utilized"},
		},
		"a volume bound to a zone keeps a node": {
			members: []decision.Member{member("n1", replica("a", "1", claiming("disk"))), with(member("n2", replica("b", "2")), inZone("b"))},
			objects: volume("disk", zonal("a")),
			want:    []string{"n1: false PodsFitNowhereElse", "n2: false Utilized"},
		},
		"a volume that can be attached elsewhere keeps no node": {
			members: []decision.Member{member("n1", replica("a", "1", claiming("disk"))), with(member("n2", replica("b", "2")), inZone("b"))},
			objects: volume("disk", nil),
			want:    []string{"n1: true Underutilized", "n2: false Utilized"}, gone: []string{"n1"},
		},
		"a pod with an emptyDir keeps its node": {
			members: []decision.Member{member("n1", replica("a", "1", holding(corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}))), member("n2", replica("b", "2"))},
			want:    []string{"n1: false PodHoldsNode", "n2: false Utilized"}, says: "keeps data on the node, in volume data",
		},
		"system pods are moved like others": {
			members: []decision.Member{member("n1", replica("a", "1", func(pod *corev1.Pod) { pod.Namespace = "kube-system" })), member("n2", replica("b", "2"))},
			want:    []string{"n1: true Underutilized", "n2: false Utilized"}, gone: []string{"n1"},
		},
		"a pool budget of 0 keeps all nodes": {
			members: []decision.Member{member("n1"), member("n2", replica("a", "1")), member("n3", replica("b", "2"))},
			pool:    allow(0),
			want:    []string{"n1: true Empty", "n2: true Underutilized", "n3: false Utilized"}, says: "It is kept for now: its budget allows 0.",
		},
		"a pod that has not started does not count against its PodDisruptionBudget": {
			members: []decision.Member{member("n1", replica("a", "1", beginsLater)), member("n2", replica("c", "2"))}, pdbs: []*policyv1.PodDisruptionBudget{pdb("web", 0), pdb("too", 0)},
			want: []string{"n1: true Underutilized", "n2: false Utilized"}, gone: []string{"n1"},
		},
		"an unready pod is evicted when enough other pods are healthy": {
			members: []decision.Member{member("n1", replica("a", "1", failing), replica("b", "100m", failing)), member("n2", replica("c", "2"))}, pdbs: []*policyv1.PodDisruptionBudget{enough(pdb("web", 0))},
			want: []string{"n1: true Underutilized", "n2: false Utilized"}, gone: []string{"n1"},
		},
		"a ready pod is not evicted when its PodDisruptionBudget is exhausted": {
			members: []decision.Member{member("n1", replica("a", "1")), member("n2", replica("c", "2"))}, pdbs: []*policyv1.PodDisruptionBudget{enough(pdb("web", 0))},
			want: []string{"n1: false DisruptionBudget", "n2: false Utilized"},
		},
		"an unready pod is always evicted with the policy AlwaysAllow": {
			members: []decision.Member{member("n1", replica("a", "1", failing)), member("n2", replica("c", "2"))}, pdbs: []*policyv1.PodDisruptionBudget{alwaysAllow(pdb("web", 0))},
			want: []string{"n1: true Underutilized", "n2: false Utilized"}, gone: []string{"n1"},
		},
		"a node younger than its minimum lifetime is kept": {
			members: []decision.Member{with(member("n1"), func(m *decision.Member) { m.Created = noon.Add(-time.Minute) })},
			want:    []string{"n1: true Empty"}, says: "It can be removed 10m0s after it was created.",
		},
		"a node that is not ready yet is kept": {
			members: []decision.Member{with(member("n1"), notReady)},
			want:    []string{"n1: false NodeNotReady"},
		},
		"a pool that has just grown does not shrink": {
			members: []decision.Member{member("n1")}, pool: func(p *decision.ShrinkPool) { p.LastGrowth = noon },
			want: []string{"n1: true Empty"}, says: "10m0s after its pool grew",
		},
		"a pool whose removals are blocked does not shrink": {
			members: []decision.Member{member("n1")}, pool: func(p *decision.ShrinkPool) { p.RemovalBlocked = "its pool is paused" },
			want: []string{"n1: true Empty"}, says: "It is kept for now: its pool is paused.",
		},
		"a pool keeps its minReplicas": {
			members: []decision.Member{member("n1"), member("n2"), member("n3")}, pool: func(p *decision.ShrinkPool) { p.Min = 2 },
			want: []string{"n1: true Empty", "n2: true Empty", "n3: true Empty"}, gone: []string{"n1"},
		},
		"no more nodes are removed than the pool budget allows": {
			members: []decision.Member{member("n1"), member("n2"), member("n3")}, pool: allow(2),
			want: []string{"n1: true Empty", "n2: true Empty", "n3: true Empty"}, gone: []string{"n1", "n2"},
		},
		"a pool budget can be for one reason only": {
			members: []decision.Member{member("n1"), member("n2", replica("a", "1")), member("n3", replica("b", "2"))}, pool: func(p *decision.ShrinkPool) { p.Empty = atMost(0) },
			want: []string{"n1: true Empty", "n2: true Underutilized", "n3: false Utilized"}, gone: []string{"n2"},
		},
		"a node that takes the place of another is kept": {
			members: []decision.Member{member("n1", replica("a", "3")), with(member("n2"), func(m *decision.Member) { m.Replaces = "n1" })},
			want:    []string{"n1: false Utilized", "n2: false ReplacesNode"}, saysLast: "It takes the place of n1, which is removed next.",
		},
		"a node that takes the place of another does not count for minReplicas": {
			members: []decision.Member{member("n1"), with(member("n2"), func(m *decision.Member) { m.Replaces = "n1" })}, pool: func(p *decision.ShrinkPool) { p.Min = 1 },
			want: []string{"n1: true Empty", "n2: false ReplacesNode"}, says: "no more than its minReplicas, 1",
		},
		"a node on which pending pods fit is kept": {
			members: []decision.Member{member("n1")}, pending: []*corev1.Pod{replica("a", "1")},
			want: []string{"n1: false Utilized"}, says: "Pending pods fit on it.",
		},
		"pods are not moved to an empty node of the same size": {
			members: []decision.Member{member("n1", replica("a", "1500m")), member("n2"), member("n3", replica("b", "3"))},
			want:    []string{"n1: false PodsFitNowhereElse", "n2: true Empty", "n3: false Utilized"}, gone: []string{"n2"},
		},
		"an empty smaller node replaces a larger one": {
			members: []decision.Member{member("n1", replica("a", "1500m")), sized("n2", "2", "4Gi"), member("n3", replica("b", "3"))},
			want:    []string{"n1: true Underutilized", "n2: false Utilized", "n3: false Utilized"}, gone: []string{"n1"},
		},
		"a node is kept until its smaller replacement is ready": {
			members: []decision.Member{member("n1", replica("a", "1500m")), with(sized("n2", "2", "4Gi"), notReady), member("n3", replica("b", "3"))},
			want:    []string{"n1: true Underutilized", "n2: false NodeNotReady", "n3: false Utilized"}, says: "It can be removed when n2 is ready.",
		},
		"an empty smaller node is kept while the node it replaces cannot be removed yet": {
			members: []decision.Member{with(member("n1", replica("a", "1500m")), func(m *decision.Member) { m.Created = noon }), sized("n2", "2", "4Gi"), member("n3", replica("b", "3"))},
			want:    []string{"n1: true Underutilized", "n2: false Utilized", "n3: false Utilized"}, says: "after it was created",
		},
		"a smaller node is launched for pods that fit nowhere else": {
			members: []decision.Member{member("n1", replica("a", "1500m"))}, pool: smaller,
			want: []string{"n1: true Underutilized"}, launch: []string{"small"}, says: "when a node of shape small is ready",
		},
		"a smaller node is launched for a node that only minReplicas keeps": {
			members: []decision.Member{member("n1", replica("a", "1500m"))}, pool: func(p *decision.ShrinkPool) { smaller(p); p.Min = 1 },
			want: []string{"n1: true Underutilized"}, launch: []string{"small"}, says: "when a node of shape small is ready",
		},
		"a node is kept until the smaller node launched for another is ready, if its pods fit there": {
			members: []decision.Member{
				member("n1", replica("a", "500m", func(pod *corev1.Pod) { selecting(pod, corev1.LabelTopologyZone, "a") })),
				with(member("n2", replica("b", "1")), inZone("b")),
			},
			pool: smaller, launch: []string{"small"},
			want: []string{"n1: true Underutilized", "n2: true Underutilized"}, says: "when a node of shape small is ready",
			saysLast: "It can be removed when the new node of shape small is ready.",
		},
		"no smaller node is launched for an empty node that minReplicas keeps": {
			members: []decision.Member{member("n1")}, pool: func(p *decision.ShrinkPool) { smaller(p); p.Min = 1 },
			want: []string{"n1: true Empty"}, says: "no more than its minReplicas, 1",
		},
		"no smaller node is launched when the pool budget is exhausted": {
			members: []decision.Member{member("n1", replica("a", "1500m"))},
			pool:    func(p *decision.ShrinkPool) { smaller(p); allow(0)(p); p.Min = 1 },
			want:    []string{"n1: true Underutilized"}, says: "It is kept for now: its pool has no more than its minReplicas, 1.",
		},
		"no smaller node is launched when Mesos has no room for it": {
			members: []decision.Member{member("n1", replica("a", "1500m"))},
			pool:    func(p *decision.ShrinkPool) { smaller(p); p.Shapes[1].Room = 0 },
			want:    []string{"n1: false PodsFitNowhereElse"},
		},
		"a node of the smallest shape is not replaced": {
			members: []decision.Member{sized("n1", "2", "4Gi", replica("a", "900m"))}, pool: smaller,
			want: []string{"n1: false PodsFitNowhereElse"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &scaleDownPool{pool: consolidatingPool(tc.members...), others: tc.others, pending: tc.pending, pdbs: tc.pdbs, objects: tc.objects, now: noon, memory: decision.NodeStates{}}
			if tc.pool != nil {
				tc.pool(&s.pool)
			}
			for _, m := range tc.members {
				s.memory[m.Name] = decision.NodeState{IdleSince: noon.Add(-time.Hour)}
			}
			plan := s.decide(t)
			if diff := cmp.Diff(tc.want, verdicts(plan)); diff != "" {
				t.Errorf("verdicts (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.gone, removals(plan)); diff != "" {
				t.Errorf("removals (-want +got):\n%s", diff)
			}
			var launched []string
			for _, l := range plan.Launches {
				launched = append(launched, l.Size.Shape)
			}
			if diff := cmp.Diff(tc.launch, launched); diff != "" {
				t.Errorf("launches (-want +got):\n%s", diff)
			}
			if first := plan.Verdicts[0].Message; !strings.Contains(first, tc.says) {
				t.Errorf("the first verdict is %q, want %q in it", first, tc.says)
			}
			if last := plan.Verdicts[len(plan.Verdicts)-1].Message; !strings.Contains(last, tc.saysLast) {
				t.Errorf("the last verdict is %q, want %q in it", last, tc.saysLast)
			}
		})
	}
}

func pdb(name string, allowed int32) *policyv1.PodDisruptionBudget {
	return &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec:       policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "x"}}},
		Status:     policyv1.PodDisruptionBudgetStatus{DisruptionsAllowed: allowed},
	}
}

func alwaysAllow(b *policyv1.PodDisruptionBudget) *policyv1.PodDisruptionBudget {
	b.Spec.UnhealthyPodEvictionPolicy = new(policyv1.AlwaysAllow)
	return b
}

// enough pods serve, just.
func enough(b *policyv1.PodDisruptionBudget) *policyv1.PodDisruptionBudget {
	b.Status.CurrentHealthy, b.Status.DesiredHealthy = 2, 2
	return b
}

func failing(pod *corev1.Pod) {
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse}}
}

func beginsLater(pod *corev1.Pod) { pod.Status.Phase = corev1.PodPending }

// A node goes when it was idle for long enough at a stretch: a load that comes and goes
// keeps it.
func TestFluctuatingLoadKeepsItsNode(t *testing.T) {
	t.Parallel()
	s := &scaleDownPool{now: noon}
	idle, busy := consolidatingPool(member("n1")), consolidatingPool(member("n1", replica("a", "3")))
	step := func(p decision.ShrinkPool, after time.Duration) []string {
		s.pool, s.now = p, s.now.Add(after)
		return removals(s.decide(t))
	}
	for range 10 {
		for _, p := range []decision.ShrinkPool{idle, idle, busy} {
			if gone := step(p, 4*time.Minute); gone != nil {
				t.Fatalf("%v go at %s", gone, s.now)
			}
		}
	}
	step(idle, time.Minute)
	plan := s.decide(t)
	if want := s.now.Add(5 * time.Minute); !plan.RecheckAt.Equal(want) {
		t.Errorf("it is decided again at %s, want %s", plan.RecheckAt, want)
	}
	if gone := step(idle, 5*time.Minute); len(gone) != 1 {
		t.Error("it stays although it was empty for five minutes")
	}
}

// What fits nowhere is not tried again at once; but nodes that go meanwhile make no
// difference, and a place that comes is found in time.
func TestUnmovablePodsAreRetriedLater(t *testing.T) {
	t.Parallel()
	lonely := member("n1", replica("a", "1500m"))
	s := &scaleDownPool{now: noon, pool: consolidatingPool(lonely), memory: decision.NodeStates{"n1": {IdleSince: noon.Add(-time.Hour)}}}
	plan := s.decide(t)
	if want := noon.Add(2 * time.Minute); len(plan.Removals) > 0 || !plan.RecheckAt.Equal(want) {
		t.Errorf("removes %v and looks again at %s, want none and %s", plan.Removals, plan.RecheckAt, want)
	}
	s.pool = consolidatingPool(lonely, member("n2", replica("b", "2200m")))
	s.now = s.now.Add(time.Minute)
	if gone := removals(s.decide(t)); gone != nil {
		t.Errorf("%v go a minute later", gone)
	}
	s.now = s.now.Add(time.Minute)
	if gone := removals(s.decide(t)); len(gone) != 1 || gone[0] != "n1" {
		t.Errorf("%v go two minutes later, want n1", gone)
	}
}

// Whether it was right that a node went shows when the pool could have grown again since.
func TestIdleTimeGrowsWhenRemovedNodesWereNeededAgain(t *testing.T) {
	t.Parallel()
	before := func(minutes ...int) []time.Time {
		var out []time.Time
		for _, m := range minutes {
			out = append(out, noon.Add(-time.Duration(m)*time.Minute))
		}
		return out
	}
	for name, tc := range map[string]struct {
		past decision.RemovalHistory
		made []time.Time
		want decision.RemovalHistory
		says string
	}{
		"no node was removed":                                   {past: decision.RemovalHistory{}, want: decision.RemovalHistory{}, says: "It can be removed when it has been in this state for 5m0s."},
		"one of two removed nodes was needed again":             {past: decision.RemovalHistory{Unassessed: before(12, 11)}, made: before(8), want: decision.RemovalHistory{RegretRate: 0.109375, Unassessed: before()}, says: "in this state for 8m50s; the time is longer than usual"},
		"both removed nodes were needed again":                  {past: decision.RemovalHistory{Unassessed: before(12, 11)}, made: before(8, 8), want: decision.RemovalHistory{RegretRate: 0.234375, Unassessed: before()}, says: "in this state for 13m12s"},
		"neither removed node was needed again":                 {past: decision.RemovalHistory{Unassessed: before(12, 11), RegretRate: 0.5}, want: decision.RemovalHistory{RegretRate: 0.3828125, Unassessed: before()}, says: "in this state for 18m24s"},
		"a removal is too recent to be assessed":                {past: decision.RemovalHistory{Unassessed: before(5)}, want: decision.RemovalHistory{Unassessed: before(5)}},
		"the last of two removals is too recent to be assessed": {past: decision.RemovalHistory{Unassessed: before(12, 5)}, made: before(4), want: decision.RemovalHistory{Unassessed: before(12, 5)}},
		"a node created long after a removal does not count":    {past: decision.RemovalHistory{Unassessed: before(30), RegretRate: 0.5}, made: before(15), want: decision.RemovalHistory{RegretRate: 0.4375, Unassessed: before()}},
		"all removed nodes were always needed again":            {past: decision.RemovalHistory{RegretRate: 1}, want: decision.RemovalHistory{RegretRate: 1}, says: "in this state for 40m0s; the time is longer than usual, because removed nodes of its pool were needed again soon."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &scaleDownPool{now: noon, pool: consolidatingPool(member("n1")), memory: decision.NodeStates{"n1": {IdleSince: noon.Add(-time.Minute)}}}
			for i, at := range tc.made {
				s.pool.Members = append(s.pool.Members, with(member(fmt.Sprintf("new-%d", i), replica(fmt.Sprintf("p-%d", i), "3")), func(m *decision.Member) { m.Created = at }))
			}
			s.pool.History = tc.past
			plan := s.decide(t)
			if diff := cmp.Diff(tc.want, plan.Histories["general"], cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("what is remembered (-want +got):\n%s", diff)
			}
			if says := plan.Verdicts[0].Message; !strings.Contains(says, tc.says) {
				t.Errorf("the verdict is %q, want %q in it", says, tc.says)
			}
		})
	}
}

// A plan is made again while its nodes are cordoned: only what was removed is remembered.
func TestRemovalIsRecordedInTheHistory(t *testing.T) {
	t.Parallel()
	s := &scaleDownPool{now: noon, pool: consolidatingPool(member("n1"), member("n2")), memory: decision.NodeStates{"n1": {IdleSince: noon.Add(-time.Hour)}}}
	planned := s.decide(t).Histories["general"]
	if len(planned.Unassessed) != 0 {
		t.Errorf("what is remembered of the plan is %+v, want nothing", planned)
	}
	removed := planned.WithRemoval(2, noon)
	if len(removed.Unassessed) != 2 || !removed.Unassessed[0].Equal(noon) || len(planned.Unassessed) != 0 {
		t.Errorf("what is remembered is %+v, want that two were removed at noon", removed)
	}
}
