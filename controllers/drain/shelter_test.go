package drain

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

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

func TestPodsThatKeepTheirNodeWhenOnlyThriftAsks(t *testing.T) {
	replica := owned("apps/v1", "ReplicaSet")
	scratch := volume("scratch", corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}})
	for name, test := range map[string]struct {
		pod   *corev1.Pod
		want  Verdict
		given string // part of the reason
	}{
		"a pod of a Deployment goes":                {pod: pod("p", replica), want: Evict},
		"a pod that must not be disrupted stays":    {pod: pod("p", replica, annotated("k8sm.io/do-not-disrupt", "true")), want: Keep, given: "k8sm.io/do-not-disrupt=true"},
		"to say that it may be means nothing":       {pod: pod("p", replica, annotated("k8sm.io/do-not-disrupt", "false")), want: Evict},
		"a pod that is not safe to evict stays":     {pod: pod("p", replica, annotated(safeToEvict, "false")), want: Keep, given: "safe-to-evict=false"},
		"a pod that nobody would make again stays":  {pod: pod("p"), want: Keep, given: "no controller"},
		"unless it is said to be safe to evict":     {pod: pod("p", annotated(safeToEvict, "true")), want: Evict},
		"a pod with data on the node stays":         {pod: pod("p", replica, scratch), want: Keep, given: "volume scratch"},
		"unless the pod is said to be safe":         {pod: pod("p", replica, scratch, annotated(safeToEvict, "true")), want: Evict},
		"unless the volume is said to be safe":      {pod: pod("p", replica, scratch, annotated(safeToEvictVolumes, "a,scratch")), want: Evict},
		"another volume that is safe does not help": {pod: pod("p", replica, scratch, annotated(safeToEvictVolumes, "a")), want: Keep},
		"a path of the host is data on the node": {
			pod: pod("p", replica, volume("host", corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/data"}})), want: Keep, given: "volume host"},
		"what is in memory is no data": {
			pod: pod("p", replica, volume("shm", corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}})), want: Evict},
		"what a DaemonSet has on the node goes with it": {pod: pod("p", owned("apps/v1", "DaemonSet"), scratch), want: Ignore},
		"a pod that has ended keeps nothing":            {pod: pod("p", phase(corev1.PodSucceeded)), want: Ignore},
	} {
		t.Run(name, func(t *testing.T) {
			got := Decide(test.pod, Circumstances{Now: noon, Optional: true})
			if got.Verdict != test.want || !strings.Contains(got.Reason, test.given) {
				t.Errorf("got %s (%s), want %s (%s)", got.Verdict, got.Reason, test.want, test.given)
			}
			if got := Decide(test.pod, Circumstances{Now: noon}); got.Verdict == Keep {
				t.Errorf("a drain that must be heeds it: %s", got.Reason)
			}
		})
	}
}
