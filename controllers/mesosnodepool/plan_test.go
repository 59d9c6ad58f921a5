package mesosnodepool

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// aged is a MesosNode that is some minutes old and has come so far.
func aged(name string, minutes int, conditions ...metav1.Condition) *v1alpha1.MesosNode {
	n := &v1alpha1.MesosNode{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(noon.Add(-time.Duration(minutes) * time.Minute))}}
	if len(conditions) > 0 {
		n.Status.Task = &v1alpha1.MesosTask{ID: name}
		n.Status.Conditions = conditions
	}
	return n
}

// revised is a ready MesosNode of a revision, of the same age as all others.
func revised(name, revision string) *v1alpha1.MesosNode {
	n := aged(name, 10, isRegistered, isReady)
	n.Labels = map[string]string{v1alpha1.LabelRevision: revision}
	return n
}

func TestPlanScaling(t *testing.T) {
	a := aged("a", 30, isRegistered, isReady)
	b := aged("b", 20, isRegistered, isReady)
	c := aged("c", 10, isRegistered, isReady)
	silent := aged("silent", 60, isRegistered, isSilent)
	starting := aged("starting", 60, isStarting)
	wanted := aged("wanted", 60)
	type nodes = []*v1alpha1.MesosNode

	for name, test := range map[string]struct {
		given  PlanInput
		create int
		remove []string
	}{
		"a new pool is filled":                                        {given: PlanInput{Replicas: 3}, create: 3},
		"a full pool is left alone":                                   {given: PlanInput{Replicas: 3, Alive: nodes{a, b, c}}},
		"missing nodes are created":                                   {given: PlanInput{Replicas: 3, Alive: nodes{a}}, create: 2},
		"pending creations count as nodes":                            {given: PlanInput{Replicas: 3, Alive: nodes{a}, Pending: 1}, create: 1},
		"pending creations can complete the pool":                     {given: PlanInput{Replicas: 3, Alive: nodes{a}, Pending: 2}},
		"a pending deletion causes no additional creation":            {given: PlanInput{Replicas: 3, Alive: nodes{a}, PendingDeletion: 1}, create: 1},
		"a pending deletion does not prevent another deletion":        {given: PlanInput{Replicas: 1, Alive: nodes{a, b}, PendingDeletion: 1}, remove: []string{"b"}},
		"no node is created while creation is blocked":                {given: PlanInput{Replicas: 3, Alive: nodes{a}, CreationBlocked: true}},
		"surplus nodes are deleted while creation is blocked":         {given: PlanInput{Replicas: 1, Alive: nodes{a, b}, CreationBlocked: true}, remove: []string{"b"}},
		"the newest of equal nodes is deleted":                        {given: PlanInput{Replicas: 1, Alive: nodes{b, a, c}}, remove: []string{"c", "b"}},
		"a node that was not launched is deleted first":               {given: PlanInput{Replicas: 3, Alive: nodes{a, silent, starting, wanted}}, remove: []string{"wanted"}},
		"nodes that are starting are deleted next, then unready ones": {given: PlanInput{Replicas: 1, Alive: nodes{a, silent, starting, wanted}}, remove: []string{"wanted", "starting", "silent"}},
		"no node is deleted while creations are pending":              {given: PlanInput{Replicas: 1, Alive: nodes{a, b}, Pending: 1}},
		"a paused pool does not grow":                                 {given: PlanInput{Replicas: 3, Paused: true}},
		"a paused pool does not shrink":                               {given: PlanInput{Replicas: 0, Paused: true, Alive: nodes{a}}},
		"a pool that is being deleted deletes all nodes":              {given: PlanInput{Replicas: 3, Deleting: true, Alive: nodes{a, b}}, remove: []string{"b", "a"}},
		"a paused pool that is being deleted deletes all nodes":       {given: PlanInput{Replicas: 3, Deleting: true, Paused: true, Alive: nodes{a}}, remove: []string{"a"}},
		"nodes that replace others are beyond the replicas":           {given: PlanInput{Replicas: 2, Alive: nodes{a, b, c}, Replaced: map[string]*v1alpha1.MesosNode{"a": c}}},
		"what is missing beside nodes that replace others is created": {given: PlanInput{Replicas: 3, Alive: nodes{a, b, c}, Replaced: map[string]*v1alpha1.MesosNode{"a": c}}, create: 1},
		"an outdated node is deleted before one that is up to date":   {given: PlanInput{Replicas: 1, Alive: nodes{revised("new", "2"), revised("old", "1")}, Revision: "2"}, remove: []string{"old"}},
		"a pool of zero replicas stays empty":                         {given: PlanInput{}},
		"the last by name of nodes of equal age is deleted first":     {given: PlanInput{Replicas: 1, Alive: nodes{aged("x", 1), aged("y", 1)}}, remove: []string{"y"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := PlanScaling(test.given)
			if got.Create != test.create {
				t.Errorf("creates %d, want %d", got.Create, test.create)
			}
			var remove []string
			for _, n := range slices.Concat(got.Delete, got.ScaleIn) {
				remove = append(remove, n.Name)
			}
			if diff := cmp.Diff(test.remove, remove); diff != "" {
				t.Errorf("deletes (-want +got):\n%s", diff)
			}
		})
	}
}
