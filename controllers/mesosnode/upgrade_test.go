package mesosnode

import (
	"context"
	"errors"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/nodeapi"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// Digests of kubelets.
var (
	first  = strings.Repeat("1", 64)
	second = strings.Repeat("2", 64)
)

// upgradeTo sets the kubelet that the pool wants, nil for none in particular, and reconciles.
func (s *fixture) upgradeTo(a *v1alpha1.Artifact) {
	s.t.Helper()
	node := s.mesosNode()
	node.Status.KubeletUpgrade = a
	if err := s.client.Status().Update(context.Background(), node); err != nil {
		s.t.Fatal(err)
	}
	s.reconcile()
}

func kubeletArtifact(sha256 string) *v1alpha1.Artifact {
	return &v1alpha1.Artifact{Name: "kubelet", Type: v1alpha1.ArtifactBinary, URI: "https://example.com/" + sha256[:1], SHA256: sha256}
}

// runs is an executor's word about its kubelet.
func runs(sha256 string, upgrade *v1alpha1.TaskKubeletUpgrade) func(*v1alpha1.MesosTask) {
	return func(t *v1alpha1.MesosTask) { t.Kubelet = &v1alpha1.TaskKubelet{SHA256: sha256, Upgrade: upgrade} }
}

// expectUpgradeRequests checks the number of upgrade requests since the last check.
func (s *fixture) expectUpgradeRequests(want int) {
	s.t.Helper()
	if got := len(s.session.messages); got != want {
		s.t.Errorf("the executor got %d messages (%q), want %d", got, s.session.messages, want)
	}
	s.session.messages = nil
}

func TestKubeletIsUpgradedInPlace(t *testing.T) {
	s := newFixture(t).makeReady()
	s.setTaskState(scheduler.TaskRunning, runs(first, nil))
	if meta.FindStatusCondition(s.mesosNode().Status.Conditions, v1alpha1.ConditionKubeletCurrent) != nil {
		t.Error("there is a condition though nothing is upgraded")
	}
	s.upgradeTo(kubeletArtifact(second))
	s.expectCondition(v1alpha1.ConditionKubeletCurrent, metav1.ConditionFalse, v1alpha1.ReasonKubeletUpgrading)
	if !strings.Contains(strings.Join(s.session.messages, ""), second) {
		t.Errorf("the executor got the messages %q", s.session.messages)
	}
	s.expectUpgradeRequests(1)
	if s.last.RequeueAfter != messageInterval {
		t.Errorf("the message is repeated after %s", s.last.RequeueAfter)
	}
	s.reconcileAfter(messageInterval) // the message was lost
	s.expectUpgradeRequests(1)

	s.setTaskState(scheduler.TaskRunning, runs(first, &v1alpha1.TaskKubeletUpgrade{SHA256: second, Message: "fetching 1 of 2 MiB"}))
	s.expectMessage(v1alpha1.ConditionKubeletCurrent, "fetching 1 of 2 MiB")
	if s.last.RequeueAfter != messageRetryInterval {
		t.Errorf("the message is repeated after %s", s.last.RequeueAfter)
	}
	s.expectUpgradeRequests(1)

	s.setTaskState(scheduler.TaskRunning, runs(second, nil))
	s.expectCondition(v1alpha1.ConditionKubeletCurrent, metav1.ConditionTrue, v1alpha1.ReasonKubeletCurrent)
	s.expectEvent(v1alpha1.EventKubeletUpgraded)
	s.expectUpgradeRequests(0)
	if s.last.RequeueAfter != 0 {
		t.Errorf("it is looked at again after %s", s.last.RequeueAfter)
	}
	s.upgradeTo(nil)
	if meta.FindStatusCondition(s.mesosNode().Status.Conditions, v1alpha1.ConditionKubeletCurrent) != nil {
		t.Error("the condition is still there")
	}
}

func TestRefusedUpgradeIsNotRequestedAgain(t *testing.T) {
	s := newFixture(t).makeReady()
	s.setTaskState(scheduler.TaskRunning, runs(first, nil))
	s.upgradeTo(kubeletArtifact(second))
	s.expectUpgradeRequests(1)
	s.setTaskState(scheduler.TaskRunning, runs(first, &v1alpha1.TaskKubeletUpgrade{SHA256: second, Message: "v1.38.0 is not of the minor release of v1.37.2", Refused: true}))
	s.expectCondition(v1alpha1.ConditionKubeletCurrent, metav1.ConditionFalse, v1alpha1.ReasonKubeletRefused)
	s.expectMessage(v1alpha1.ConditionKubeletCurrent, "v1.38.0")
	s.expectEvent(v1alpha1.EventKubeletRefused)
	s.expectCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonNodeReady)
	s.reconcileAfter(messageRetryInterval)
	s.expectUpgradeRequests(0)
	third := strings.Repeat("3", 64)
	s.upgradeTo(kubeletArtifact(third))
	s.expectCondition(v1alpha1.ConditionKubeletCurrent, metav1.ConditionFalse, v1alpha1.ReasonKubeletUpgrading)
	s.expectUpgradeRequests(1)
}

func TestARestartedOperatorResendsUpgradeRequests(t *testing.T) {
	s := newFixture(t).makeReady()
	s.setTaskState(scheduler.TaskRunning, runs(first, nil))
	s.upgradeTo(kubeletArtifact(second))
	s.expectUpgradeRequests(1)
	s.sessions = false // the session has to be begun first
	s.reconcile()
	s.expectUpgradeRequests(0)
	s.sessions = true
	s.expectRequeuedNodes(1)
	s.reconcile()
	s.expectUpgradeRequests(1)
	s.setTaskState(scheduler.TaskRunning, runs(second, nil))
	s.expectRequeuedNodes(0)
}

// expectRequeuedNodes counts the reconciles that a change of the session causes.
func (s *fixture) expectRequeuedNodes(want int) {
	s.t.Helper()
	if got := s.reconciler.requestsFor(context.Background(), newFramework()); len(got) != want {
		s.t.Errorf("a session that begins concerns %v, want %d", got, want)
	}
}

func TestNoUpgradeRequestIsSentWhileTheNodeIsUnreachable(t *testing.T) {
	s := newFixture(t).makeReady()
	s.setTaskState(scheduler.TaskRunning, runs(first, nil))
	s.setTaskState(scheduler.TaskUnreachable)
	s.upgradeTo(kubeletArtifact(second))
	s.expectUpgradeRequests(0)
	s.expectCondition(v1alpha1.ConditionKubeletCurrent, metav1.ConditionFalse, v1alpha1.ReasonKubeletUpgrading)
	s.setTaskState(scheduler.TaskRunning)
	s.expectUpgradeRequests(1)
}

// A rotated secret of the mirror reaches nodes that were launched before.
func TestAnUpgradeRequestHasTheCredentialsOfTheMirror(t *testing.T) {
	s := newFixture(t).makeReady()
	s.setTaskState(scheduler.TaskRunning, runs(first, nil))
	s.mirrorErr = errors.New(`secrets "mirror" not found`)
	s.upgradeTo(kubeletArtifact(second))
	s.expectUpgradeRequests(0)
	s.expectMessage(v1alpha1.ConditionKubeletCurrent, `The executor cannot be asked: secrets "mirror" not found.`)

	s.mirrorErr = nil
	s.mirror = &nodeapi.ServerCredentials{Server: "https://mirror.example", Authorization: "Bearer now"}
	s.reconcileAfter(messageRetryInterval)
	if len(s.session.messages) != 1 {
		t.Fatalf("the executor got the messages %q", s.session.messages)
	}
	request, err := nodeapi.DecodeUpgradeRequest([]byte(s.session.messages[0]))
	if err != nil || request.MirrorCredentials == nil || request.MirrorCredentials.Authorization != "Bearer now" || request.Kubelet.SHA256 != second {
		t.Errorf("the executor got %+v, %v", request, err)
	}
}
