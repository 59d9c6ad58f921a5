package nodemodel

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// condition is a condition that has changed so many minutes after noon.
func condition(conditionType string, status metav1.ConditionStatus, reason string, minutes int) metav1.Condition {
	return metav1.Condition{Type: conditionType, Status: status, Reason: reason, LastTransitionTime: metav1.NewTime(noon.Add(time.Duration(minutes) * time.Minute))}
}

func nodeWith(conditions ...metav1.Condition) *v1alpha1.MesosNode {
	node := newNode()
	node.Status.Conditions = conditions
	return node
}

func TestUnsetConditionHasOnlyItsType(t *testing.T) {
	if got := Condition(newNode(), "Ready"); got != (metav1.Condition{Type: "Ready"}) {
		t.Errorf("got %+v", got)
	}
	set := condition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonNodeReady, 0)
	if got := Condition(nodeWith(set), v1alpha1.ConditionReady); got != set {
		t.Errorf("got %+v, want %+v", got, set)
	}
}

func TestReadiness(t *testing.T) {
	registered := condition(v1alpha1.ConditionRegistered, metav1.ConditionTrue, v1alpha1.ReasonNodeRegistered, 0)
	unregistered := condition(v1alpha1.ConditionRegistered, metav1.ConditionFalse, v1alpha1.ReasonNodeNotFound, 0)
	ready := func(status metav1.ConditionStatus, minutes int) metav1.Condition {
		return condition(v1alpha1.ConditionReady, status, "Any", minutes)
	}
	for name, test := range map[string]struct {
		conditions                      []metav1.Condition
		isReady, wasReady, isRegistered bool
	}{
		"a node that was just created":                       {},
		"a node that waits for its task":                     {conditions: []metav1.Condition{unregistered, ready(metav1.ConditionFalse, 1)}},
		"a node that registered and is not ready yet":        {conditions: []metav1.Condition{registered, ready(metav1.ConditionFalse, -1)}, isRegistered: true},
		"a node that registered in the same second":          {conditions: []metav1.Condition{registered, ready(metav1.ConditionFalse, 0)}, isRegistered: true},
		"a node that is ready":                               {conditions: []metav1.Condition{registered, ready(metav1.ConditionTrue, 1)}, isReady: true, wasReady: true, isRegistered: true},
		"a node that ceased to be ready since it registered": {conditions: []metav1.Condition{registered, ready(metav1.ConditionFalse, 5)}, wasReady: true, isRegistered: true},
		"a node whose readiness is unknown since":            {conditions: []metav1.Condition{registered, ready(metav1.ConditionUnknown, 5)}, wasReady: true, isRegistered: true},
		"a node with the condition Registered alone":         {conditions: []metav1.Condition{registered}, isRegistered: true},
	} {
		t.Run(name, func(t *testing.T) {
			node := nodeWith(test.conditions...)
			if got := IsReady(node); got != test.isReady {
				t.Errorf("IsReady is %t", got)
			}
			if got := WasReady(node); got != test.wasReady {
				t.Errorf("WasReady is %t", got)
			}
			if got := IsRegistered(node); got != test.isRegistered {
				t.Errorf("IsRegistered is %t", got)
			}
		})
	}
}

func TestWaitingWithoutFittingOffer(t *testing.T) {
	for name, test := range map[string]struct {
		condition metav1.Condition
		want      bool
	}{
		"no offer fits":               {condition(v1alpha1.ConditionLaunched, metav1.ConditionFalse, v1alpha1.ReasonWaitingForOffer, 3), true},
		"no offer was considered yet": {condition(v1alpha1.ConditionLaunched, metav1.ConditionUnknown, v1alpha1.ReasonWaitingForOffer, 3), false},
		"the framework is not ready":  {condition(v1alpha1.ConditionLaunched, metav1.ConditionFalse, v1alpha1.ReasonWaitingForFramework, 3), false},
		"the last attempt failed":     {condition(v1alpha1.ConditionLaunched, metav1.ConditionFalse, v1alpha1.ReasonBackingOff, 3), false},
	} {
		t.Run(name, func(t *testing.T) {
			since, waits := WaitsWithoutOffer(nodeWith(test.condition))
			if waits != test.want || test.want != since.Equal(noon.Add(3*time.Minute)) || !test.want != since.IsZero() {
				t.Errorf("waits %t since %s, want %t", waits, since, test.want)
			}
		})
	}
	if _, waits := WaitsWithoutOffer(newNode()); waits {
		t.Error("a node that was just created waits without an offer")
	}
}

func TestUnreportedKubeletIsUnknown(t *testing.T) {
	reported := corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionFalse, Message: "no network"}
	node := &corev1.Node{Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeMemoryPressure}, reported}}}
	if got := KubeletReady(node); got != reported {
		t.Errorf("got %+v, want what the kubelet reported", got)
	}
	for name, object := range map[string]*corev1.Node{"no Node": nil, "a Node without conditions": {}} {
		if got := KubeletReady(object); got.Status != corev1.ConditionUnknown || got.Message == "" {
			t.Errorf("%s: got %+v, want Unknown and a message", name, got)
		}
	}
}
