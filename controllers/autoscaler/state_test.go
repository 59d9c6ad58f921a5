package autoscaler

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/controllers/autoscaler/pending"
)

func TestBatch(t *testing.T) {
	at := func(ms int) time.Time { return noon.Add(time.Duration(ms) * time.Millisecond) }
	tests := map[string]struct {
		came []int
		now  int
		wait time.Duration
	}{
		"no change waits for nothing":                                {nil, 0, 0},
		"a change waits for the batch duration":                      {[]int{0}, 0, 100 * time.Millisecond},
		"a change without followers is due after the batch duration": {[]int{0}, 100, 0},
		"a later change extends the batch":                           {[]int{0, 90}, 100, 90 * time.Millisecond},
		"the maximum duration limits a batch":                        {[]int{0, 90, 180, 270, 360, 450, 490}, 495, 5 * time.Millisecond},
		"a batch of the maximum duration is due":                     {[]int{0, 90, 180, 270, 360, 450, 499}, 500, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := &batch{}
			for _, ms := range test.came {
				b.add(at(ms))
			}
			if got := b.closeWhenDue(at(test.now), 100*time.Millisecond, 500*time.Millisecond); got != test.wait {
				t.Errorf("it waits %s, want %s", got, test.wait)
			}
		})
	}
}

func TestExpiredBatchStartsAgain(t *testing.T) {
	b := &batch{}
	b.add(noon)
	if b.closeWhenDue(noon.Add(time.Second), time.Second, time.Minute) != 0 {
		t.Fatal("it is not over")
	}
	b.add(noon.Add(time.Hour))
	if got := b.closeWhenDue(noon.Add(time.Hour), time.Second, time.Minute); got != time.Second {
		t.Errorf("the next one waits %s", got)
	}
}

// The pods of a deleted node are removed from the simulation, and return with a new node of the name.
func TestSimulatedClusterFollowsARecreatedNode(t *testing.T) {
	m, err := newClusterCache()
	if err != nil {
		t.Fatal(err)
	}
	object := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}}
	pods := []*corev1.Pod{{ObjectMeta: metav1.ObjectMeta{Name: "web", UID: "web"}, Spec: corev1.PodSpec{NodeName: "n1"}}}
	there := map[string]*corev1.Node{"n1": object}
	for i, views := range []map[string]*corev1.Node{there, {}, there, {}} {
		if err := m.Sync(clusterView{nodes: views, pods: pods, nodeOf: pending.NodeOf}); err != nil {
			t.Fatal(err)
		}
		if len(m.nodes) != len(views) || len(m.pods) != len(views) {
			t.Errorf("look %d: %d nodes and %d pods, want %d of each", i, len(m.nodes), len(m.pods), len(views))
		}
		if fits, why := m.cluster.Fits(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "probe", UID: "probe"}}, "n1"); len(views) == 0 && why != "there is no such node" {
			t.Errorf("look %d: the node still answers %v, %q", i, fits, why)
		}
	}
}

// A pod that is resized to less keeps what it had until its kubelet has applied the resize.
func TestSimulatedClusterFollowsAResizedPod(t *testing.T) {
	m, err := newClusterCache()
	if err != nil {
		t.Fatal(err)
	}
	views := map[string]*corev1.Node{"n1": {
		ObjectMeta: metav1.ObjectMeta{Name: "n1"},
		Status:     corev1.NodeStatus{Allocatable: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("4"), corev1.ResourcePods: resource.MustParse("110")}},
	}}
	pod := newPod("web", "1", func(p *corev1.Pod) { p.Spec.NodeName, p.Status = "n1", corev1.PodStatus{} })
	shrinks := pod.DeepCopy()
	has := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("3")}
	shrinks.Status = corev1.PodStatus{
		Conditions:        []corev1.PodCondition{{Type: corev1.PodResizeInProgress, Status: corev1.ConditionTrue}},
		ContainerStatuses: []corev1.ContainerStatus{{Name: "main", AllocatedResources: has, Resources: &corev1.ResourceRequirements{Requests: has}}},
	}
	for i, now := range []*corev1.Pod{pod, shrinks, pod} {
		if err := m.Sync(clusterView{nodes: views, pods: []*corev1.Pod{now}, nodeOf: pending.NodeOf}); err != nil {
			t.Fatal(err)
		}
		if fits, why := m.cluster.Fits(newPod("probe", "2"), "n1"); fits == (now == shrinks) {
			t.Errorf("look %d: another fits: %v, %s", i, fits, why)
		}
	}
}
