package autoscaler

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/autoscaler/backoff"
	"github.com/k8sm/k8sm/controllers/autoscaler/decision"
	"github.com/k8sm/k8sm/controllers/autoscaler/pending"
)

// The API server refuses notes of more than 1,024 bytes, and JSON cannot hold half a
// character.
func TestLongReasonIsTruncatedBetweenCharacters(t *testing.T) {
	for _, prefix := range []string{"", "a", "ab", "abc"} {
		recorder := events.NewFakeRecorder(1)
		r := &Reconciler{Options: Options{Recorder: recorder}}
		r.recordNotTriggeredEvent(newPod("web", "1"), prefix+strings.Repeat("€", 1000))
		note := <-recorder.Events
		note = note[strings.Index(note, "No node"):]
		if len(note) > 1024 {
			t.Errorf("the note has %d bytes", len(note))
		}
		if !utf8.ValidString(note) || strings.ContainsRune(note, utf8.RuneError) {
			t.Errorf("the note ends in a broken character: %q", note[len(note)-10:])
		}
		if !strings.HasPrefix(note, "No node is created for the pod. "+prefix+"€€") || !strings.HasSuffix(note, "€…") {
			t.Errorf("the note is %q", note)
		}
	}
}

func TestPendingPodsAreCountedByDecision(t *testing.T) {
	a, b := newPod("a", "1"), newPod("b", "1")
	s := &Snapshot{held: []*corev1.Pod{a}, excluded: map[string]int{pending.ExcludedDaemon: 2}}
	growth := decision.GrowPlan{
		Launches: []decision.Launch{{Pods: []*corev1.Pod{a, b}}, {}, {Pods: []*corev1.Pod{a}}},
		Placed:   []decision.Placement{{Pod: a}},
		Refused:  []decision.RefusedPod{{Pod: a}, {Pod: b}},
	}
	want := map[string]int{
		"placed": 1, "helped": 3, "refused": 2, "held": 1,
		pending.ExcludedDaemon: 2, pending.ExcludedExpendable: 0, pending.ExcludedPreempting: 0, pending.ExcludedScheduler: 0,
	}
	if diff := cmp.Diff(want, podCounts(s, growth)); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

// pendingPodsGauge reads the gauge of the pods with this reason.
func pendingPodsGauge(t *testing.T, reason string) float64 {
	t.Helper()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if family.GetName() == "k8sm_autoscaler_pending_pods" && metric.GetLabel()[0].GetValue() == reason {
				return metric.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("there is no gauge for %q", reason)
	return 0
}

// The pods of a node that a smaller one replaces run; they are not unschedulable.
func TestPodsOfAReplacedNodeAreNotCountedAsHelped(t *testing.T) {
	small := v1alpha1.NodeResources{CPU: resource.MustParse("2"), Memory: resource.MustParse("4Gi")}
	s := newTestCluster(t, newPool("general", consolidating, func(p *v1alpha1.MesosNodePool) {
		spec := &p.Spec.Template.Spec
		spec.Shapes = []v1alpha1.NodeShape{{Name: "large", Resources: spec.Resources}, {Name: "small", Resources: small}}
		spec.Resources = v1alpha1.NodeResources{}
	}))
	s.addPendingPod("a", "3", replica)
	s.reconcile()
	s.makeReady("general-1")
	s.bindPod("a", "general-1")
	s.advance(time.Second)
	s.deletePod("a")
	s.addPendingPod("b", "500m", replica)
	s.bindPod("b", "general-1")
	s.advance(2 * time.Second)
	s.advance(2 * time.Second)
	s.expectNodes("general", 2)
	if got := pendingPodsGauge(t, "helped"); got != 0 {
		t.Errorf("%v pods are counted as helped, want none", got)
	}
}

func TestStatusReportsTheDecision(t *testing.T) {
	before := &v1alpha1.AutoscalingDecision{Action: v1alpha1.AutoscalingHold, Cause: "Pod default/a: it is paused.", Time: metav1.NewTime(noon.Add(-time.Hour))}
	failure := backoff.Failure{Count: 2, At: noon, Until: noon.Add(2*time.Minute + 300*time.Millisecond), Reason: "x"}
	inputs := v1alpha1.AutoscalingInputs{PendingPods: 2, Nodes: 1, InFlight: 1}
	now := metav1.NewTime(noon)
	tests := map[string]struct {
		pool    func(*pool)
		decided *v1alpha1.AutoscalingDecision
		wanted  bool
		want    v1alpha1.AutoscalingStatus
	}{
		"nothing": {want: v1alpha1.AutoscalingStatus{LastDecision: before}},
		"growth": {
			decided: &v1alpha1.AutoscalingDecision{Action: v1alpha1.AutoscalingGrow, Nodes: 3, Cause: "3 pods were unschedulable."},
			want:    v1alpha1.AutoscalingStatus{LastDecision: &v1alpha1.AutoscalingDecision{Action: v1alpha1.AutoscalingGrow, Nodes: 3, Cause: "3 pods were unschedulable.", Time: now, Inputs: inputs}},
		},
		"a hold for the same cause as before": {
			decided: &v1alpha1.AutoscalingDecision{Action: v1alpha1.AutoscalingHold, Cause: before.Cause},
			want:    v1alpha1.AutoscalingStatus{LastDecision: before},
		},
		"a hold for another cause": {
			decided: &v1alpha1.AutoscalingDecision{Action: v1alpha1.AutoscalingHold, Cause: "Pod default/b: Insufficient cpu."},
			want:    v1alpha1.AutoscalingStatus{LastDecision: &v1alpha1.AutoscalingDecision{Action: v1alpha1.AutoscalingHold, Cause: "Pod default/b: Insufficient cpu.", Time: now, Inputs: inputs}},
		},
		"a shortage while pods need nodes": {
			pool: func(p *pool) { p.noRoom = "needs 4 cpus on one agent" }, wanted: true,
			want: v1alpha1.AutoscalingStatus{LastDecision: before, Shortage: "needs 4 cpus on one agent"},
		},
		"no shortage while no pod needs a node": {
			pool: func(p *pool) { p.noRoom = "needs 4 cpus on one agent" },
			want: v1alpha1.AutoscalingStatus{LastDecision: before},
		},
		"a back-off, rounded to the second": {
			pool: func(p *pool) { p.failure = failure; p.limitGrowth(noon) },
			want: v1alpha1.AutoscalingStatus{LastDecision: before, Shortage: "backs off: x", Failures: 2, BackOffUntil: new(metav1.NewTime(noon.Add(2 * time.Minute)))},
		},
		"failures that are over": {
			pool: func(p *pool) { p.failure = failure; p.limitGrowth(noon.Add(time.Hour)) },
			want: v1alpha1.AutoscalingStatus{LastDecision: before, Failures: 2, BackOffUntil: new(metav1.NewTime(noon.Add(2 * time.Minute)))},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			object := newPool("general")
			object.Status.Autoscaling = &v1alpha1.AutoscalingStatus{LastDecision: before}
			p := &pool{MesosNodePool: object, alive: []*v1alpha1.MesosNode{mesosNodeOf(object, "n1")}, growthLimit: backoff.Unlimited}
			if test.pool != nil {
				test.pool(p)
			}
			s := &Snapshot{observation: &observation{now: noon}, pending: []*corev1.Pod{newPod("a", "1")}, held: []*corev1.Pod{newPod("b", "1")}}
			if diff := cmp.Diff(test.want, *s.statusOf(p, test.decided, test.wanted)); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFirstRefusalOfAPoolIsItsCause(t *testing.T) {
	growth := decision.GrowPlan{Refused: []decision.RefusedPod{
		{Pod: newPod("a", "1"), Pools: []decision.PoolRefusal{{Pool: "x", Reason: "Insufficient cpu"}}},
		{Pod: newPod("b", "1"), Pools: []decision.PoolRefusal{{Pool: "x", Reason: "it is paused"}, {Pool: "y", Reason: "Insufficient memory"}}},
	}}
	for pool, want := range map[string]string{
		"x": "Pod default/a: Insufficient cpu.", "y": "Pod default/b: Insufficient memory.", "z": "",
	} {
		if got := refusalOf(pool, growth); got != want {
			t.Errorf("pool %s: %q, want %q", pool, got, want)
		}
	}
}

func TestReasonIsNewUntilRecorded(t *testing.T) {
	given := eventDeduper{"a": "Insufficient cpu"}
	for _, test := range []struct {
		pod    types.UID
		reason string
		want   bool
	}{{"a", "Insufficient cpu", false}, {"a", "Insufficient memory", true}, {"b", "Insufficient cpu", true}} {
		if got := given.isNew(test.pod, test.reason); got != test.want {
			t.Errorf("%q for pod %s is new: %t", test.reason, test.pod, got)
		}
	}
}

// A pod that was helped and is refused later for the same reason gets another event.
func TestReasonIsForgottenWhenItNoLongerHolds(t *testing.T) {
	recorder := events.NewFakeRecorder(10)
	r := &Reconciler{Options: Options{Recorder: recorder}, state: &state{events: eventDeduper{}, owners: backoff.Owners{}}}
	refused := decision.GrowPlan{Refused: []decision.RefusedPod{{Pod: newPod("a", "1"), Pools: []decision.PoolRefusal{{Pool: "x", Reason: "full"}}}}}
	for _, growth := range []decision.GrowPlan{refused, refused, {}, refused} {
		r.recordRefusals(&Snapshot{}, growth)
	}
	if got := len(recorder.Events); got != 2 {
		t.Errorf("%d events were recorded, want 2", got)
	}
}
