package podstate_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/controllers/podstate"
)

func TestPodHasEnded(t *testing.T) {
	for phase, want := range map[corev1.PodPhase]bool{
		"":                  false, // nobody has looked at it yet
		corev1.PodPending:   false,
		corev1.PodRunning:   false,
		corev1.PodUnknown:   false,
		corev1.PodSucceeded: true,
		corev1.PodFailed:    true,
	} {
		pod := &corev1.Pod{Status: corev1.PodStatus{Phase: phase}}
		if got := podstate.HasEnded(pod); got != want {
			t.Errorf("in phase %q: %t, want %t", phase, got, want)
		}
	}
	deleted := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: &metav1.Time{}}}
	if podstate.HasEnded(deleted) {
		t.Error("a pod that is being deleted takes its resources until its containers have ended")
	}
}

func TestPodsOfDaemonSets(t *testing.T) {
	owner := func(apiVersion, kind string, controller bool) []metav1.OwnerReference {
		return []metav1.OwnerReference{{APIVersion: apiVersion, Kind: kind, Name: "owner", Controller: &controller}}
	}
	for name, test := range map[string]struct {
		owners []metav1.OwnerReference
		want   bool
	}{
		"a pod of a DaemonSet":                                 {owner("apps/v1", "DaemonSet", true), true},
		"a DaemonSet of a later API version":                   {owner("apps/v2", "DaemonSet", true), true},
		"a DaemonSet of another API group":                     {owner("apps.kruise.io/v1alpha1", "DaemonSet", true), false},
		"an API group that begins with apps":                   {owner("apps-extra/v1", "DaemonSet", true), false},
		"a DaemonSet without a group":                          {owner("v1", "DaemonSet", true), false},
		"a malformed API version":                              {owner("apps/v1/x", "DaemonSet", true), false},
		"a pod of a ReplicaSet":                                {owner("apps/v1", "ReplicaSet", true), false},
		"a DaemonSet that owns the pod without controlling it": {owner("apps/v1", "DaemonSet", false), false},
		"a pod without owner":                                  {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{OwnerReferences: test.owners}}
			if got := podstate.IsDaemon(pod); got != test.want {
				t.Errorf("IsDaemon is %t, want %t", got, test.want)
			}
		})
	}
}

func TestStaticPods(t *testing.T) {
	pod := &corev1.Pod{}
	if podstate.IsStatic(pod) {
		t.Error("a pod without annotations is static")
	}
	pod.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: ""}
	if !podstate.IsStatic(pod) {
		t.Error("the mirror of a static pod is not recognized: the annotation counts, not its value")
	}
}
