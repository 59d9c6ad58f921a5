package mesosnodepool

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodetemplate"
	"github.com/k8sm/k8sm/controllers/poolnodes"
)

func TestConditions(t *testing.T) {
	type nodes = []*v1alpha1.MesosNode
	type cond = struct {
		kind   string
		status metav1.ConditionStatus
		reason string
		says   string
	}
	yes, no := metav1.ConditionTrue, metav1.ConditionFalse
	a, b := aged("a", 9, isRegistered, isReady), aged("b", 8, isRegistered, isReady)
	deleting := func(p *v1alpha1.MesosNodePool) { p.DeletionTimestamp = &metav1.Time{Time: noon} }
	paused := func(p *v1alpha1.MesosNodePool) { p.Spec.Paused = true }
	configured := func(p *v1alpha1.MesosNodePool) {
		p.Spec.Template.Spec.Kubelet.Config = &runtime.RawExtension{Raw: []byte(`{"maxPod": 5}`)}
	}
	nothing := func(*v1alpha1.MesosNodePool) {}

	for name, test := range map[string]struct {
		framework func(*v1alpha1.MesosFramework)
		pool      func(*v1alpha1.MesosNodePool)
		alive     nodes
		leaving   nodes
		want      cond
	}{
		"all nodes are ready": {
			alive: nodes{a, b}, want: cond{v1alpha1.ConditionReady, yes, v1alpha1.ReasonAllNodesReady, "2 of 2 nodes are ready."}},
		"some nodes are starting": {
			alive: nodes{a, aged("c", 1, isStarting)},
			want:  cond{v1alpha1.ConditionReady, no, v1alpha1.ReasonScalingUp, "1 of 2 nodes are ready: 1 TaskStaging. c: agent-1 fetches"}},
		"some nodes are not created yet": {
			alive: nodes{a}, want: cond{v1alpha1.ConditionReady, no, v1alpha1.ReasonScalingUp, "1 of 2 nodes are ready: they are being created."}},
		"a node that was ready is not ready": {
			alive: nodes{a, aged("c", 1, isRegistered, isSilent)},
			want:  cond{v1alpha1.ConditionReady, no, v1alpha1.ReasonNodesNotReady, "1 NodeNotReady. c: kubelet stopped posting"}},
		"there are surplus nodes": {
			alive: nodes{a, b, aged("c", 1, isStarting)},
			want:  cond{v1alpha1.ConditionReady, no, v1alpha1.ReasonScalingDown, "1 node is being removed"}},
		"some nodes are being removed": {
			alive: nodes{a, b}, leaving: nodes{aged("c", 1, isRegistered, isReady)},
			want: cond{v1alpha1.ConditionReady, no, v1alpha1.ReasonScalingDown, "1 node is being removed: 1 Draining."}},
		"a paused pool with the desired number of nodes": {
			pool: paused, alive: nodes{a, b}, want: cond{v1alpha1.ConditionReady, yes, v1alpha1.ReasonPaused, "2 of 2"}},
		"a paused pool with too few nodes": {
			pool: paused, alive: nodes{a}, want: cond{v1alpha1.ConditionReady, no, v1alpha1.ReasonPaused, "spec.paused is true"}},
		"a pool that is being deleted": {
			pool: deleting, leaving: nodes{a}, want: cond{v1alpha1.ConditionReady, no, v1alpha1.ReasonDeleting, "Waiting for 1 node to be released"}},
		"no offer fits a node": {
			alive: nodes{a, aged("c", 1, isWaiting)},
			want:  cond{v1alpha1.ConditionReady, no, v1alpha1.ReasonNoFittingOffer, "1 node waits for an offer that fits: 0 of 2 agents fit"}},
		"no offer fits a node, in CapacityAvailable": {
			alive: nodes{a, aged("c", 1, isWaiting)},
			want:  cond{v1alpha1.ConditionCapacityAvailable, no, v1alpha1.ReasonNoFittingOffer, "0 of 2 agents fit"}},
		"no offer was considered for a node yet": {
			alive: nodes{a, aged("c", 1, isUnheard)},
			want:  cond{v1alpha1.ConditionCapacityAvailable, yes, v1alpha1.ReasonCapacityAvailable, ""}},
		"the template is valid": {
			want: cond{v1alpha1.ConditionTemplateValid, yes, v1alpha1.ReasonTemplateValid, ""}},
		"the template has a password in a URI, and nodes are made of it all the same": {
			pool: func(p *v1alpha1.MesosNodePool) {
				p.Spec.Template.Spec.Runtime.Artifacts = []v1alpha1.Artifact{{Name: "tool", URI: "https://me:s3cret@files.example/tool"}}
			},
			want: cond{v1alpha1.ConditionTemplateValid, yes, v1alpha1.ReasonPasswordInURI, "The URIs of the artifacts tool hold a user name or a password"}},
		"the template is invalid": {
			pool: configured, alive: nodes{a, b},
			want: cond{v1alpha1.ConditionTemplateValid, no, v1alpha1.ReasonKubeletConfigInvalid, `template.spec.kubelet.config: unknown field "maxPod".`}},
		"the template is invalid, and nodes of an earlier template are ready": {
			pool: configured, alive: nodes{a, b},
			want: cond{v1alpha1.ConditionReady, no, v1alpha1.ReasonKubeletConfigInvalid, "2 of 2 nodes are ready, and no node can be made of the template: template.spec"}},
		"the framework is ready": {
			want: cond{v1alpha1.ConditionFrameworkReady, yes, v1alpha1.ReasonFrameworkReady, `"default" is ready`}},
		"the framework has no conditions yet": {
			framework: func(f *v1alpha1.MesosFramework) { f.Status.Conditions = nil },
			want:      cond{v1alpha1.ConditionFrameworkReady, no, v1alpha1.ReasonFrameworkNotReady, "not connected yet"}},
		"the framework is not ready": {
			framework: func(f *v1alpha1.MesosFramework) {
				f.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: no, Reason: v1alpha1.ReasonUnauthorized, Message: "401"}}
			},
			want: cond{v1alpha1.ConditionReady, no, v1alpha1.ReasonFrameworkNotReady, `MesosFramework "default" is not ready (Unauthorized): 401`}},
		"the framework is being deleted": {
			framework: func(f *v1alpha1.MesosFramework) { f.DeletionTimestamp = &metav1.Time{Time: noon} },
			want:      cond{v1alpha1.ConditionFrameworkReady, no, v1alpha1.ReasonFrameworkNotReady, "is being deleted"}},
		"the framework does not have the role": {
			pool: func(p *v1alpha1.MesosNodePool) { p.Spec.Placement.Role = "spark" },
			want: cond{v1alpha1.ConditionReady, no, v1alpha1.ReasonRoleNotSubscribed, `spec.placement.role is "spark"; the roles of MesosFramework "default" are k8sm, other.`}},
		"the framework has the role beside others": {
			pool: func(p *v1alpha1.MesosNodePool) { p.Spec.Placement.Role = "other" },
			want: cond{v1alpha1.ConditionFrameworkReady, yes, v1alpha1.ReasonFrameworkReady, ""}},
	} {
		t.Run(name, func(t *testing.T) {
			o := observation{pool: newPool(2), framework: newReadyFramework(), nodes: poolnodes.Inventory{Alive: test.alive, Leaving: test.leaving}, now: metav1.NewTime(noon)}
			if test.framework != nil {
				test.framework(o.framework)
			}
			if test.pool == nil {
				test.pool = nothing
			}
			test.pool(o.pool)
			o.refusal.Reason, o.refusal.Message = nodetemplate.Check(o.pool.Spec.Template.Spec)
			status := o.status()
			got := meta.FindStatusCondition(status.Conditions, test.want.kind)
			if got == nil || got.Status != test.want.status || got.Reason != test.want.reason || !strings.Contains(got.Message, test.want.says) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			if again := o.status(); again.Conditions[0] != status.Conditions[0] || len(again.Conditions) != 4 {
				t.Error("equal observations give other conditions")
			}
		})
	}
}

func TestStoredConstraintWithAnUnknownNameIsWarnedOf(t *testing.T) {
	s := newFixture(t, 1, newReadyFramework())
	s.update(func(p *v1alpha1.MesosNodePool) {
		p.Spec.Placement.Constraints = []v1alpha1.AgentConstraint{
			{Attribute: "@zone", Operator: v1alpha1.ConstraintExists}, {Attribute: "@rack", Operator: v1alpha1.ConstraintDoesNotExist}, {Attribute: "rack", Operator: v1alpha1.ConstraintExists},
		}
	})
	s.reconcile()
	s.expectCondition(v1alpha1.ConditionPlacementValid, metav1.ConditionFalse, v1alpha1.ReasonUnknownAttribute, "constraints has @rack DoesNotExist: an attribute")
	if got := len(s.alive()); got != 1 {
		t.Errorf("the pool has %d nodes, want that it goes on", got)
	}
	s.update(func(p *v1alpha1.MesosNodePool) { p.Spec.Placement.Constraints = nil })
	s.reconcile()
	if c := meta.FindStatusCondition(s.pool().Status.Conditions, v1alpha1.ConditionPlacementValid); c != nil {
		t.Errorf("the condition is left: %+v", c)
	}
}
