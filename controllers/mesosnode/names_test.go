package mesosnode

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

const day = 24 * time.Hour

// withCertificate gives a task a certificate that was requested at noon.
func withCertificate(lifetime time.Duration) func(*v1alpha1.MesosTask) {
	return func(task *v1alpha1.MesosTask) {
		task.CertificateRequest = "csr-1"
		task.Certificate = &v1alpha1.TaskCertificate{
			Request: "csr-1", CredentialID: "X509SHA256=00", RequestTime: metav1.NewTime(noon), ExpirationTime: metav1.NewTime(noon.Add(lifetime)),
		}
	}
}

func TestNamesAreRecordedWhileACertificateMayBeValid(t *testing.T) {
	tests := map[string]struct {
		identity      func(*v1alpha1.MesosTask)
		live, removed time.Time
	}{
		"a node that never asked for a certificate": {identity: func(*v1alpha1.MesosTask) {}},
		"a node whose certificate is not on record": {
			identity: func(task *v1alpha1.MesosTask) { task.CertificateRequest = "csr-1" },
			live:     noon.Add(assumedLifetime), removed: noon.Add(day).Add(assumedLifetime),
		},
		"a node with a certificate, which it may have renewed a moment ago": {
			identity: withCertificate(14 * day), live: noon.Add(14 * day), removed: noon.Add(15 * day),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newFixture(t)
			s.reconcile()
			s.setTaskState(scheduler.TaskStarting, test.identity)
			if got := s.names.live[nodeName]; !got.Equal(test.live) {
				t.Errorf("live until %s, want %s", got, test.live)
			}
			s.deleteNode()
			if len(s.names.removed) > 0 {
				t.Errorf("removed while the task may run: %v", s.names.removed)
			}
			s.now = s.now.Add(day)
			s.setTaskState(scheduler.TaskKilled)
			s.expectReleased()
			if got := s.names.removed[nodeName]; !got.Equal(test.removed) {
				t.Errorf("removed until %s, want %s", got, test.removed)
			}
		})
	}
}

func TestNoReleaseBeforeTheNameIsRecorded(t *testing.T) {
	s := newFixture(t)
	s.reconcile()
	s.setTaskState(scheduler.TaskStarting, withCertificate(day))
	s.deleteNode()
	node := s.mesosNode()
	node.Status.Task.State = string(scheduler.TaskKilled)
	if err := s.client.Status().Update(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	s.names.err = errBroken
	if _, err := s.tryReconcile(); err == nil {
		t.Error("the failure was swallowed")
	}
	if s.mesosNode() == nil {
		t.Fatal("the node was released without a record of its name")
	}
	s.names.err = nil
	s.reconcile()
	s.expectReleased()
}

func TestRetiredNameIsNotLaunched(t *testing.T) {
	t.Run("the node of a person waits", func(t *testing.T) {
		s := newFixture(t)
		s.names.removed[nodeName] = noon.Add(day)
		s.reconcile()
		s.expectDemands()
		s.expectCondition(v1alpha1.ConditionLaunched, metav1.ConditionFalse, v1alpha1.ReasonNameRetired)
		if s.last.RequeueAfter != day {
			t.Errorf("looks again after %s, want %s", s.last.RequeueAfter, day)
		}
		s.reconcileAfter(day)
		s.expectDemands(firstID)
	})
	t.Run("the node of a pool is replaced", func(t *testing.T) {
		s := newFixture(t)
		s.names.removed[nodeName] = noon.Add(day)
		s.update(func(n *v1alpha1.MesosNode) {
			n.OwnerReferences = []metav1.OwnerReference{{APIVersion: "k8sm.io/v1alpha1", Kind: "MesosNodePool", Name: "general", UID: "1", Controller: new(true)}}
		})
		s.expectDemands()
		s.reconcile()
		s.expectReleased()
		if diff := cmp.Diff(map[string]time.Time{nodeName: noon.Add(day)}, s.names.removed); diff != "" {
			t.Errorf("removed names (-want +got):\n%s", diff)
		}
	})
}

func TestTheLifetimeOfCertificatesIsReported(t *testing.T) {
	tests := map[string]struct {
		lifetime time.Duration
		status   metav1.ConditionStatus
		reason   string
		says     string
	}{
		"two weeks": {14 * day, metav1.ConditionTrue, v1alpha1.ReasonShortLived, "14 days."},
		"an hour":   {time.Hour, metav1.ConditionTrue, v1alpha1.ReasonShortLived, "1h0m0s."},
		"a year":    {365 * day, metav1.ConditionFalse, v1alpha1.ReasonLongLived, "--cluster-signing-duration"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newFixture(t)
			s.reconcile()
			s.setTaskState(scheduler.TaskRunning, withCertificate(test.lifetime))
			s.expectCondition(v1alpha1.ConditionCertificateShortLived, test.status, test.reason)
			s.expectMessage(v1alpha1.ConditionCertificateShortLived, test.says)
		})
	}
}
