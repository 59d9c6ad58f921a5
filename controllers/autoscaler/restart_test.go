package autoscaler

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// A process that begins anew goes on where the last one ended, as far as the status tells.

func TestBackOffOutlivesTheProcess(t *testing.T) {
	s := begin(t, newPool("general"))
	for _, name := range []string{"a", "b", "c"} {
		s.waits(name, "3")
	}
	s.look()
	s.after(startPatience)
	s.after(firstBackOff)
	s.after(startPatience)
	s.count("general", 0)
	until := s.now.Add(2 * firstBackOff)
	before := s.status("general")
	if before.Failures != 2 || !before.BackOffUntil.Time.Equal(until) {
		t.Fatalf("after two failures the pool says %+v", before)
	}

	s.restart()
	s.after(2*firstBackOff - time.Second)
	s.count("general", 0)
	if status := s.status("general"); !strings.Contains(status.Shortage, "1 of its nodes did not come up") || !status.BackOffUntil.Time.Equal(until) {
		t.Errorf("the pool says %+v", status)
	}
	s.after(time.Second)
	s.count("general", 1) // one at a time
	s.restart()
	s.after(time.Second)
	s.count("general", 1)
	s.after(startPatience)
	s.count("general", 0)
	if status := s.status("general"); status.Failures != 3 || !status.BackOffUntil.Time.Equal(s.now.Add(4*firstBackOff)) {
		t.Errorf("after the third failure the pool says %+v", status)
	}
	s.after(4 * firstBackOff)
	s.restart()
	s.comesUp(s.nodes("general")[0].Name)
	s.after(time.Second)
	s.count("general", 3)
	if status := s.status("general"); status.Failures != 0 || status.BackOffUntil != nil {
		t.Errorf("the pool still says %+v", status)
	}
}

func TestIdleTimeOutlivesTheProcess(t *testing.T) {
	s := begin(t, newPool("general", func(p *v1alpha1.MesosNodePool) {
		p.Spec.Autoscaling.ScaleDown.ConsolidateAfter = &metav1.Duration{Duration: time.Hour}
	}))
	s.fill("general", 2)
	s.ends("old-0")
	s.after(time.Second)
	for range 3 { // each lives for less than an hour
		s.after(20*time.Minute - time.Second)
		s.count("general", 2)
		s.restart()
	}
	s.after(3 * time.Second)
	s.count("general", 1)
}
