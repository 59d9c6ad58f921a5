package pending

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// podOf returns a pod that the scheduler found no place for.
func podOf(name, cpu string, how ...func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", UID: types.UID("pod-" + name)},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)},
		}}}},
		Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable,
		}}},
	}
	for _, h := range how {
		h(pod)
	}
	return pod
}

func replica(p *corev1.Pod) {
	p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web", UID: "web", Controller: new(true)}}
}

func TestPodsThatNeedANode(t *testing.T) {
	owned := func(group string) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.OwnerReferences = []metav1.OwnerReference{{APIVersion: group + "/v1", Kind: "DaemonSet", Name: "d", Controller: new(true)}}
		}
	}
	tests := map[string]struct {
		how   func(*corev1.Pod)
		wants bool
		out   string
	}{
		"an unschedulable pod":                        {func(*corev1.Pod) {}, true, ""},
		"a pod that the scheduler has not considered": {func(p *corev1.Pod) { p.Status.Conditions = nil }, false, ""},
		"a pod with scheduling gates":                 {func(p *corev1.Pod) { p.Status.Conditions[0].Reason = "SchedulingGated" }, false, ""},
		"a scheduled pod":                             {func(p *corev1.Pod) { p.Spec.NodeName = "n" }, false, ""},
		"a pod that is being deleted":                 {func(p *corev1.Pod) { p.DeletionTimestamp = new(metav1.NewTime(noon)) }, false, ""},
		"a failed pod":                                {func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }, false, ""},
		"a pod of a DaemonSet":                        {owned("apps"), true, ExcludedDaemon},
		"a pod of a DaemonSet of another API group":   {owned("example.com"), true, ""},
		"a pod of another scheduler":                  {func(p *corev1.Pod) { p.Spec.SchedulerName = "mine" }, true, ExcludedScheduler},
		"a pod that names the default scheduler":      {func(p *corev1.Pod) { p.Spec.SchedulerName = "default-scheduler" }, true, ""},
		"an expendable pod":                           {func(p *corev1.Pod) { p.Spec.Priority = new(int32(-11)) }, true, ExcludedExpendable},
		"a pod at the lowest priority that counts":    {func(p *corev1.Pod) { p.Spec.Priority = new(int32(-10)) }, true, ""},
		"a pod that preempts others":                  {func(p *corev1.Pod) { p.Status.NominatedNodeName = "n" }, true, ExcludedPreempting},
		"a pod nominated to a node that is gone":      {func(p *corev1.Pod) { p.Status.NominatedNodeName = "gone" }, true, ""},
		"a pod nominated to a node that is leaving":   {func(p *corev1.Pod) { p.Status.NominatedNodeName = "leaving" }, true, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			pod := podOf("a", "1", test.how)
			if got := IsUnschedulable(pod); got != test.wants {
				t.Errorf("unschedulable: %v, want %v", got, test.wants)
			}
			nominatedTo := Nominations(map[string]*corev1.Node{"n": {}, "leaving": {}}, map[string]bool{"leaving": true})
			pods, _, excluded := Find([]*corev1.Pod{pod}, nominatedTo)
			if got := len(pods) == 1; got != (test.wants && test.out == "") || test.out != "" && excluded[test.out] != 1 {
				t.Errorf("it needs a node: %v, left out: %v, want %q", got, excluded, test.out)
			}
		})
	}
}

func TestPendingPodsAreOrderedByAge(t *testing.T) {
	pod := func(namespace, name string, minutes int, change ...func(*corev1.Pod)) *corev1.Pod {
		p := podOf(name, "1", change...)
		p.Namespace, p.CreationTimestamp = namespace, metav1.NewTime(noon.Add(time.Duration(minutes)*time.Minute))
		return p
	}
	other := func(p *corev1.Pod) { p.Spec.SchedulerName = "mine" }
	scheduled := func(p *corev1.Pod) { p.Spec.NodeName = "n1" }
	pods, _, excluded := Find([]*corev1.Pod{
		pod("b", "young", 5), pod("b", "x", 1), pod("a", "y", 1), pod("a", "x", 1), pod("a", "theirs", 0, other), pod("b", "theirs", 0, other), pod("a", "there", 0, scheduled), pod("z", "old", 0),
	}, Nominations(nil, nil))
	var names []string
	for _, p := range pods {
		names = append(names, p.Namespace+"/"+p.Name)
	}
	if diff := cmp.Diff([]string{"z/old", "a/x", "a/y", "b/x", "b/young"}, names); diff != "" {
		t.Errorf("pods (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{ExcludedScheduler: 2}, excluded); diff != "" {
		t.Errorf("excluded (-want +got):\n%s", diff)
	}
}

func TestNodeOfAPod(t *testing.T) {
	daemonFor := func(key, operator string, values ...string) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			replica(p)
			p.OwnerReferences[0].Kind = "DaemonSet"
			p.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
				NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchFields: []corev1.NodeSelectorRequirement{{Key: key, Operator: corev1.NodeSelectorOperator(operator), Values: values}}}}}}}
		}
	}
	tests := map[string]struct {
		change func(*corev1.Pod)
		want   string
	}{
		"a pod without a node":                     {func(*corev1.Pod) {}, ""},
		"a pod on a node":                          {func(p *corev1.Pod) { p.Spec.NodeName = "n1" }, "n1"},
		"a DaemonSet pod for one node":             {daemonFor("metadata.name", "In", "n1"), "n1"},
		"a DaemonSet pod with another field":       {daemonFor("metadata.namespace", "In", "n1"), ""},
		"a DaemonSet pod for all nodes except one": {daemonFor("metadata.name", "NotIn", "n1"), ""},
		"a DaemonSet pod for two nodes":            {daemonFor("metadata.name", "In", "n1", "n2"), ""},
		"a pod without a controller for one node": {func(p *corev1.Pod) {
			daemonFor("metadata.name", "In", "n1")(p)
			p.OwnerReferences = nil
		}, ""},
		"a DaemonSet pod without affinity": {func(p *corev1.Pod) { replica(p); p.OwnerReferences[0].Kind = "DaemonSet" }, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := NodeOf(podOf("a", "1", test.change)); got != test.want {
				t.Errorf("it is %q, want %q", got, test.want)
			}
		})
	}
}

// Pods that the scheduler has not looked at, or could not look at, may find room. Gated pods ask
// for none yet.
func TestPodsThatTheSchedulerHasNotLookedAt(t *testing.T) {
	tests := map[string]struct {
		change func(*corev1.Pod)
		unseen bool
	}{
		"a new pod":                      {func(p *corev1.Pod) { p.Status.Conditions = nil }, true},
		"a pod after an error":           {func(p *corev1.Pod) { p.Status.Conditions[0].Reason = corev1.PodReasonSchedulerError }, true},
		"a pod that was found too large": {func(*corev1.Pod) {}, false},
		"a gated pod": {func(p *corev1.Pod) {
			p.Status.Conditions, p.Spec.SchedulingGates = nil, []corev1.PodSchedulingGate{{Name: "x"}}
		}, false},
		"a new pod of another scheduler":   {func(p *corev1.Pod) { p.Status.Conditions, p.Spec.SchedulerName = nil, "mine" }, false},
		"a new pod that is expendable":     {func(p *corev1.Pod) { p.Status.Conditions, p.Spec.Priority = nil, new(int32(-11)) }, false},
		"a new pod that has ended":         {func(p *corev1.Pod) { p.Status.Conditions, p.Status.Phase = nil, corev1.PodFailed }, false},
		"a pod whose volume is being made": {func(p *corev1.Pod) { p.Status.Conditions, p.Status.NominatedNodeName = nil, "n" }, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, unseen, _ := Find([]*corev1.Pod{podOf("a", "1", test.change)}, Nominations(map[string]*corev1.Node{"n": {}}, nil))
			if got := len(unseen) == 1; got != test.unseen {
				t.Errorf("it is among the pods that were not looked at: %v, want %v", got, test.unseen)
			}
		})
	}
}

func TestPodsByNode(t *testing.T) {
	on := func(node string) func(*corev1.Pod) { return func(p *corev1.Pod) { p.Spec.NodeName = node } }
	got := map[string]int{}
	for node, pods := range ByNode([]*corev1.Pod{podOf("a", "1", on("n1")), podOf("b", "1", on("n1")), podOf("c", "1", on("n2")), podOf("d", "1")}, NodeOf) {
		got[node] = len(pods)
	}
	if diff := cmp.Diff(map[string]int{"n1": 2, "n2": 1}, got); diff != "" {
		t.Errorf("pods of each node (-want +got):\n%s", diff)
	}
}
