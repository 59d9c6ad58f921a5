package simulation

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// rolloutActions are what users do that makes nodes be replaced, or holds that back. Only seeds
// with rollouts have them.
var rolloutActions = []fault{
	{"change a template", 5, (*world).injectTemplateChange},
	{"change a template and again", 4, (*world).injectRepeatedTemplateChange},
	{"change rollout settings", 4, (*world).injectRolloutSettings},
	{"pause a rollout", 1, (*world).injectRolloutPause},
	{"change budgets", 3, (*world).injectBudgets},
	{"expire nodes", 2, (*world).injectExpiry},
	{"break a template", 2, (*world).injectBrokenTemplate},
}

// scheduledBudget begins every four minutes, and applies for half of that time.
const (
	budgetSchedule = "*/4 * * * *"
	budgetPeriod   = 4
	budgetDuration = 2
)

// injectTemplateChange changes what nodes are made of. Of the few values, the first one is that of
// the beginning.
func (w *world) injectTemplateChange(r roll) {
	w.userChangesTemplate(r.below(w.plan.pools), r.then())
}

// injectRepeatedTemplateChange changes a template, and once more while the first change is most
// likely being rolled out; sometimes back.
func (w *world) injectRepeatedTemplateChange(r roll) {
	i := r.below(w.plan.pools)
	w.userChangesTemplate(i, r.then())
	w.repairLater(r.then().then(), time.Minute, func() { w.userChangesTemplate(i, r.then().then().then()) })
}

func (w *world) userChangesTemplate(i int, r roll) {
	value := r.below(3)
	if r.then().happens(0.5) {
		w.trace.add("user", "wants the kubelet's configuration %d on %s", value, poolName(i))
		w.userEdits(i, func(p *v1alpha1.MesosNodePool) {
			p.Spec.Template.Spec.Kubelet.Config = nil
			if value > 0 {
				p.Spec.Template.Spec.Kubelet.Config = &runtime.RawExtension{Raw: fmt.Appendf(nil, `{"maxPods":%d}`, 100+value)}
			}
		})
		return
	}
	wanted := ""
	if value > 0 {
		wanted = fmt.Sprintf("%064d", value)
	}
	w.trace.add("user", "wants the executor %d on %s", value, poolName(i))
	w.userEdits(i, func(p *v1alpha1.MesosNodePool) { setArtifact(p, nodeapi.ArtifactExecutor, wanted) })
}

// setArtifact sets an artifact of a pool's template by its digest; "" is for that of the operator's
// file.
func setArtifact(p *v1alpha1.MesosNodePool, name, digest string) {
	artifacts := slices.DeleteFunc(slices.Clone(p.Spec.Template.Spec.Runtime.Artifacts), func(a v1alpha1.Artifact) bool { return a.Name == name })
	if digest != "" {
		artifacts = append(artifacts, v1alpha1.Artifact{Name: name, Type: v1alpha1.ArtifactBinary, URI: "file:///opt/" + digest, SHA256: digest})
	}
	p.Spec.Template.Spec.Runtime.Artifacts = artifacts
}

// artifactOf returns the digest of an artifact of a template.
func artifactOf(t v1alpha1.NodeTemplate, name string) string {
	for _, a := range t.Spec.Runtime.Artifacts {
		if a.Name == name {
			return a.SHA256
		}
	}
	return digest
}

// makeup is what nodes of a template are made of, as far as users change it here, without the
// kubelet.
func makeup(t v1alpha1.NodeTemplate) string {
	config := "-"
	if t.Spec.Kubelet.Config != nil {
		config = string(t.Spec.Kubelet.Config.Raw)
	}
	return fmt.Sprintf("config %s, executor %s, runtime %s", config, artifactOf(t, nodeapi.ArtifactExecutor), t.Spec.Runtime.Version)
}

// injectRolloutSettings changes how nodes are replaced.
func (w *world) injectRolloutSettings(r roll) {
	i := r.below(w.plan.pools)
	next := func(n int) int { r = r.then(); return r.below(n) }
	surges := []intstr.IntOrString{intstr.FromInt32(0), intstr.FromInt32(1), intstr.FromInt32(1), intstr.FromInt32(2), intstr.FromString("25%"), intstr.FromString("50%")}
	unavailables := []intstr.IntOrString{intstr.FromInt32(0), intstr.FromInt32(0), intstr.FromInt32(1), intstr.FromInt32(2), intstr.FromString("34%")}
	surge, unavailable := surges[next(len(surges))], unavailables[next(len(unavailables))]
	minReady, onDelete, onReplacement := int32(10*next(3)), next(6) == 0, next(4) == 0
	w.trace.add("user", "wants maxSurge %s, maxUnavailable %s, minReadySeconds %d, OnDelete %t on %s", surge.String(), unavailable.String(), minReady, onDelete, poolName(i))
	w.userEdits(i, func(p *v1alpha1.MesosNodePool) {
		rollout := &p.Spec.Rollout
		rollout.MaxSurge, rollout.MaxUnavailable, rollout.MinReadySeconds, rollout.Strategy = &surge, &unavailable, minReady, v1alpha1.RollingReplacement
		if onDelete {
			rollout.Strategy = v1alpha1.OnDelete
		}
		if onReplacement {
			rollout.Kubelet = v1alpha1.KubeletOnReplacement
		}
		requireUnavailable(rollout)
	})
}

// requireUnavailable changes settings that the API server would refuse.
func requireUnavailable(rollout *v1alpha1.Rollout) {
	surge, unavailable := rollout.MaxSurge, rollout.MaxUnavailable
	if unavailable != nil && unavailable.IntValue() == 0 && unavailable.StrVal == "" &&
		(rollout.Kubelet == v1alpha1.KubeletInPlace || surge != nil && surge.IntValue() == 0 && surge.StrVal == "") {
		rollout.MaxUnavailable = new(intstr.FromInt32(1))
	}
}

// injectRolloutPause pauses a rollout for a while.
func (w *world) injectRolloutPause(r roll) {
	i := r.below(w.plan.pools)
	w.trace.add("user", "pauses the rollout of %s", poolName(i))
	w.userEdits(i, func(p *v1alpha1.MesosNodePool) { p.Spec.Rollout.Paused = true })
	if r = r.then(); r.happens(0.3) {
		return // until the end
	}
	w.repairLater(r.then(), 2*time.Minute, func() {
		w.trace.add("user", "resumes the rollout of %s", poolName(i))
		w.userEdits(i, func(p *v1alpha1.MesosNodePool) { p.Spec.Rollout.Paused = false })
	})
}

// injectBudgets sets the disruption budgets of a pool.
func (w *world) injectBudgets(r roll) {
	i := r.below(w.plan.pools)
	rollouts := []v1alpha1.DisruptionReason{v1alpha1.DisruptionOutdated, v1alpha1.DisruptionExpired}
	sets := [][]v1alpha1.DisruptionBudget{
		nil,
		{{Nodes: intstr.FromInt32(1)}},
		{{Nodes: intstr.FromInt32(2)}},
		{{Nodes: intstr.FromString("50%")}},
		{{Nodes: intstr.FromInt32(0), Reasons: rollouts[:1]}},
		{{Nodes: intstr.FromInt32(2), Reasons: rollouts}, {Nodes: intstr.FromInt32(1), Reasons: rollouts[1:]}},
		{{Nodes: intstr.FromInt32(1)}, {Nodes: intstr.FromInt32(0), Reasons: rollouts, Schedule: budgetSchedule, Duration: &metav1.Duration{Duration: budgetDuration * time.Minute}}},
	}
	set := r.then().below(len(sets))
	w.trace.add("user", "wants the budgets %d on %s", set, poolName(i))
	w.userEdits(i, func(p *v1alpha1.MesosNodePool) { p.Spec.Disruption.Budgets = sets[set] })
}

// injectExpiry makes the nodes of a pool expire. An API server would refuse such a short time.
func (w *world) injectExpiry(r roll) {
	i, after := r.below(w.plan.pools), r.then().between(time.Minute, 3*time.Minute).Truncate(time.Second)
	w.trace.add("user", "lets nodes of %s expire after %s", poolName(i), after)
	w.userEdits(i, func(p *v1alpha1.MesosNodePool) { p.Spec.Disruption.ExpireAfter = &metav1.Duration{Duration: after} })
}

// injectBrokenTemplate makes it impossible for a while to make nodes of a template.
func (w *world) injectBrokenTemplate(r roll) {
	i := r.below(w.plan.pools)
	w.trace.add("user", "wants a runtime that does not exist on %s", poolName(i))
	w.userEdits(i, func(p *v1alpha1.MesosNodePool) { p.Spec.Template.Spec.Runtime.Version = "v0.0.0" })
	w.repairLater(r.then(), time.Minute, func() {
		w.trace.add("user", "wants a runtime that exists on %s", poolName(i))
		w.userEdits(i, func(p *v1alpha1.MesosNodePool) { p.Spec.Template.Spec.Runtime.Version = "" })
	})
}

// letRolloutsFinish takes back what would keep nodes from being replaced, or replace them for
// ever. Pauses and OnDelete sometimes stay.
func (w *world) letRolloutsFinish() {
	r := w.rng.of("heal rollouts")
	for i := range w.plan.pools {
		r = r.then()
		staysPaused := r.happens(0.2)
		w.userEdits(i, func(p *v1alpha1.MesosNodePool) {
			p.Spec.Disruption.ExpireAfter, p.Spec.Template.Spec.Runtime.Version = nil, ""
			p.Spec.Disruption.Budgets = slices.DeleteFunc(p.Spec.Disruption.Budgets, func(b v1alpha1.DisruptionBudget) bool {
				return b.Schedule == "" && b.Nodes == intstr.FromInt32(0)
			})
			rollout := &p.Spec.Rollout
			rollout.Paused = rollout.Paused && staysPaused && rollout.Kubelet != v1alpha1.KubeletInPlace
			if rollout.MaxUnavailable != nil && *rollout.MaxUnavailable == intstr.FromInt32(0) && !w.hasRoomForSurge() {
				rollout.MaxUnavailable = new(intstr.FromInt32(1))
			}
		})
	}
}

// hasRoomForSurge reports whether each pool may have a node more than it wants. The API server's
// lock is held.
func (w *world) hasRoomForSurge() bool {
	wanted := 0
	for _, o := range w.server.tables[kindPool] {
		wanted += int(*o.(*v1alpha1.MesosNodePool).Spec.Replicas) + 1
	}
	return w.plan.pools == 1 && wanted <= w.plan.agents*w.plan.roomPerAgent
}

// unmetRolloutGoals lists the pools whose nodes are not all up to date, unless their settings say
// so, and what is left of replacements.
func (w *world) unmetRolloutGoals(records []client.Object, add func(string, ...any)) {
	alive := map[string]bool{}
	for _, o := range records {
		alive[o.GetName()] = true
	}
	nodes := map[string]*corev1.Node{}
	for _, o := range w.server.list(kindNode) {
		nodes[o.GetName()] = o.(*corev1.Node)
	}
	for _, o := range w.server.list(kindPool) {
		p, outdated := o.(*v1alpha1.MesosNodePool), 0
		for _, o := range records {
			n := o.(*v1alpha1.MesosNode)
			if n.Labels[v1alpha1.LabelPool] != p.Name {
				continue
			}
			isOutdated := n.Labels[v1alpha1.LabelRevision] != p.Status.CurrentRevision || makeup(n.Spec.Template) != makeup(p.Spec.Template)
			if isOutdated {
				outdated++
			}
			if object := nodes[n.Name]; object != nil && !isOutdated && valueOfTaint(object, v1alpha1.TaintOutdated) != nil {
				add("Node %s is not outdated, and is tainted as outdated", n.Name)
			}
			if old := n.Annotations[v1alpha1.AnnotationReplaces]; alive[old] {
				add("MesosNode %s is to replace %s, which is there", n.Name, old)
			}
		}
		w.unmetUpToDate(p, outdated, add)
	}
}

// unmetUpToDate compares the condition UpToDate of a pool with its number of outdated nodes.
func (w *world) unmetUpToDate(p *v1alpha1.MesosNodePool, outdated int, add func(string, ...any)) {
	want := v1alpha1.ReasonUpToDate
	switch {
	case outdated == 0:
	case p.Spec.Rollout.Strategy == v1alpha1.OnDelete:
		want = v1alpha1.ReasonOnDelete
	case p.Spec.Rollout.Paused:
		want = v1alpha1.ReasonRolloutPaused
	default:
		add("pool %s has %d outdated nodes", p.Name, outdated)
		return
	}
	c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionUpToDate)
	if c == nil || c.Reason != want || c.ObservedGeneration != p.Generation || int(p.Status.OutdatedReplicas) != outdated {
		add("pool %s has %d outdated nodes, and reports %d and %+v", p.Name, outdated, p.Status.OutdatedReplicas, c)
	}
}
