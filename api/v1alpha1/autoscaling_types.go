package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Autoscaling lets the pods that wait for a place say how many nodes a pool holds. No
// spec is written: what is there stands in the status.
//
// +kubebuilder:validation:XValidation:rule="!has(self.maxReplicas) || self.minReplicas <= self.maxReplicas",message="minReplicas must not be greater than maxReplicas"
type Autoscaling struct {
	// MinReplicas is how many nodes there are at least, whether pods need them or not.
	//
	// +kubebuilder:default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	// +optional
	MinReplicas int32 `json:"minReplicas"`

	// MaxReplicas is how many nodes there are at most. Left out, as many as the Mesos
	// cluster can give.
	//
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	// +optional
	MaxReplicas *int32 `json:"maxReplicas,omitempty"`

	// Limits of what all nodes of the pool together take from Mesos.
	//
	// +optional
	Limits AutoscalingLimits `json:"limits,omitzero"`

	// Weight of the pool where pods fit several: the heaviest is tried first.
	//
	// +kubebuilder:default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	// +optional
	Weight int32 `json:"weight"`

	// Batch says how long pods are gathered before it is decided what nodes they need.
	// Of several pools the most impatient counts.
	//
	// +kubebuilder:default={}
	// +optional
	Batch AutoscalingBatch `json:"batch,omitempty"`

	// ScaleDown says when nodes go.
	//
	// +kubebuilder:default={}
	// +optional
	ScaleDown ScaleDown `json:"scaleDown,omitempty"`
}

// AutoscalingLimits bound a pool by more than the number of its nodes.
type AutoscalingLimits struct {
	// CPU in cores.
	//
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('0')) > 0",message="limits.cpu must be greater than 0"
	// +optional
	CPU *resource.Quantity `json:"cpu,omitempty"`

	// Memory in bytes.
	//
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('0')) > 0",message="limits.memory must be greater than 0"
	// +optional
	Memory *resource.Quantity `json:"memory,omitempty"`
}

// AutoscalingBatch is how long pods are gathered.
//
// +kubebuilder:validation:XValidation:rule="!has(self.idle) || !has(self.max) || duration(self.idle) <= duration(self.max)",message="idle must not be longer than max"
type AutoscalingBatch struct {
	// Idle is how long no further pod may have come before it is decided.
	//
	// +kubebuilder:default="500ms"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=duration
	// +kubebuilder:validation:Pattern=`^([0-9]+([.][0-9]+)?(h|m|s|ms))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) <= duration('1m')",message="idle must be at most 1m: pods wait for it"
	// +optional
	Idle *metav1.Duration `json:"idle,omitempty"`

	// Max is after how long it is decided although pods keep coming.
	//
	// +kubebuilder:default="5s"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=duration
	// +kubebuilder:validation:Pattern=`^([0-9]+([.][0-9]+)?(h|m|s|ms))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) <= duration('5m')",message="max must be at most 5m: pods wait for it"
	// +optional
	Max *metav1.Duration `json:"max,omitempty"`
}

// ScaleDown says which nodes go, and how soon.
type ScaleDown struct {
	// ConsolidationPolicy: WhenEmpty removes nodes that hold no pod but those of
	// DaemonSets and static ones; WhenEmptyOrUnderutilized also those whose pods all fit
	// elsewhere.
	//
	// +kubebuilder:default=WhenEmptyOrUnderutilized
	// +kubebuilder:validation:Enum=WhenEmpty;WhenEmptyOrUnderutilized
	// +optional
	ConsolidationPolicy ConsolidationPolicy `json:"consolidationPolicy,omitempty"`

	// ConsolidateAfter is how long a node must have been empty, or under-used, before it
	// goes.
	//
	// +kubebuilder:default="5m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=duration
	// +kubebuilder:validation:Pattern=`^([0-9]+([.][0-9]+)?(h|m|s|ms))+$`
	// +optional
	ConsolidateAfter *metav1.Duration `json:"consolidateAfter,omitempty"`

	// UtilizationThreshold in percent: a node is under-used while its pods ask for less
	// than this of its cpu, and of its memory.
	//
	// +kubebuilder:default=50
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	// +optional
	UtilizationThreshold *int32 `json:"utilizationThreshold,omitempty"`

	// MinNodeLifetime is how long a node is left alone after it was created.
	//
	// +kubebuilder:default="10m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=duration
	// +kubebuilder:validation:Pattern=`^([0-9]+([.][0-9]+)?(h|m|s|ms))+$`
	// +optional
	MinNodeLifetime *metav1.Duration `json:"minNodeLifetime,omitempty"`

	// AfterGrowth is how long the pool does not shrink after it has grown.
	//
	// +kubebuilder:default="10m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=duration
	// +kubebuilder:validation:Pattern=`^([0-9]+([.][0-9]+)?(h|m|s|ms))+$`
	// +optional
	AfterGrowth *metav1.Duration `json:"afterGrowth,omitempty"`

	// Budget is how many of the pool's nodes may be on their way out at once: a number,
	// or a percentage of its nodes, rounded up.
	//
	// +kubebuilder:default="10%"
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 0 : self.matches('^(100|[1-9]?[0-9])%$')",message="budget must be a number that is not negative, or a percentage between 0% and 100%"
	// +optional
	Budget *intstr.IntOrString `json:"budget,omitempty"`
}

// ConsolidationPolicy says which nodes may go.
type ConsolidationPolicy string

// The consolidation policies.
const (
	// WhenEmpty removes nodes that nobody needs.
	WhenEmpty ConsolidationPolicy = "WhenEmpty"
	// WhenEmptyOrUnderutilized also removes those whose pods fit elsewhere.
	WhenEmptyOrUnderutilized ConsolidationPolicy = "WhenEmptyOrUnderutilized"
)

// NodeShape is a size that a node may have.
type NodeShape struct {
	// Name of the shape.
	//
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')",message="a shape's name is made of lower-case letters, digits and '-', and begins and ends with a letter or digit"
	Name string `json:"name"`

	// Resources that a node of the shape takes from one Mesos agent.
	Resources NodeResources `json:"resources"`

	// Preference: a shape of a higher one is taken as long as there is room for it,
	// whatever is wasted.
	//
	// +kubebuilder:default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	// +optional
	Preference int32 `json:"preference"`
}

// AutoscalingStatus is what the autoscaler decided last about a pool, and why.
type AutoscalingStatus struct {
	// LastDecision that changed something, or refused to.
	//
	// +optional
	LastDecision *AutoscalingDecision `json:"lastDecision,omitempty"`

	// Shortage says why the pool cannot grow although pods wait that it could hold;
	// empty when nothing is known to be in the way.
	//
	// +optional
	Shortage string `json:"shortage,omitempty"`

	// BackOffUntil is until when the pool does not grow, because its last nodes did not
	// come up. When that is over it grows by one node at a time, until one is ready.
	//
	// +optional
	BackOffUntil *metav1.Time `json:"backOffUntil,omitempty"`

	// Failures is how often in a row nodes of the pool did not come up.
	//
	// +optional
	Failures int32 `json:"failures,omitempty"`
}

// AutoscalingAction is what was decided.
type AutoscalingAction string

// The actions.
const (
	// AutoscalingGrow creates nodes.
	AutoscalingGrow AutoscalingAction = "Grow"
	// AutoscalingShrink removes nodes.
	AutoscalingShrink AutoscalingAction = "Shrink"
	// AutoscalingHold does neither, although pods wait.
	AutoscalingHold AutoscalingAction = "Hold"
)

// AutoscalingDecision is one decision of the autoscaler.
type AutoscalingDecision struct {
	// Time of the decision.
	Time metav1.Time `json:"time"`

	// Action: Grow, Shrink or Hold.
	Action AutoscalingAction `json:"action"`

	// Nodes that are created or removed by it.
	//
	// +optional
	Nodes int32 `json:"nodes"`

	// Cause of the decision.
	//
	// +optional
	Cause string `json:"cause,omitempty"`

	// Inputs of the decision.
	//
	// +optional
	Inputs AutoscalingInputs `json:"inputs,omitempty"`
}

// AutoscalingInputs are what a decision went by.
type AutoscalingInputs struct {
	// PendingPods that waited for a place, in the whole cluster.
	PendingPods int32 `json:"pendingPods"`

	// Nodes of the pool, those in flight included, those that are leaving not.
	Nodes int32 `json:"nodes"`

	// InFlight are those of the nodes that were not ready yet.
	InFlight int32 `json:"inFlight"`
}
