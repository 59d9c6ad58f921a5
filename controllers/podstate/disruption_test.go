package podstate_test

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/controllers/podstate"
)

func TestPodsThatMustNotBeDisrupted(t *testing.T) {
	const ours, karpenter, clusterAutoscaler = "k8sm.io/do-not-disrupt", "karpenter.sh/do-not-disrupt", "cluster-autoscaler.kubernetes.io/safe-to-evict"
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	started := noon.Add(-10 * time.Minute)
	for name, test := range map[string]struct {
		annotations map[string]string
		unstarted   bool
		protected   string // the annotation that is named; empty if the pod may be disrupted
		until       time.Time
	}{
		"a pod without annotations":                   {},
		"ours":                                        {annotations: map[string]string{ours: "true"}, protected: ours},
		"Karpenter's":                                 {annotations: map[string]string{karpenter: "true"}, protected: karpenter},
		"Cluster Autoscaler's":                        {annotations: map[string]string{clusterAutoscaler: "false"}, protected: clusterAutoscaler},
		"safe to evict":                               {annotations: map[string]string{clusterAutoscaler: "true"}},
		"ours with another value":                     {annotations: map[string]string{ours: "yes"}},
		"false":                                       {annotations: map[string]string{ours: "false", karpenter: "false"}},
		"a duration that is not over":                 {annotations: map[string]string{karpenter: "15m"}, protected: karpenter, until: started.Add(15 * time.Minute)},
		"a duration of ours":                          {annotations: map[string]string{ours: "15m"}, protected: ours, until: started.Add(15 * time.Minute)},
		"a duration that is over":                     {annotations: map[string]string{karpenter: "10m"}},
		"a negative duration":                         {annotations: map[string]string{karpenter: "-1h"}},
		"a number without a unit":                     {annotations: map[string]string{karpenter: "3600"}},
		"a duration of a pod that has not started":    {annotations: map[string]string{karpenter: "1m"}, unstarted: true, protected: karpenter},
		"of two durations the longer":                 {annotations: map[string]string{ours: "1h", karpenter: "15m"}, protected: ours, until: started.Add(time.Hour)},
		"a duration that is over and one that is not": {annotations: map[string]string{ours: "1m", karpenter: "15m"}, protected: karpenter, until: started.Add(15 * time.Minute)},
		"true beside a duration":                      {annotations: map[string]string{ours: "1h", karpenter: "true"}, protected: karpenter},
		"not safe to evict beside a duration that ends soon": {annotations: map[string]string{ours: "11m", clusterAutoscaler: "false"}, protected: clusterAutoscaler},
	} {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Annotations: test.annotations}}
			if !test.unstarted {
				pod.Status.StartTime = &metav1.Time{Time: started}
			}
			reason, until := podstate.DoNotDisrupt(pod, noon)
			if (reason == "") != (test.protected == "") || !strings.Contains(reason, test.protected) || !until.Equal(test.until) {
				t.Errorf("got %q until %s, want %q until %s", reason, until, test.protected, test.until)
			}
			for key := range test.annotations {
				if !strings.Contains(strings.Join(podstate.DisruptionAnnotations, " "), key) {
					t.Errorf("a cache may drop %s", key)
				}
			}
		})
	}
}
