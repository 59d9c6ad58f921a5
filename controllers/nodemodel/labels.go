package nodemodel

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// Labels returns the labels of a Node: those of the template, and OwnLabels. The node must have a
// task.
func Labels(node *v1alpha1.MesosNode) map[string]string {
	out := OwnLabels(node)
	for key, value := range node.Spec.Template.Metadata.Labels {
		if _, own := out[key]; !own {
			out[key] = value
		}
	}
	return out
}

// OwnLabels returns the labels of a Node that hold its location and its owner. The node must have
// a task.
func OwnLabels(node *v1alpha1.MesosNode) map[string]string {
	out := map[string]string{}
	task := node.Status.Task
	for key, value := range map[string]string{
		v1alpha1.LabelPool:          node.Labels[v1alpha1.LabelPool],
		v1alpha1.LabelFramework:     node.Spec.FrameworkRef.Name,
		v1alpha1.LabelShape:         node.Labels[v1alpha1.LabelShape],
		v1alpha1.LabelAgentID:       task.AgentID,
		v1alpha1.LabelAgentHostname: task.AgentHostname,
		corev1.LabelTopologyRegion:  task.Region,
		corev1.LabelTopologyZone:    task.Zone,
	} {
		if fit := labelValue(value); fit != "" {
			out[key] = fit
		}
	}
	return out
}

// labelValue makes a value fit for a label: what Kubernetes does not allow becomes '-'.
func labelValue(s string) string {
	s = strings.Map(func(r rune) rune {
		if strings.ContainsRune("-_.", r) || isAlphanumeric(r) {
			return r
		}
		return '-'
	}, s)
	s = strings.TrimLeft(s, "-_.")
	return strings.TrimRight(s[:min(len(s), validation.LabelValueMaxLength)], "-_.")
}

func isAlphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}
