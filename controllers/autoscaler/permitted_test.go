package autoscaler

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/autoscaler/permission"
)

func (s *testCluster) expectPermitted(pool string, status metav1.ConditionStatus, reason, says string) {
	s.t.Helper()
	p := &v1alpha1.MesosNodePool{}
	s.get(pool, p)
	c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionAutoscalingPermitted)
	if c == nil || c.Status != status || c.Reason != reason || !strings.Contains(c.Message, says) || c.ObservedGeneration != p.Generation {
		s.t.Errorf("the condition is %+v, want %s %s with %q", c, status, reason, says)
	}
}

func TestPoolsAreLeftAloneUntilAutoscalingIsPermitted(t *testing.T) {
	s := newTestCluster(t, newPool("general"))
	watches := 0
	s.reconciler.startWatches = func() error { watches++; return nil }
	s.missing = "list pods"
	s.addPendingPod("a", "1")
	s.reconcile()
	s.expectNodes("general", 0)
	s.expectPermitted("general", metav1.ConditionFalse, v1alpha1.ReasonAutoscalingNotPermitted, "may not list pods")
	if watches != 0 {
		t.Error("pods are watched, which is not permitted")
	}
	if result, err := s.reconciler.Reconcile(t.Context(), allPools); err != nil || result.RequeueAfter != permission.RetryInterval {
		t.Errorf("it looks again after %s (error %v), want %s", result.RequeueAfter, err, permission.RetryInterval)
	}

	s.missing = ""
	s.reconcile()
	s.expectNodes("general", 1)
	s.expectPermitted("general", metav1.ConditionTrue, v1alpha1.ReasonAutoscalingPermitted, "may read")
	if watches != 1 {
		t.Errorf("watches were started %d times", watches)
	}
}

// A cache that is not refreshed shows pods that are gone, and hides others.
func TestNothingIsDecidedOnceAutoscalingIsNotPermittedAnyMore(t *testing.T) {
	s := newTestCluster(t, newPool("general"))
	s.addPendingPod("a", "1")
	s.reconcile()
	s.makeReady("general-1")
	s.deletePod("a")
	s.missing = "watch pods"
	s.advance(time.Hour)
	s.expectNodes("general", 1)
	s.expectPermitted("general", metav1.ConditionFalse, v1alpha1.ReasonAutoscalingNotPermitted, "may not watch pods")
}

func TestPoolsWithoutAutoscalingNeedNoPermission(t *testing.T) {
	s := newTestCluster(t, newPool("fixed", func(p *v1alpha1.MesosNodePool) { p.Spec.Autoscaling = nil }))
	s.missing = "list pods"
	s.reconcile()
	p := &v1alpha1.MesosNodePool{}
	s.get("fixed", p)
	if c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionAutoscalingPermitted); c != nil {
		t.Errorf("the pool has the condition %+v", c)
	}
}
