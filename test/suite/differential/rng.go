package differential

import (
	"fmt"
	"math/rand/v2"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// rng makes the random choices of a scenario.
type rng struct{ *rand.Rand }

func newRNG(seed, kind uint64) rng { return rng{rand.New(rand.NewPCG(seed, kind))} }

func (d rng) oneIn(n int) bool { return d.IntN(n) == 0 }

func oneOf[T any](d rng, of ...T) T { return of[d.IntN(len(of))] }

func (d rng) quantity(of ...string) resource.Quantity { return resource.MustParse(oneOf(d, of...)) }

// app returns a value of the label app, which selectors use.
func (d rng) app() string { return oneOf(d, "x", "y", "z") }

// selector returns a selector of pods, most often by their app.
func (d rng) selector() *metav1.LabelSelector {
	app := d.app()
	switch d.IntN(12) {
	case 0:
		return &metav1.LabelSelector{}
	case 1:
		return expression("app", oneOf(d, metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn), app, d.app())
	case 2:
		return expression("canary", oneOf(d, metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist))
	default:
		return &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
	}
}

func expression(key string, operator metav1.LabelSelectorOperator, values ...string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: key, Operator: operator, Values: values}}}
}

// nodeExpression returns a requirement on a node's labels.
func (d rng) nodeExpression(seed string) corev1.NodeSelectorRequirement {
	switch d.IntN(5) {
	case 0:
		return corev1.NodeSelectorRequirement{Key: "disk", Operator: oneOf(d, corev1.NodeSelectorOpExists, corev1.NodeSelectorOpDoesNotExist)}
	case 1:
		return corev1.NodeSelectorRequirement{Key: "disk", Operator: oneOf(d, corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn), Values: []string{"ssd"}}
	case 2, 3:
		return corev1.NodeSelectorRequirement{Key: "generation", Operator: oneOf(d, corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt), Values: []string{fmt.Sprint(d.IntN(5))}}
	default:
		return corev1.NodeSelectorRequirement{Key: corev1.LabelTopologyZone, Operator: oneOf(d, corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn),
			Values: []string{zoneOf(seed, d.IntN(3)), zoneOf(seed, d.IntN(3))}}
	}
}

func zoneOf(seed string, i int) string { return seed + "-" + string(rune('a'+i)) }
