package decision

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/controllers/podstate"
)

// podWith returns a pod with the changes applied.
func podWith(change ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "p"}, Spec: corev1.PodSpec{NodeName: "a"}}
	for _, c := range change {
		c(p)
	}
	return p
}

func ofReplicaSet(p *corev1.Pod) {
	p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "owner", UID: "owner", Controller: new(true)}}
}

func annotated(key, value string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		if p.Annotations == nil {
			p.Annotations = map[string]string{}
		}
		p.Annotations[key] = value
	}
}

func volume(name string, source corev1.VolumeSource) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: name, VolumeSource: source})
	}
}

func TestPodsThatPreventDisruption(t *testing.T) {
	scratch := volume("scratch", corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}})
	for name, test := range map[string]struct {
		pod  *corev1.Pod
		want string // part of the reason; empty when the pod may be evicted
	}{
		"a pod of a Deployment can be evicted":                              {pod: podWith(ofReplicaSet)},
		"a pod annotated do-not-disrupt prevents it":                        {pod: podWith(ofReplicaSet, annotated("k8sm.io/do-not-disrupt", "true")), want: "k8sm.io/do-not-disrupt=true"},
		"a pod annotated do-not-disrupt=false can be evicted":               {pod: podWith(ofReplicaSet, annotated("k8sm.io/do-not-disrupt", "false"))},
		"a pod annotated safe-to-evict=false prevents it":                   {pod: podWith(ofReplicaSet, annotated(podstate.AnnotationSafeToEvict, "false")), want: "safe-to-evict=false"},
		"a pod without a controller prevents it":                            {pod: podWith(), want: "no controller"},
		"a pod without a controller annotated safe-to-evict can be evicted": {pod: podWith(annotated(podstate.AnnotationSafeToEvict, "true"))},
		"a pod with an emptyDir prevents it":                                {pod: podWith(ofReplicaSet, scratch), want: "volume scratch"},
		"a pod with an emptyDir annotated safe-to-evict can be evicted":     {pod: podWith(ofReplicaSet, scratch, annotated(podstate.AnnotationSafeToEvict, "true"))},
		"a pod whose emptyDir is annotated as safe can be evicted":          {pod: podWith(ofReplicaSet, scratch, annotated(safeToEvictVolumes, "a,scratch"))},
		"a pod with another volume annotated as safe prevents it":           {pod: podWith(ofReplicaSet, scratch, annotated(safeToEvictVolumes, "a")), want: "volume scratch"},
		"do-not-disrupt has precedence over safe-to-evict": {
			pod: podWith(ofReplicaSet, annotated(podstate.AnnotationSafeToEvict, "true"), annotated("k8sm.io/do-not-disrupt", "true")), want: "k8sm.io/do-not-disrupt=true"},
		"a pod with a hostPath prevents it": {
			pod: podWith(ofReplicaSet, volume("host", corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/data"}})), want: "volume host"},
		"a pod with an emptyDir in memory can be evicted": {
			pod: podWith(ofReplicaSet, volume("shm", corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}}))},
	} {
		t.Run(name, func(t *testing.T) {
			got := notDisruptable(test.pod, noon)
			if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("the reason is %q, want one with %q", got, test.want)
			}
		})
	}
}
