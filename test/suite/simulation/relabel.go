package simulation

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

const (
	// tierKey is the label, annotation and taint that pools have or have not.
	tierKey = "tier"
	// handKey is the label and taint that users set on Nodes.
	handKey = "by-hand"
)

// injectRelabeling changes the labels, annotations and taints of a pool's template, or those of a
// Node, as users would.
func (w *world) injectRelabeling(r roll) {
	if r.then().happens(0.3) {
		w.labelByHand(r)
		return
	}
	i, value := r.below(w.plan.pools), fmt.Sprint(r.then().then().below(3))
	w.trace.add("user", "wants the tier %s on %s", value, poolName(i))
	w.userEdits(i, func(p *v1alpha1.MesosNodePool) {
		p.Spec.Template.Metadata, p.Spec.Template.Spec.Taints = v1alpha1.NodeTemplateMetadata{}, nil
		if value == "0" {
			return
		}
		p.Spec.Template.Metadata.Labels = map[string]string{tierKey: value}
		p.Spec.Template.Metadata.Annotations = map[string]string{tierKey: value}
		p.Spec.Template.Spec.Taints = []v1alpha1.Taint{{Key: tierKey, Value: value, Effect: corev1.TaintEffectPreferNoSchedule}}
	})
}

// labelByHand sets a label and a taint on a Node.
func (w *world) labelByHand(r roll) {
	o := w.anyObject(kindNode, r)
	if o == nil {
		return
	}
	w.trace.add("user", "labels and taints Node %s", o.GetName())
	_, err := w.server.update("user", write{kind: kindNode, key: client.ObjectKeyFromObject(o), change: func(o client.Object) (client.Object, error) {
		n := o.(*corev1.Node)
		if !hasByHand(n) {
			if n.Labels == nil {
				n.Labels = map[string]string{}
			}
			n.Labels[handKey] = "stays"
			n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: handKey, Effect: corev1.TaintEffectPreferNoSchedule})
		}
		return n, nil
	}})
	if err != nil {
		w.trace.add("user", "labelling Node %s: %v", o.GetName(), err)
	}
}

func hasByHand(n *corev1.Node) bool {
	return n.Labels[handKey] != "" && valueOfTaint(n, handKey) != nil
}

// valueOfTaint returns the value of a Node's taint, nil if there is none with the key.
func valueOfTaint(n *corev1.Node, key string) *string {
	i := slices.IndexFunc(n.Spec.Taints, func(t corev1.Taint) bool { return t.Key == key })
	if i < 0 {
		return nil
	}
	return &n.Spec.Taints[i].Value
}

// checkByHand checks that the operator keeps what a user has set on a Node.
func (c *checks) checkByHand(ch change) {
	before, _ := ch.before.(*corev1.Node)
	after, _ := ch.after.(*corev1.Node)
	if before != nil && after != nil && hasByHand(before) && !hasByHand(after) {
		c.world.fail("%s removed what a user has set on Node %s", ch.actor, after.Name)
	}
}

// unmetNodeGoals lists the Nodes that do not have the labels, annotations and taints of their pools.
func (w *world) unmetNodeGoals(add func(string, ...any)) {
	templates := map[string]v1alpha1.NodeTemplate{}
	for _, o := range w.server.list(kindPool) {
		templates[o.GetName()] = o.(*v1alpha1.MesosNodePool).Spec.Template
	}
	for _, o := range w.server.list(kindNode) {
		n := o.(*corev1.Node)
		if valueOfTaint(n, v1alpha1.TaintUnregistered) != nil {
			add("Node %s still has its registration taint", n.Name)
			continue
		}
		template, ok := templates[n.Labels[v1alpha1.LabelPool]]
		if !ok {
			continue
		}
		want, taint := template.Metadata.Labels[tierKey], valueOfTaint(n, tierKey)
		if n.Labels[tierKey] != want || n.Annotations[tierKey] != want || (taint != nil) != (want != "") || taint != nil && *taint != want {
			add("Node %s does not have the tier %q of its pool", n.Name, want)
		}
	}
}
