package mesosnode

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/launchretry"
	"github.com/k8sm/k8sm/controllers/nodetemplate"
	"github.com/k8sm/k8sm/controllers/patch"
	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

func TestNodeIsLaunchedAndBecomesReady(t *testing.T) {
	s := newFixture(t)
	s.reconcile()
	s.expectCondition(v1alpha1.ConditionLaunched, metav1.ConditionUnknown, v1alpha1.ReasonWaitingForOffer)
	want := placement.Demand{ID: firstID, Group: "general", Role: "k8sm", MaxPerAgent: 1,
		Resources: placement.Resources{CPUs: 2, MemMiB: 4096, Ports: 2}}
	if diff := cmp.Diff(want, s.session.demands[firstID]); diff != "" {
		t.Errorf("demand (-want +got):\n%s", diff)
	}

	s.setTaskState("")
	s.expectCondition(v1alpha1.ConditionLaunched, metav1.ConditionFalse, v1alpha1.ReasonIntentRecorded)
	s.setTaskState(scheduler.TaskStaging)
	s.expectCondition(v1alpha1.ConditionLaunched, metav1.ConditionFalse, v1alpha1.ReasonTaskStaging)
	s.setTaskState(scheduler.TaskStarting)
	s.expectCondition(v1alpha1.ConditionLaunched, metav1.ConditionTrue, v1alpha1.ReasonTaskStarting)
	s.expectEvent(v1alpha1.EventLaunched)
	s.expectCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonNodeNotFound)

	s.setNodeReady(corev1.ConditionFalse)
	s.expectCondition(v1alpha1.ConditionRegistered, metav1.ConditionTrue, v1alpha1.ReasonNodeRegistered)
	s.expectCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonNodeNotReady)
	s.expectEvent(v1alpha1.EventRegistered)

	s.setTaskState(scheduler.TaskRunning)
	s.setNodeReady(corev1.ConditionTrue)
	s.expectCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonNodeReady)
	s.expectEvent(v1alpha1.EventReady)
	if node := s.mesosNode(); node.Status.ProviderID != "mesos://"+agentID+"/"+firstID || node.Status.NodeName != nodeName {
		t.Errorf("status is %+v", node.Status)
	}
}

func TestReadyNodeMakesNoCalls(t *testing.T) {
	s := newFixture(t).makeReady()
	s.reconcile()
	s.writes = 0
	s.reconcileAfter(time.Hour)
	if s.writes != 0 || s.last != (reconcile.Result{}) {
		t.Errorf("%d writes, and asked to be looked at again: %+v", s.writes, s.last)
	}
}

func TestWaitingNodeReportsTheReason(t *testing.T) {
	for name, test := range map[string]struct {
		given   func(*fixture)
		status  metav1.ConditionStatus
		reason  string
		message string
		wanted  []string
	}{
		"no offer was considered yet": {
			given:  func(*fixture) {},
			status: metav1.ConditionUnknown, reason: v1alpha1.ReasonWaitingForOffer, message: "Waiting for an offer", wanted: []string{firstID},
		},
		"no offer fits": {
			given:  func(s *fixture) { s.session.explanation = "0 of 12 agents fit" },
			status: metav1.ConditionFalse, reason: v1alpha1.ReasonWaitingForOffer, message: "0 of 12 agents fit", wanted: []string{firstID},
		},
		"the framework is not connected": {
			given:  func(s *fixture) { s.session.ready = false },
			status: metav1.ConditionFalse, reason: v1alpha1.ReasonWaitingForFramework, message: "not connected yet", wanted: []string{firstID},
		},
		"the framework has no session": {
			given:  func(s *fixture) { s.sessions = false },
			status: metav1.ConditionFalse, reason: v1alpha1.ReasonWaitingForFramework, message: "not connected yet",
		},
		"the framework does not exist": {
			given: func(s *fixture) {
				s.sessions = false
				if err := s.client.Delete(context.Background(), newFramework()); err != nil {
					s.t.Fatal(err)
				}
			},
			status: metav1.ConditionFalse, reason: v1alpha1.ReasonWaitingForFramework, message: `no MesosFramework "default"`,
		},
		"artifacts are missing": {
			given:  func(s *fixture) { s.runtime.Artifacts = nil },
			status: metav1.ConditionFalse, reason: v1alpha1.ReasonArtifactsMissing, message: "executor, kubelet",
		},
		"the runtime is not in the catalogue": {
			given: func(s *fixture) {
				s.refusal = nodetemplate.Refusal{Reason: v1alpha1.ReasonRuntimeVersionUnknown, Message: "There is v1.36.4."}
			},
			status: metav1.ConditionFalse, reason: v1alpha1.ReasonRuntimeVersionUnknown, message: "There is v1.36.4.",
		},
		"artifacts are not allowed": {
			given: func(s *fixture) {
				s.refusal = nodetemplate.Refusal{Reason: v1alpha1.ReasonArtifactsNotAllowed, Message: "the artifact lies elsewhere."}
			},
			status: metav1.ConditionFalse, reason: v1alpha1.ReasonArtifactsNotAllowed, message: "lies elsewhere",
		},
		"the kubelet configuration is invalid": {
			given: func(s *fixture) {
				node := s.mesosNode()
				node.Spec.Template.Spec.Kubelet.Config = &runtime.RawExtension{Raw: []byte(`{"cgroupRoot": "/"}`)}
				if err := s.client.Update(context.Background(), node); err != nil {
					s.t.Fatal(err)
				}
			},
			status: metav1.ConditionFalse, reason: v1alpha1.ReasonKubeletConfigInvalid, message: "cgroupRoot is not a pool's to set",
		},
		"a Node of its name exists": {
			given: func(s *fixture) {
				if err := s.client.Create(context.Background(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName}}); err != nil {
					s.t.Fatal(err)
				}
			},
			status: metav1.ConditionFalse, reason: v1alpha1.ReasonNodeForeign, message: "left alone",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFixture(t)
			test.given(s)
			s.reconcile()
			s.reconcileAfter(explainAfter)
			s.reconcileAfter(time.Second)
			s.expectCondition(v1alpha1.ConditionLaunched, test.status, test.reason)
			s.expectMessage(v1alpha1.ConditionLaunched, test.message)
			s.expectCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, test.reason)
			s.expectDemands(test.wanted...)
		})
	}
}

func TestADemandIsAddedToASessionThatBeginsLater(t *testing.T) {
	s := newFixture(t)
	s.sessions = false
	s.reconcile()
	s.expectDemands()
	requests := s.reconciler.requestsFor(context.Background(), newFramework())
	if len(requests) != 1 {
		t.Fatalf("the session's news concern %v, want the node that waits", requests)
	}
	s.sessions = true
	s.reconcile()
	s.expectDemands(firstID)
}

func TestADemandIsWithdrawnWhileTheRuntimeIsRefused(t *testing.T) {
	s := newFixture(t)
	s.reconcile()
	s.expectDemands(firstID)
	s.refusal = nodetemplate.Refusal{Reason: v1alpha1.ReasonKubeletVersionSkew, Message: "The kubelet is too new."}
	s.reconcile()
	s.expectDemands()
	s.expectCondition(v1alpha1.ConditionLaunched, metav1.ConditionFalse, v1alpha1.ReasonKubeletVersionSkew)
	if s.last.RequeueAfter == 0 || s.last.RequeueAfter > skewPollInterval {
		t.Errorf("it is reconciled again after %s: the API server may be upgraded", s.last.RequeueAfter)
	}
	s.refusal = nodetemplate.Refusal{}
	s.reconcile()
	s.expectDemands(firstID)
}

func TestNothingIsLaunchedWhileTheRuntimeIsNotKnown(t *testing.T) {
	s := newFixture(t)
	s.resolveErr = errors.New("the API server does not answer")
	if _, err := s.tryReconcile(); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("got %v", err)
	}
	s.expectDemands()
}

func TestAChangeOfTheRuntimesReconcilesNodesWithoutTask(t *testing.T) {
	s := newFixture(t)
	if requests := s.reconciler.notLaunched(context.Background(), nil); len(requests) != 1 {
		t.Errorf("it concerns %v, want the node that waits", requests)
	}
	if requests := newFixture(t).makeReady().reconciler.notLaunched(context.Background(), nil); len(requests) != 0 {
		t.Errorf("it concerns %v, want none", requests)
	}
}

func TestASessionChangeReconcilesNoNodeThatIsUp(t *testing.T) {
	s := newFixture(t).makeReady()
	if requests := s.reconciler.requestsFor(context.Background(), newFramework()); len(requests) != 0 {
		t.Errorf("the session's news concern %v, want none", requests)
	}
}

func TestFailedAttemptIsRetried(t *testing.T) {
	because := func(reason, message string) func(*v1alpha1.MesosTask) {
		return func(task *v1alpha1.MesosTask) { task.Reason, task.Message = reason, message }
	}
	for name, test := range map[string]struct {
		state  scheduler.TaskState
		why    func(*v1alpha1.MesosTask)
		wait   time.Duration // until the next attempt
		reason string        // meanwhile
		avoid  []string
	}{
		"a dropped task is retried at once, on any agent":                               {state: scheduler.TaskDropped, why: because(scheduler.ReasonInvalidOffers, "")},
		"an agent whose address is refused is left out":                                 {state: scheduler.TaskDropped, why: because(scheduler.ReasonAddressRefused, "a Service's"), avoid: []string{agentID}},
		"a failed task is retried at once, on another agent":                            {state: scheduler.TaskFailed, why: because("REASON_CONTAINER_LAUNCH_FAILED", "no disk"), avoid: []string{agentID}},
		"a killed task is retried at once, on another agent":                            {state: scheduler.TaskKilled, why: because("", ""), avoid: []string{agentID}},
		"a gone task is retried at once, on another agent":                              {state: scheduler.TaskGone, why: because("", ""), avoid: []string{agentID}},
		"a finished task is retried at once, on another agent":                          {state: scheduler.TaskFinished, why: because("", ""), avoid: []string{agentID}},
		"a task that Mesos rejected is retried after the longest back-off":              {state: scheduler.TaskError, why: because("REASON_TASK_INVALID", "bad"), wait: launchretry.MaxBackoff, reason: v1alpha1.ReasonTaskRejected},
		"a task whose launch was malformed is retried after the longest back-off":       {state: scheduler.TaskDropped, why: because(scheduler.ReasonCallRefused, "bad"), wait: launchretry.MaxBackoff, reason: v1alpha1.ReasonTaskRejected},
		"a task that could not be prepared is retried after the back-off, on any agent": {state: scheduler.TaskDropped, why: because(scheduler.ReasonPrepareFailed, "no token"), wait: launchretry.AgentBackoff, reason: v1alpha1.ReasonBackingOff},
		"a pre-empted task is retried at once, on any agent":                            {state: scheduler.TaskGone, why: because("REASON_CONTAINER_PREEMPTED", "")},
		"a task dropped by a draining agent is retried at once, on any agent":           {state: scheduler.TaskDropped, why: because("REASON_AGENT_DRAINING", "")},
		"a task killed by a draining agent is retried at once, on any agent":            {state: scheduler.TaskKilled, why: because("REASON_AGENT_DRAINING", "")},
		"a task removed with its framework is retried at once, on any agent":            {state: scheduler.TaskGone, why: because(scheduler.ReasonFrameworkRemoved, "")},
		"a task marked gone by an operator is retried at once, on another agent":        {state: scheduler.TaskGoneByOperator, why: because("", ""), avoid: []string{agentID}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFixture(t)
			s.reconcile()
			s.session.WithdrawDemand(firstID) // the session launched it
			s.setTaskState(test.state, test.why)
			s.expectEvent(v1alpha1.EventLaunchFailed)
			if test.wait > 0 {
				s.expectCondition(v1alpha1.ConditionLaunched, metav1.ConditionFalse, test.reason)
				s.expectDemands()
				if s.last.RequeueAfter != test.wait {
					t.Errorf("looks again after %s, want %s", s.last.RequeueAfter, test.wait)
				}
				s.reconcileAfter(test.wait)
				if len(s.recorder.Events) > 0 {
					t.Errorf("a second event was recorded: %q", <-s.recorder.Events)
				}
			}
			s.expectDemands("general-x7k2p.0f1e2d3c.2")
			if diff := cmp.Diff(test.avoid, s.session.demands["general-x7k2p.0f1e2d3c.2"].Avoid); diff != "" {
				t.Errorf("avoided agents (-want +got):\n%s", diff)
			}
			if len(test.avoid) > 0 {
				s.expectMessage(v1alpha1.ConditionLaunched, "Waiting for an offer that fits. The task on agent agent-3.example ended ("+string(test.state))
			}
			node := s.mesosNode()
			if node.Status.Task != nil || node.Status.Attempt != 2 {
				t.Errorf("attempt %d with task %+v, want attempt 2 without", node.Status.Attempt, node.Status.Task)
			}
			if diff := cmp.Diff([]string{firstID}, s.tokens.revoked); diff != "" {
				t.Errorf("revoked tokens (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFailedAttemptWithACertificateEndsTheMesosNode(t *testing.T) {
	for name, identity := range map[string]func(*v1alpha1.MesosTask){
		"approved": func(task *v1alpha1.MesosTask) { task.CertificateRequest = "csr-1" },
		"issued":   func(task *v1alpha1.MesosTask) { task.Certificate = &v1alpha1.TaskCertificate{Request: "csr-1"} },
	} {
		t.Run(name, func(t *testing.T) {
			s := newFixture(t)
			s.reconcile()
			s.session.WithdrawDemand(firstID)
			s.setTaskState(scheduler.TaskFailed, identity)
			s.expectEvent(v1alpha1.EventLaunchFailed)
			s.expectCondition(v1alpha1.ConditionLaunched, metav1.ConditionFalse, v1alpha1.ReasonTaskEnded)
			s.expectMessage(v1alpha1.ConditionLaunched, "certificate")
			s.expectDemands()
			if s.mesosNode().DeletionTimestamp.IsZero() {
				t.Fatal("the MesosNode is not deleted")
			}
			s.reconcile()
			s.expectReleased()
		})
	}
}

func TestNoRetryBeforeTheTokenIsRevoked(t *testing.T) {
	s := newFixture(t)
	s.reconcile()
	s.session.WithdrawDemand(firstID)
	s.tokens.err = errBroken
	node := s.mesosNode()
	node.Status.Task = &v1alpha1.MesosTask{ID: firstID, AgentID: agentID, State: string(scheduler.TaskFailed), IntentTime: metav1.NewTime(noon)}
	if err := s.client.Status().Update(context.Background(), node); err != nil {
		t.Fatal(err)
	}
	if _, err := s.tryReconcile(); err == nil {
		t.Error("no error")
	}
	s.expectDemands()
	if got := s.mesosNode().Status.Attempt; got != 1 {
		t.Errorf("attempt is %d, want 1", got)
	}
}

func TestAnUnreachableTask(t *testing.T) {
	for _, state := range []scheduler.TaskState{scheduler.TaskUnreachable, scheduler.TaskLost, scheduler.TaskUnknown} {
		t.Run(string(state)+" before the Node registered", func(t *testing.T) {
			s := newFixture(t)
			s.reconcile()
			s.session.WithdrawDemand(firstID)
			s.setTaskState(state)
			s.reconcileAfter(24 * time.Hour)
			s.expectCondition(v1alpha1.ConditionLaunched, metav1.ConditionUnknown, v1alpha1.ReasonTaskUnreachable)
			s.expectDemands()
			if len(s.session.killed) != 0 {
				t.Errorf("killed: %v", s.session.killed)
			}
		})
		t.Run(string(state)+" while the Node is silent", func(t *testing.T) {
			s := newFixture(t).makeReady()
			s.setTaskState(state)
			s.expectCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonNodeReady)
			s.setNodeReady(corev1.ConditionUnknown)
			s.expectCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonTaskUnreachable)
			s.setTaskState(scheduler.TaskRunning)
			s.setNodeReady(corev1.ConditionTrue)
			s.expectCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonNodeReady)
		})
	}
}

func TestLaunchTimeoutKillsTheTask(t *testing.T) {
	s := newFixture(t)
	s.reconcile()
	s.setTaskState(scheduler.TaskStarting)
	if s.last.RequeueAfter != DefaultLaunchTimeout {
		t.Errorf("looks again after %s, want %s", s.last.RequeueAfter, DefaultLaunchTimeout)
	}
	s.session.ready = false
	s.reconcileAfter(DefaultLaunchTimeout)
	if len(s.session.killed) != 0 {
		t.Fatal("judged while Mesos was out of sight")
	}
	s.session.ready = true
	s.reconcile()
	if s.session.killed[firstID] != agentID {
		t.Fatalf("killed: %v", s.session.killed)
	}
	s.expectMessage(v1alpha1.ConditionRegistered, "killed and the launch tried again")
	s.session.WithdrawDemand(firstID)
	s.setTaskState(scheduler.TaskKilled)
	s.expectDemands("general-x7k2p.0f1e2d3c.2")
}

func TestEndedTaskDeletesTheRegisteredNode(t *testing.T) {
	s := newFixture(t).makeReady()
	s.session.WithdrawDemand(firstID)
	s.setTaskState(scheduler.TaskFailed, func(task *v1alpha1.MesosTask) { task.Message = "kubelet exited" })
	s.expectEvent(v1alpha1.ReasonTaskEnded)
	s.expectMessage(v1alpha1.ConditionReady, "kubelet exited")
	if s.mesosNode().DeletionTimestamp.IsZero() {
		t.Fatal("the MesosNode is not being deleted")
	}
	s.expectDemands()
	s.reconcile()
	if s.kubernetesNode() != nil {
		t.Error("the Node of a task that ended is still there")
	}
	s.reconcile()
	s.expectReleased()
}

func TestStaleRecordCausesNoWritesAndNoDemand(t *testing.T) {
	s := newFixture(t)
	stale := s.mesosNode()
	s.reconcile()
	s.session.WithdrawDemand(firstID)
	rc, err := s.reconciler.observe(context.Background(), stale)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range s.reconciler.livingSteps {
		if err := step(context.Background(), rc); err != nil {
			t.Fatal(err)
		}
	}
	result, err := s.reconciler.finish(context.Background(), rc, nil)
	if err != nil || result.RequeueAfter != patch.ConflictRetry {
		t.Errorf("got %+v and error %v, want another look soon", result, err)
	}
	s.expectDemands()
}

func TestManuallyCreatedNodeGetsItsFinalizerBeforeItsDemand(t *testing.T) {
	s := newFixture(t)
	s.update(func(n *v1alpha1.MesosNode) { n.Finalizers = nil })
	if diff := cmp.Diff([]string{v1alpha1.FinalizerRelease}, s.mesosNode().Finalizers); diff != "" {
		t.Errorf("finalizers (-want +got):\n%s", diff)
	}
	s.expectDemands(firstID)
}

func TestExecutorMessageIsShown(t *testing.T) {
	tests := map[string]struct{ state, message, want string }{
		"a running task without a message": {string(scheduler.TaskRunning), "", "The node runs on agent host-1."},
		"a running task with a message":    {string(scheduler.TaskRunning), "kubelet ended (exit status 2)", "The node runs on agent host-1. kubelet ended (exit status 2)."},
		"a starting task with a message":   {string(scheduler.TaskStarting), "fetching artifact kubelet", "The executor on agent host-1 starts the kubelet. fetching artifact kubelet."},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, _, got := describeTask(&v1alpha1.MesosTask{AgentHostname: "host-1", State: tc.state, Message: tc.message})
			if got != tc.want {
				t.Errorf("message is %q, want %q", got, tc.want)
			}
		})
	}
}
