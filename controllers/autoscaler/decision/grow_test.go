package decision_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/k8sm/k8sm/controllers/autoscaler/decision"
	"github.com/k8sm/k8sm/controllers/autoscaler/scheduling"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

func resources(cpu, memory string) corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory), corev1.ResourcePods: resource.MustParse("110"),
	}
}

func makeNode(name, zone, cpu, memory string) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: name, corev1.LabelTopologyZone: zone}},
		Status:     corev1.NodeStatus{Capacity: resources(cpu, memory), Allocatable: resources(cpu, memory)},
	}
}

func makeShape(name, zone, cpu, memory string) decision.Shape {
	return decision.Shape{Size: nodemodel.Size{Shape: name}, Node: makeNode(name, zone, cpu, memory), Room: -1}
}

func makePod(name, cpu string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name), Labels: map[string]string{"app": "x"}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}}}}},
	}
}

func spread(pod *corev1.Pod, key string) *corev1.Pod {
	pod.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
		MaxSkew: 1, TopologyKey: key, WhenUnsatisfiable: corev1.DoNotSchedule,
		LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "x"}}}}
	return pod
}

func apart(pod *corev1.Pod) *corev1.Pod {
	pod.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
		TopologyKey: corev1.LabelHostname, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "x"}}}}}}
	return pod
}

func selecting(pod *corev1.Pod, key, value string) *corev1.Pod {
	pod.Spec.NodeSelector = map[string]string{key: value}
	return pod
}

type outcome struct {
	Launches []string            // pool/shape: pods
	Placed   map[string]string   // node of each pod that needs no launch
	Refused  map[string][]string // pool: reason, of each pod
}

func outcomeOf(plan decision.GrowPlan) outcome {
	var o outcome
	for _, launch := range plan.Launches {
		line := launch.Pool + "/" + launch.Size.Shape + ":"
		for _, pod := range launch.Pods {
			line += " " + pod.Name
		}
		o.Launches = append(o.Launches, line)
	}
	for _, placement := range plan.Placed {
		if o.Placed == nil {
			o.Placed = map[string]string{}
		}
		o.Placed[placement.Pod.Name] = placement.Node
	}
	for _, refused := range plan.Refused {
		if o.Refused == nil {
			o.Refused = map[string][]string{}
		}
		for _, pool := range refused.Pools {
			o.Refused[refused.Pod.Name] = append(o.Refused[refused.Pod.Name], pool.Pool+": "+pool.Reason)
		}
	}
	return o
}

func TestGrow(t *testing.T) {
	four := makeShape("four", "a", "4", "8Gi")
	tests := map[string]struct {
		nodes []*corev1.Node
		pods  []*corev1.Pod
		pools []decision.Pool
		want  outcome
	}{
		"no pending pod creates no node": {
			pools: []decision.Pool{{Name: "p", Shapes: []decision.Shape{four}}},
		},
		"existing nodes are used first": {
			nodes: []*corev1.Node{makeNode("n1", "a", "4", "8Gi")},
			pods:  []*corev1.Pod{makePod("1", "3"), makePod("2", "2")},
			pools: []decision.Pool{{Name: "p", Shapes: []decision.Shape{four}}},
			want:  outcome{Placed: map[string]string{"1": "n1"}, Launches: []string{"p/four: 2"}},
		},
		"a pod with affinity is placed after the pods it has affinity to": {
			pods:  []*corev1.Pod{changed(makePod("1", "3"), near(corev1.LabelHostname), func(p *corev1.Pod) { p.Labels = nil }), makePod("2", "1")},
			pools: []decision.Pool{{Name: "p", Shapes: []decision.Shape{four}}},
			want:  outcome{Launches: []string{"p/four: 2 1"}},
		},
		"pods share a new node": {
			pods:  []*corev1.Pod{makePod("1", "1"), makePod("2", "3"), makePod("3", "2")},
			pools: []decision.Pool{{Name: "p", Shapes: []decision.Shape{four}}},
			want:  outcome{Launches: []string{"p/four: 2 1", "p/four: 3"}},
		},
		"a pod needs as much as its init container requests": {
			pods:  []*corev1.Pod{makePod("1", "2"), replica("2", "100m", preceded("3", nil))},
			pools: []decision.Pool{{Name: "p", Shapes: []decision.Shape{four}}},
			want:  outcome{Launches: []string{"p/four: 2", "p/four: 1"}},
		},
		"the pool of the highest weight grows first, and the next when it is full": {
			pods: []*corev1.Pod{makePod("1", "4"), makePod("2", "4")},
			pools: []decision.Pool{
				{Name: "a", Weight: 1, Shapes: []decision.Shape{four}},
				{Name: "b", Weight: 2, Nodes: 1, Max: 2, Shapes: []decision.Shape{four}},
			},
			want: outcome{Launches: []string{"b/four: 1", "a/four: 2"}},
		},
		"pools of equal weight grow in the order of their names": {
			pods:  []*corev1.Pod{makePod("1", "4")},
			pools: []decision.Pool{{Name: "b", Shapes: []decision.Shape{four}}, {Name: "a", Shapes: []decision.Shape{four}}},
			want:  outcome{Launches: []string{"a/four: 1"}},
		},
		"a pool below its minimum is filled, and its nodes are used": {
			pods:  []*corev1.Pod{makePod("1", "1")},
			pools: []decision.Pool{{Name: "p", Nodes: 1, Min: 3, Shapes: []decision.Shape{four}}},
			want:  outcome{Launches: []string{"p/four: 1", "p/four:"}},
		},
		"a pod larger than any shape is refused with the reason of each pool": {
			pods: []*corev1.Pod{makePod("1", "5")},
			pools: []decision.Pool{
				{Name: "a", Shapes: []decision.Shape{four}},
				{Name: "b", GrowthBlocked: "it is paused", Shapes: []decision.Shape{four}},
			},
			want: outcome{Refused: map[string][]string{"1": {"a: Insufficient cpu", "b: it is paused"}}},
		},
		"the refusal names limits, maxReplicas and missing capacity": {
			pods: []*corev1.Pod{makePod("1", "1")},
			pools: []decision.Pool{
				{Name: "a", Nodes: 1, Max: 1, Shapes: []decision.Shape{four}},
				{Name: "b", Used: resources("4", "8Gi"), Limits: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("7")}, Shapes: []decision.Shape{four}},
				{Name: "c", Shapes: []decision.Shape{{Size: nodemodel.Size{Shape: "four"}, Node: four.Node, NearestMiss: "needs 4 cpus on one agent; the best free is 2 on agent-17"}}},
			},
			want: outcome{Refused: map[string][]string{"1": {
				"a: it has reached its maxReplicas of 1",
				"b: one more node would exceed its limit of 7 cpu",
				"c: no capacity: needs 4 cpus on one agent; the best free is 2 on agent-17",
			}}},
		},
		"no more nodes are created than Mesos has room for": {
			pods:  []*corev1.Pod{makePod("1", "4"), makePod("2", "4")},
			pools: []decision.Pool{{Name: "p", Shapes: []decision.Shape{{Size: nodemodel.Size{Shape: "four"}, Node: four.Node, Room: 1, NearestMiss: "nothing is free"}}}},
			want:  outcome{Launches: []string{"p/four: 1"}, Refused: map[string][]string{"2": {"p: no capacity: nothing is free"}}},
		},
		"a spread over zones creates a node in each zone": {
			pods: []*corev1.Pod{
				spread(makePod("1", "1"), corev1.LabelTopologyZone),
				spread(makePod("2", "1"), corev1.LabelTopologyZone),
				spread(makePod("3", "1"), corev1.LabelTopologyZone),
			},
			nodes: []*corev1.Node{makeNode("n1", "a", "1", "1Gi"), makeNode("n2", "b", "0", "1Gi"), makeNode("n3", "c", "0", "1Gi")},
			pools: []decision.Pool{{Name: "p", Shapes: []decision.Shape{makeShape("in-a", "a", "4", "8Gi"), makeShape("in-b", "b", "4", "8Gi"), makeShape("in-c", "c", "4", "8Gi")}}},
			want:  outcome{Placed: map[string]string{"1": "n1"}, Launches: []string{"p/in-b: 2", "p/in-c: 3"}},
		},
		"a new node gets the smallest shape that holds its pods": {
			pods: []*corev1.Pod{makePod("1", "1"), makePod("2", "1"), makePod("3", "7")},
			pools: []decision.Pool{{Name: "p", Shapes: []decision.Shape{
				makeShape("two", "a", "2", "8Gi"), makeShape("eight", "a", "8", "8Gi"), makeShape("four", "a", "4", "8Gi")}}},
			want: outcome{Launches: []string{"p/eight: 3 1", "p/two: 2"}},
		},
		"a preferred shape is chosen although more of it stays unused": {
			pods: []*corev1.Pod{makePod("1", "1")},
			pools: []decision.Pool{{Name: "p", Shapes: []decision.Shape{
				makeShape("two", "a", "2", "8Gi"), {Size: nodemodel.Size{Shape: "eight"}, Node: makeNode("eight", "a", "8", "8Gi"), Preference: 1, Room: -1}}}},
			want: outcome{Launches: []string{"p/eight: 1"}},
		},
		"a smaller shape leaves the rest of the limit to other nodes": {
			pods: []*corev1.Pod{apart(makePod("1", "1")), apart(makePod("2", "1"))},
			pools: []decision.Pool{{Name: "p", Limits: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("8")}, Shapes: []decision.Shape{
				makeShape("two", "a", "2", "8Gi"), makeShape("eight", "a", "8", "8Gi")}}},
			want: outcome{Launches: []string{"p/two: 1", "p/two: 2"}},
		},
		"a pod whose node selector matches no pool is refused": {
			pods:  []*corev1.Pod{selecting(makePod("1", "1"), "disk", "ssd")},
			pools: []decision.Pool{{Name: "p", Shapes: []decision.Shape{four}}},
			want:  outcome{Refused: map[string][]string{"1": {"p: node(s) didn't match Pod's node affinity/selector"}}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			cluster, err := scheduling.New()
			if err != nil {
				t.Fatal(err)
			}
			for _, node := range test.nodes {
				cluster.AddNode(node)
			}
			in := decision.GrowInput{Cluster: cluster, Pods: test.pods, Pools: test.pools}
			if diff := cmp.Diff(test.want, outcomeOf(decision.Grow(in))); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.want, outcomeOf(decision.Grow(in))); diff != "" {
				t.Errorf("plan decided again: the cluster was changed (-want +got):\n%s", diff)
			}
		})
	}
}
