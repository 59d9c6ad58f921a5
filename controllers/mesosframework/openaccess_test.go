package mesosframework

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/k8sm/k8sm/api/v1alpha1"
	mesosaccess "github.com/k8sm/k8sm/mesos/access"
)

func TestMesosAuthenticatedCondition(t *testing.T) {
	unknown := errors.New("no route to host")
	for name, test := range map[string]struct {
		answer openAccess
		agents []string
		status metav1.ConditionStatus
		reason string
		parts  []string
	}{
		"everything is refused": {status: metav1.ConditionTrue, reason: v1alpha1.ReasonAnonymousCallsRefused},
		"frameworks": {
			answer: openAccess{open: mesosaccess.Open{Frameworks: true}}, status: metav1.ConditionFalse, reason: v1alpha1.ReasonAnonymousCallsServed,
			parts: []string{"--authenticate_http_frameworks", "docs/security.md"},
		},
		"operators": {
			answer: openAccess{open: mesosaccess.Open{Operators: true}}, status: metav1.ConditionFalse, reason: v1alpha1.ReasonAnonymousCallsServed,
			parts: []string{"--authenticate_http_readwrite"},
		},
		"agents, although the master is unknown": {
			answer: openAccess{err: unknown}, agents: []string{"a", "b", "c", "d", "e"}, status: metav1.ConditionFalse, reason: v1alpha1.ReasonAnonymousCallsServed,
			parts: []string{"the agents a, b, c and 2 more serve executors (--authenticate_http_executors)"},
		},
		"the master does not answer": {
			answer: openAccess{err: unknown}, status: metav1.ConditionUnknown, reason: v1alpha1.ReasonAccessUnknown, parts: []string{"no route to host"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := mesosAuthenticatedCondition(test.answer, test.agents)
			if got.Type != v1alpha1.ConditionMesosAuthenticated || got.Status != test.status || got.Reason != test.reason {
				t.Errorf("got %+v", got)
			}
			for _, part := range test.parts {
				if !strings.Contains(got.Message, part) {
					t.Errorf("%q is not in %q", part, got.Message)
				}
			}
		})
	}
}

// A MesosFramework of an operator of before runs on, and is warned of.
func TestFrameworkWithoutCredentialsIsWarnedOf(t *testing.T) {
	s := newFixture(t, newFramework("default"))
	c := s.reconcileSubscribed("default")
	if c == nil || c.Status != metav1.ConditionFalse || s.sessions[0].askedAccess != 0 {
		t.Errorf("condition %+v; the master was asked %d times although the answer is known", c, s.sessions[0].askedAccess)
	}
}

func TestMasterIsAskedOnceForEachLeader(t *testing.T) {
	framework := newFramework("default")
	framework.Spec.Credentials = &v1alpha1.Credentials{Type: v1alpha1.CredentialsBasic, SecretRef: v1alpha1.SecretReference{Name: "mesos"}}
	node := newNode()
	s := newFixture(t, framework, secret("mesos", map[string]string{"principal": "k8sm", "secret": "s"}), node)
	c := s.reconcileSubscribed("default")
	if c == nil || c.Status != metav1.ConditionTrue || s.sessions[0].askedAccess != 1 {
		t.Fatalf("condition %+v after %d questions", c, s.sessions[0].askedAccess)
	}
	if s.reconcileSubscribed("default"); s.sessions[0].askedAccess != 1 {
		t.Errorf("it is asked again: %d", s.sessions[0].askedAccess)
	}
	// Another leader, which does not answer at first.
	s.sessions[0].openErr = errors.New("busy")
	next := subscribedState
	next.Master = "10.0.0.2:5050"
	s.sessions[0].setState(next)
	if c := s.reconcileNow("default"); c.Status != metav1.ConditionUnknown || s.sessions[0].askedAccess != 2 {
		t.Errorf("condition %+v after %d questions", c, s.sessions[0].askedAccess)
	}
	s.sessions[0].open, s.sessions[0].openErr = mesosaccess.Open{Operators: true}, nil
	if c := s.reconcileNow("default"); c.Status != metav1.ConditionUnknown || s.sessions[0].askedAccess != 2 {
		t.Errorf("it is asked again too early: %+v after %d questions", c, s.sessions[0].askedAccess)
	}
	s.now = s.now.Add(openAccessRetry + time.Second)
	if c := s.reconcileNow("default"); c.Status != metav1.ConditionFalse || s.sessions[0].askedAccess != 3 {
		t.Errorf("condition %+v after %d questions", c, s.sessions[0].askedAccess)
	}
}

func TestOpenAgentsAreThoseOfLivingNodes(t *testing.T) {
	node := func(agent, state string, open bool) v1alpha1.MesosNode {
		return v1alpha1.MesosNode{Status: v1alpha1.MesosNodeStatus{Task: &v1alpha1.MesosTask{AgentHostname: agent, State: state, AnonymousExecutors: open}}}
	}
	got := openAgents([]v1alpha1.MesosNode{
		{}, node("b", "TASK_RUNNING", true), node("a", "TASK_RUNNING", true), node("b", "TASK_RUNNING", true),
		node("c", "TASK_RUNNING", false), node("d", "TASK_FAILED", true),
	})
	if strings.Join(got, " ") != "a b" {
		t.Errorf("agents %v", got)
	}
}

// reconcileSubscribed reconciles until there is a session, subscribes it, and reconciles.
func (s *fixture) reconcileSubscribed(name string) *metav1.Condition {
	s.t.Helper()
	s.reconcileNow(name)
	s.sessions[len(s.sessions)-1].setState(subscribedState)
	return s.reconcileNow(name)
}

// reconcileNow reconciles once, and returns the condition about credentials.
func (s *fixture) reconcileNow(name string) *metav1.Condition {
	s.t.Helper()
	if _, err := s.reconciler.Reconcile(context.Background(), reconcile.Request{NamespacedName: client.ObjectKey{Name: name}}); err != nil {
		s.t.Fatal(err)
	}
	framework := &v1alpha1.MesosFramework{}
	if err := s.client.Get(context.Background(), client.ObjectKey{Name: name}, framework); err != nil {
		s.t.Fatal(err)
	}
	return meta.FindStatusCondition(framework.Status.Conditions, v1alpha1.ConditionMesosAuthenticated)
}
