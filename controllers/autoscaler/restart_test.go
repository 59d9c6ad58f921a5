package autoscaler

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/autoscaler/backoff"
)

// A new process continues where the last one ended, as far as the status records it.

func TestBackOffSurvivesARestart(t *testing.T) {
	s := newTestCluster(t, newPool("general"))
	for _, name := range []string{"a", "b", "c"} {
		s.addPendingPod(name, "3")
	}
	s.reconcile()
	s.advance(backoff.StartTimeout)
	s.advance(backoff.FirstDelay)
	s.advance(backoff.StartTimeout)
	s.expectNodes("general", 0)
	until := s.now.Add(2 * backoff.FirstDelay)
	before := s.status("general")
	if before.Failures != 2 || !before.BackOffUntil.Time.Equal(until) {
		t.Fatalf("after two failures the status is %+v", before)
	}

	s.restart()
	s.advance(2*backoff.FirstDelay - time.Second)
	s.expectNodes("general", 0)
	if status := s.status("general"); !strings.Contains(status.Shortage, "1 of its nodes did not become ready") || !status.BackOffUntil.Time.Equal(until) {
		t.Errorf("the status is %+v", status)
	}
	s.advance(time.Second)
	s.expectNodes("general", 1) // one at a time
	s.restart()
	s.advance(time.Second)
	s.expectNodes("general", 1)
	s.advance(backoff.StartTimeout)
	s.expectNodes("general", 0)
	if status := s.status("general"); status.Failures != 3 || !status.BackOffUntil.Time.Equal(s.now.Add(4*backoff.FirstDelay)) {
		t.Errorf("after the third failure the status is %+v", status)
	}
	s.advance(4 * backoff.FirstDelay)
	s.restart()
	s.makeReady(s.nodes("general")[0].Name)
	s.advance(time.Second)
	s.expectNodes("general", 3)
	if status := s.status("general"); status.Failures != 0 || status.BackOffUntil != nil {
		t.Errorf("the status is still %+v", status)
	}
}

func TestIdleTimeSurvivesARestart(t *testing.T) {
	s := newTestCluster(t, newPool("general", func(p *v1alpha1.MesosNodePool) {
		p.Spec.Autoscaling.ScaleDown.ConsolidateAfter = &metav1.Duration{Duration: time.Hour}
	}))
	s.fillNodes("general", 2)
	s.deletePod("old-0")
	s.advance(time.Second)
	for range 3 { // each lives for less than an hour
		s.advance(20*time.Minute - time.Second)
		s.expectNodes("general", 2)
		s.restart()
	}
	s.advance(3 * time.Second)
	s.expectNodes("general", 1)
}
