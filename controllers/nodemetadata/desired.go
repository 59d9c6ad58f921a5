package nodemetadata

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

// reservedPrefix begins the labels and annotations of k8sm.
const reservedPrefix = "k8sm.io/"

// IsRegistering reports whether a Node is as its kubelet registered it. The operator has not set
// its labels, annotations and taints yet. Record is its MesosNode, which has a task.
func IsRegistering(object *corev1.Node, record *v1alpha1.MesosNode) bool {
	return HasRegistrationTaint(object) || isUnknown(object, record)
}

// IsWithoutTaint reports whether a Node that registers does not have the registration taint
// although its kubelet was told to set it. Pods may have been scheduled by labels that the kubelet
// chose.
func IsWithoutTaint(object *corev1.Node, record *v1alpha1.MesosNode) bool {
	return record.Status.Task.RegistrationTaint && !HasRegistrationTaint(object) && isUnknown(object, record)
}

// isUnknown reports whether neither the record nor the Node shows that the operator has set
// anything on the Node.
func isUnknown(object *corev1.Node, record *v1alpha1.MesosNode) bool {
	return record.Status.ProviderID != nodemodel.CurrentProviderID(record) && object.Annotations[v1alpha1.AnnotationAppliedTemplate] == ""
}

// HasRegistrationTaint reports whether a Node has the taint with which kubelets register.
func HasRegistrationTaint(object *corev1.Node) bool {
	return slices.ContainsFunc(object.Spec.Taints, isRegistrationTaint)
}

func isRegistrationTaint(t corev1.Taint) bool { return t.Key == v1alpha1.TaintUnregistered }

// Desired returns the Node as it should be. Record is its MesosNode, which has a task, and pool
// the pool of that, nil if there is none.
//
//   - Labels and annotations of the template are set, and put back. One that the template does not
//     have any more is removed if it has the value that the operator has set.
//   - A taint of the template is set once for each of its values: somebody who removed or changed it
//     later did so on purpose. One that the template does not have any more is removed likewise.
//   - A label, annotation or taint that was on the Node before the template had it, with the same
//     value, is somebody else's, and stays when the template does not have it any more.
//   - When a Node registers, nobody but its kubelet has put anything on it. What the template has
//     is set whatever the kubelet chose, other labels and annotations under k8sm.io are removed,
//     and so is the registration taint.
func Desired(object *corev1.Node, record *v1alpha1.MesosNode, pool *v1alpha1.MesosNodePool) *corev1.Node {
	template := CurrentTemplate(record, pool)
	own := nodemodel.OwnLabels(record)
	m := merge{registering: IsRegistering(object, record), value: strings.Clone}
	out := object.DeepCopy()
	last, asLaunched := lastApplied(object, record), ofTemplate(&record.Spec.Template)
	if m.registering {
		last = asLaunched
		maps.DeleteFunc(out.Labels, isReserved)
		maps.DeleteFunc(out.Annotations, isReserved)
	}
	var now applied
	out.Labels, now.Labels = m.values(out.Labels, last.Labels, without(template.Metadata.Labels, own))
	maps.Copy(out.Labels, own)
	m.value = digest
	out.Annotations, now.Annotations = m.values(out.Annotations, last.Annotations, without(template.Metadata.Annotations, ownAnnotations))
	out.Spec.Taints, now.Taints = m.taints(out.Spec.Taints, last.Taints, template.Spec.Taints)
	setOwnAnnotations(out, template.Metadata.Labels)
	if m.registering || out.Annotations[v1alpha1.AnnotationAppliedTemplate] != "" || !equality.Semantic.DeepEqual(now, asLaunched) {
		out.Annotations[v1alpha1.AnnotationAppliedTemplate] = now.String()
	}
	return out
}

// ownAnnotations are those that no template sets.
var ownAnnotations = map[string]string{v1alpha1.AnnotationTemplateLabels: "", v1alpha1.AnnotationAppliedTemplate: ""}

// setOwnAnnotations lists the keys of the template's labels on the Node, for admission policies.
func setOwnAnnotations(out *corev1.Node, labels map[string]string) {
	if len(labels) == 0 {
		delete(out.Annotations, v1alpha1.AnnotationTemplateLabels)
		return
	}
	out.Annotations[v1alpha1.AnnotationTemplateLabels] = strings.Join(slices.Sorted(maps.Keys(labels)), ",")
}

func isReserved(key, _ string) bool { return strings.HasPrefix(key, reservedPrefix) }

// without returns the values whose keys are not among others.
func without(values, others map[string]string) map[string]string {
	out := map[string]string{}
	for key, value := range values {
		if _, other := others[key]; !other {
			out[key] = value
		}
	}
	return out
}
