package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Autoscaling sizes a pool by the pods that wait for a node. The autoscaler never writes
// the spec of the pool. The present number of nodes is in status.replicas.
//
// +kubebuilder:validation:XValidation:rule="!has(self.maxReplicas) || self.minReplicas <= self.maxReplicas",message="minReplicas must not be greater than maxReplicas"
type Autoscaling struct {
	// minReplicas is the least number of nodes in the pool. The pool holds this many even
	// if no pod needs them. Defaults to 0.
	//
	// +kubebuilder:default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	// +optional
	MinReplicas int32 `json:"minReplicas"`

	// maxReplicas is the greatest number of nodes in the pool. If it is not set, only
	// limits and the free resources of the Mesos cluster bound the pool.
	//
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	// +optional
	MaxReplicas *int32 `json:"maxReplicas,omitempty"`

	// limits bounds the resources that all nodes of the pool together take from Mesos.
	//
	// +optional
	Limits AutoscalingLimits `json:"limits,omitzero"`

	// weight orders pools when pods fit more than one of them. The autoscaler tries the
	// pool with the highest weight first. Defaults to 0.
	//
	// +kubebuilder:default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	// +optional
	Weight int32 `json:"weight"`

	// batch sets the time for which the autoscaler gathers pods before it decides which
	// nodes they need. If several pools set it, the shortest times apply to all of them.
	//
	// +kubebuilder:default={}
	// +optional
	Batch AutoscalingBatch `json:"batch,omitempty"`

	// scaleDown sets which nodes the autoscaler removes, and when.
	//
	// +kubebuilder:default={}
	// +optional
	ScaleDown ScaleDown `json:"scaleDown,omitempty"`
}

// AutoscalingLimits bounds the resources of a pool, in addition to the number of its
// nodes.
type AutoscalingLimits struct {
	// cpu is the greatest amount of CPU, in cores. If it is not set, CPU is not limited.
	//
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('0')) > 0",message="limits.cpu must be greater than 0"
	// +optional
	CPU *resource.Quantity `json:"cpu,omitempty"`

	// memory is the greatest amount of memory, in bytes. If it is not set, memory is not
	// limited.
	//
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('0')) > 0",message="limits.memory must be greater than 0"
	// +optional
	Memory *resource.Quantity `json:"memory,omitempty"`
}

// AutoscalingBatch sets the time for which the autoscaler gathers pods before it
// decides.
//
// +kubebuilder:validation:XValidation:rule="!has(self.idle) || !has(self.max) || duration(self.idle) <= duration(self.max)",message="idle must not be longer than max"
type AutoscalingBatch struct {
	// idle is the time without a further pod after which the autoscaler decides. It is at
	// most 1m. Defaults to 500ms.
	//
	// +kubebuilder:default="500ms"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=duration
	// +kubebuilder:validation:Pattern=`^([0-9]+([.][0-9]+)?(h|m|s|ms))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) <= duration('1m')",message="idle must be at most 1m: pods wait for it"
	// +optional
	Idle *metav1.Duration `json:"idle,omitempty"`

	// max is the time after which the autoscaler decides even if more pods keep coming.
	// It is at most 5m. Defaults to 5s.
	//
	// +kubebuilder:default="5s"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=duration
	// +kubebuilder:validation:Pattern=`^([0-9]+([.][0-9]+)?(h|m|s|ms))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) <= duration('5m')",message="max must be at most 5m: pods wait for it"
	// +optional
	Max *metav1.Duration `json:"max,omitempty"`
}

// ScaleDown sets which nodes of a pool the autoscaler removes, and when.
type ScaleDown struct {
	// consolidationPolicy selects the nodes that the autoscaler may remove. WhenEmpty
	// selects nodes without pods; static pods and pods of DaemonSets do not count.
	// WhenEmptyOrUnderutilized also selects under-used nodes whose pods all fit on other
	// nodes. Defaults to WhenEmptyOrUnderutilized.
	//
	// +kubebuilder:default=WhenEmptyOrUnderutilized
	// +kubebuilder:validation:Enum=WhenEmpty;WhenEmptyOrUnderutilized
	// +optional
	ConsolidationPolicy ConsolidationPolicy `json:"consolidationPolicy,omitempty"`

	// consolidateAfter is the time for which a node must have been empty or under-used
	// before the autoscaler removes it. Defaults to 5m.
	//
	// +kubebuilder:default="5m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=duration
	// +kubebuilder:validation:Pattern=`^([0-9]+([.][0-9]+)?(h|m|s|ms))+$`
	// +optional
	ConsolidateAfter *metav1.Duration `json:"consolidateAfter,omitempty"`

	// utilizationThreshold is a percentage. A node is under-used if its pods request less
	// than this percentage of its CPU and less than this percentage of its memory.
	// Defaults to 50.
	//
	// +kubebuilder:default=50
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	// +optional
	UtilizationThreshold *int32 `json:"utilizationThreshold,omitempty"`

	// minNodeLifetime is the time after its creation for which the autoscaler does not
	// remove a node. Defaults to 10m.
	//
	// +kubebuilder:default="10m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=duration
	// +kubebuilder:validation:Pattern=`^([0-9]+([.][0-9]+)?(h|m|s|ms))+$`
	// +optional
	MinNodeLifetime *metav1.Duration `json:"minNodeLifetime,omitempty"`

	// afterGrowth is the time after a growth of the pool for which the autoscaler does
	// not shrink it. Defaults to 10m.
	//
	// +kubebuilder:default="10m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=duration
	// +kubebuilder:validation:Pattern=`^([0-9]+([.][0-9]+)?(h|m|s|ms))+$`
	// +optional
	AfterGrowth *metav1.Duration `json:"afterGrowth,omitempty"`

	// budget is deprecated: use spec.disruption.budgets. A budget that was set before that
	// existed applies to the reasons Empty and Underutilized as long as
	// spec.disruption.budgets is not set.
	//
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="oldSelf.hasValue() && self == oldSelf.value()",optionalOldSelf=true,message="budget has been replaced by spec.disruption.budgets: set nodes there, with the reasons Empty and Underutilized"
	// +optional
	Budget *intstr.IntOrString `json:"budget,omitempty"`
}

// ConsolidationPolicy selects the nodes that the autoscaler may remove.
type ConsolidationPolicy string

// The consolidation policies.
const (
	// WhenEmpty selects nodes without pods. Static pods and pods of DaemonSets do not
	// count.
	WhenEmpty ConsolidationPolicy = "WhenEmpty"
	// WhenEmptyOrUnderutilized also selects under-used nodes whose pods all fit on other
	// nodes.
	WhenEmptyOrUnderutilized ConsolidationPolicy = "WhenEmptyOrUnderutilized"
)

// NodeShape is one size of node that the autoscaler may choose.
type NodeShape struct {
	// name is the name of the shape. It is unique within the template.
	//
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')",message="a shape's name is made of lower-case letters, digits and '-', and begins and ends with a letter or digit"
	Name string `json:"name"`

	// resources are the amounts that a node of this shape takes from one Mesos agent.
	Resources NodeResources `json:"resources"`

	// preference orders the shapes of a template. The autoscaler takes the shape with the
	// highest preference that Mesos has room for, even if another shape wastes less.
	// Defaults to 0.
	//
	// +kubebuilder:default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	// +optional
	Preference int32 `json:"preference"`
}

// AutoscalingStatus is the last decision of the autoscaler about a pool, with its cause.
type AutoscalingStatus struct {
	// lastDecision is the last decision that changed the pool, or that left it unchanged
	// although pods waited.
	//
	// +optional
	LastDecision *AutoscalingDecision `json:"lastDecision,omitempty"`

	// shortage is the reason why the pool cannot grow although pods that it could hold
	// are waiting. It is empty if no obstacle is known.
	//
	// +optional
	Shortage string `json:"shortage,omitempty"`

	// backOffUntil is the time until which the pool does not grow, because its last nodes
	// did not become ready. After it, the pool grows by one node at a time until one node
	// is ready.
	//
	// +optional
	BackOffUntil *metav1.Time `json:"backOffUntil,omitempty"`

	// failures is the number of consecutive failures of nodes of the pool to become
	// ready.
	//
	// +optional
	Failures int32 `json:"failures,omitempty"`
}

// AutoscalingAction is the kind of a decision of the autoscaler.
type AutoscalingAction string

// The actions.
const (
	// AutoscalingGrow means that nodes were created.
	AutoscalingGrow AutoscalingAction = "Grow"
	// AutoscalingShrink means that nodes were removed.
	AutoscalingShrink AutoscalingAction = "Shrink"
	// AutoscalingHold means that the pool was left unchanged although pods waited.
	AutoscalingHold AutoscalingAction = "Hold"
)

// AutoscalingDecision is one decision of the autoscaler.
type AutoscalingDecision struct {
	// time is the time of the decision.
	Time metav1.Time `json:"time"`

	// action is Grow, Shrink or Hold.
	Action AutoscalingAction `json:"action"`

	// nodes is the number of nodes that the decision creates or removes.
	//
	// +optional
	Nodes int32 `json:"nodes"`

	// cause is a human-readable reason for the decision.
	//
	// +optional
	Cause string `json:"cause,omitempty"`

	// inputs are the counts on which the decision was based.
	//
	// +optional
	Inputs AutoscalingInputs `json:"inputs,omitempty"`
}

// AutoscalingInputs are the counts on which a decision of the autoscaler was based.
type AutoscalingInputs struct {
	// pendingPods is the number of pods in the whole cluster that waited for a node.
	PendingPods int32 `json:"pendingPods"`

	// nodes is the number of nodes in the pool. Nodes that are not ready yet count; nodes
	// that are leaving do not.
	Nodes int32 `json:"nodes"`

	// inFlight is the number of these nodes that were not ready yet.
	InFlight int32 `json:"inFlight"`
}
