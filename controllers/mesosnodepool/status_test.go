package mesosnodepool

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/k8sm/k8sm/api/v1alpha1"
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
		"some are on their way": {
			alive: nodes{a, aged("c", 1, isStarting)},
			want:  cond{v1alpha1.ConditionReady, no, v1alpha1.ReasonScalingUp, "1 of 2 nodes are ready: 1 TaskStaging. c: agent-1 fetches"}},
		"some are not there yet": {
			alive: nodes{a}, want: cond{v1alpha1.ConditionReady, no, v1alpha1.ReasonScalingUp, "1 of 2 nodes are ready: they are being created."}},
		"one that was ready is not": {
			alive: nodes{a, aged("c", 1, isRegistered, isSilent)},
			want:  cond{v1alpha1.ConditionReady, no, v1alpha1.ReasonNodesNotReady, "1 NodeNotReady. c: kubelet stopped posting"}},
		"some are too many": {
			alive: nodes{a, b, aged("c", 1, isStarting)},
			want:  cond{v1alpha1.ConditionReady, no, v1alpha1.ReasonScalingDown, "1 node is being removed"}},
		"some are going": {
			alive: nodes{a, b}, leaving: nodes{aged("c", 1, isRegistered, isReady)},
			want: cond{v1alpha1.ConditionReady, no, v1alpha1.ReasonScalingDown, "1 node is being removed: 1 Draining."}},
		"paused, and as it should be": {
			pool: paused, alive: nodes{a, b}, want: cond{v1alpha1.ConditionReady, yes, v1alpha1.ReasonPaused, "2 of 2"}},
		"paused, and not as it should be": {
			pool: paused, alive: nodes{a}, want: cond{v1alpha1.ConditionReady, no, v1alpha1.ReasonPaused, "spec.paused is true"}},
		"deleted": {
			pool: deleting, leaving: nodes{a}, want: cond{v1alpha1.ConditionReady, no, v1alpha1.ReasonDeleting, "Waiting for 1 node to be released"}},
		"a node waits in vain": {
			alive: nodes{a, aged("c", 1, isWaiting)},
			want:  cond{v1alpha1.ConditionReady, no, v1alpha1.ReasonNoFittingOffer, "1 node waits for an offer that fits: 0 of 2 agents fit"}},
		"a node waits in vain, as the capacity tells": {
			alive: nodes{a, aged("c", 1, isWaiting)},
			want:  cond{v1alpha1.ConditionCapacityAvailable, no, v1alpha1.ReasonNoFittingOffer, "0 of 2 agents fit"}},
		"a node waits for a word": {
			alive: nodes{a, aged("c", 1, isUnheard)},
			want:  cond{v1alpha1.ConditionCapacityAvailable, yes, v1alpha1.ReasonCapacityAvailable, ""}},
		"the template is valid": {
			want: cond{v1alpha1.ConditionTemplateValid, yes, v1alpha1.ReasonTemplateValid, ""}},
		"the template is not": {
			pool: configured, alive: nodes{a, b},
			want: cond{v1alpha1.ConditionTemplateValid, no, v1alpha1.ReasonKubeletConfigInvalid, `template.spec.kubelet.config: unknown field "maxPod".`}},
		"the template is not, and the nodes of an earlier one are ready": {
			pool: configured, alive: nodes{a, b},
			want: cond{v1alpha1.ConditionReady, no, v1alpha1.ReasonKubeletConfigInvalid, "2 of 2 nodes are ready, and no node can be made of the template: template.spec"}},
		"the framework is ready": {
			want: cond{v1alpha1.ConditionFrameworkReady, yes, v1alpha1.ReasonFrameworkReady, `"default" is ready`}},
		"the framework has said nothing": {
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
		"the role is not the framework's": {
			pool: func(p *v1alpha1.MesosNodePool) { p.Spec.Placement.Role = "spark" },
			want: cond{v1alpha1.ConditionReady, no, v1alpha1.ReasonRoleNotSubscribed, `spec.placement.role is "spark"; the roles of MesosFramework "default" are k8sm, other.`}},
		"the role is another of the framework's": {
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
