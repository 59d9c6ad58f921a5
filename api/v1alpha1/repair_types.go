package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Repair sets when nodes that do not work are replaced, and when they are not because too many do
// not work at once.
type Repair struct {
	// rules are the conditions of a Node for which it is replaced. A rule holds for Nodes that
	// have registered. If no rules are set, a node is replaced whose condition Ready is False or
	// Unknown for 15m.
	//
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=20
	// +listType=atomic
	// +optional
	Rules []RepairRule `json:"rules,omitempty"`

	// maxUnhealthy is the greatest number of nodes that may be unhealthy at the same time: a
	// number, or a percentage, rounded up. A node is unhealthy if a rule matches it, however
	// long it has done so, or if its agent is unreachable. If more of the pool's nodes are
	// unhealthy, none of them is replaced until there are fewer. The same holds for each zone
	// in which the pool has at least 3 nodes. With 0, no node is replaced, neither for a rule
	// nor because its agent is unreachable. Defaults to 20%.
	//
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 0 : self.matches('^(100|[1-9]?[0-9])%$')",message="maxUnhealthy must be a number that is not negative, or a percentage between 0% and 100%"
	// +optional
	MaxUnhealthy *intstr.IntOrString `json:"maxUnhealthy,omitempty"`
}

// RepairRule is a condition of a Node for which it is replaced.
type RepairRule struct {
	// condition is the type of a condition of the Node: Ready, or one that
	// node-problem-detector reports, such as KernelDeadlock.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=316
	Condition string `json:"condition"`

	// status is the status of the condition for which the node is replaced.
	//
	// +kubebuilder:validation:Enum="True";"False";Unknown
	Status corev1.ConditionStatus `json:"status"`

	// after is the time for which the condition must have had the status. It is at least 1m.
	// Defaults to 15m.
	//
	// +kubebuilder:default="15m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=duration
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^([0-9]+([.][0-9]+)?(h|m|s|ms))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m')",message="after must be at least 1m: most nodes recover by themselves"
	// +optional
	After *metav1.Duration `json:"after,omitempty"`
}
