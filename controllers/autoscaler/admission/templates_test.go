package admission_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/k8sm/k8sm/controllers/autoscaler/admission"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func ownedBy(kind, uid string, spec *corev1.PodSpec) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "p", UID: "p", OwnerReferences: []metav1.OwnerReference{
			{APIVersion: "apps/v1", Kind: kind, Name: uid, UID: types.UID(uid), Controller: new(true)}}},
		Spec: *spec,
	}
}

func TestSuccessorOfAPod(t *testing.T) {
	known := admission.Templates{
		"stated": {Spec: podOf(container("main", "3500m", ""))},
		"limit":  {Spec: podOf(container("main", "", "2"))},
		"bare":   {Spec: podOf(container("main", "", ""))},
		"more":   {Spec: podOf(container("main", "1", ""), container("removed", "1", ""))},
		"none":   {},
	}
	defaults := admission.NewDefaults([]*corev1.LimitRange{limitRange("a", defaultRequest(corev1.LimitTypeContainer, "1"))}, nil)
	tests := map[string]struct {
		owner string
		spec  *corev1.PodSpec
		want  map[string]string
		same  bool
	}{
		"one that was resized down":             {"stated", podOf(container("main", "500m", "")), map[string]string{"main": "3500m"}, false},
		"one that was resized up":               {"stated", podOf(container("main", "3800m", "")), map[string]string{"main": "3800m"}, true},
		"one as its template":                   {"stated", podOf(container("main", "3500m", "")), map[string]string{"main": "3500m"}, true},
		"a template with limits":                {"limit", podOf(container("main", "500m", "")), map[string]string{"main": "2"}, false},
		"a template that a LimitRange fills":    {"bare", podOf(container("main", "500m", "")), map[string]string{"main": "1"}, false},
		"one with a container that was added":   {"stated", podOf(container("main", "500m", ""), container("proxy", "100m", "")), map[string]string{"main": "3500m", "proxy": "100m"}, false},
		"one that lacks a template's container": {"more", podOf(container("main", "1", "")), map[string]string{"main": "1"}, true},
		"an owner that was not read":            {"unread", podOf(container("main", "500m", "")), map[string]string{"main": "500m"}, true},
		"an owner without a template":           {"none", podOf(container("main", "500m", "")), map[string]string{"main": "500m"}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			pod := ownedBy("ReplicaSet", test.owner, test.spec)
			before := pod.DeepCopy()
			got := known.Successor(pod, defaults)
			if diff := cmp.Diff(test.want, cpus(&got.Spec)); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			if got.UID != pod.UID || (got == pod) != test.same {
				t.Errorf("it is the pod itself: %v, want %v", got == pod, test.same)
			}
			if diff := cmp.Diff(before, pod); diff != "" {
				t.Errorf("the pod has changed:\n%s", diff)
			}
		})
	}
}

func TestTemplatesAreReadAgainAfterAWhile(t *testing.T) {
	known := admission.Templates{"old": {ReadAt: noon.Add(-6 * time.Minute)}, "new": {ReadAt: noon.Add(-4 * time.Minute)}}
	known.Forget(noon)
	if _, old := known["old"]; old || len(known) != 1 {
		t.Errorf("known are %v, want the new one alone", known)
	}
}

func TestDaemonSetsRequestWhatTheirPodsDo(t *testing.T) {
	set := appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "d", UID: "d"}}
	set.Spec.Template.Spec = *podOf(container("main", "100m", ""))
	pod := func(owner, cpu string, age time.Duration) *corev1.Pod {
		p := ownedBy("DaemonSet", owner, podOf(container("main", cpu, "")))
		p.CreationTimestamp = metav1.NewTime(noon.Add(-age))
		return p
	}
	tests := map[string]struct {
		pods []*corev1.Pod
		want string
	}{
		"no pod":                    {nil, "100m"},
		"a pod that was given more": {[]*corev1.Pod{pod("d", "1", time.Hour)}, "1"},
		"a pod that has less":       {[]*corev1.Pod{pod("d", "50m", time.Hour)}, "100m"},
		"the youngest of two":       {[]*corev1.Pod{pod("d", "200m", time.Minute), pod("d", "1", time.Hour)}, "200m"},
		"a pod of another set":      {[]*corev1.Pod{pod("other", "1", time.Hour)}, "100m"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			sets := []appsv1.DaemonSet{*set.DeepCopy()}
			got := admission.DaemonSets(sets, test.pods, admission.Defaults{})
			if diff := cmp.Diff(map[string]string{"main": test.want}, cpus(&got[0].Spec.Template.Spec)); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(set, sets[0]); diff != "" {
				t.Errorf("the DaemonSet itself has changed:\n%s", diff)
			}
		})
	}
	if got := admission.DaemonSets(nil, nil, admission.Defaults{}); len(got) != 0 {
		t.Errorf("without DaemonSets there are %d", len(got))
	}
}
