package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// MesosNodePoolSpec asks for nodes of one kind.
//
// +kubebuilder:validation:XValidation:rule="has(self.replicas) || has(self.autoscaling)",fieldPath=.replicas,reason=FieldValueRequired,message="replicas or autoscaling is required: say how many nodes the pool holds, 0 for none, or let the pods say so"
// +kubebuilder:validation:XValidation:rule="!has(self.replicas) || !has(self.autoscaling)",fieldPath=.replicas,reason=FieldValueForbidden,message="the pool scales itself (spec.autoscaling is set), so its replicas are not to be set: change autoscaling.minReplicas and maxReplicas instead"
// +kubebuilder:validation:XValidation:rule="has(self.autoscaling) || !has(self.template.spec.shapes)",fieldPath=.template.spec.shapes,reason=FieldValueForbidden,message="shapes are chosen from by spec.autoscaling: set that, or give template.spec.resources instead"
// +kubebuilder:validation:XValidation:rule="!has(self.autoscaling) || !has(self.autoscaling.limits) || !has(self.autoscaling.limits.cpu) || !has(self.template.spec.resources) || double(self.autoscaling.minReplicas) * quantity(string(self.template.spec.resources.cpu)).asApproximateFloat() <= quantity(string(self.autoscaling.limits.cpu)).asApproximateFloat()",message="autoscaling.limits.cpu is less than minReplicas nodes take"
// +kubebuilder:validation:XValidation:rule="!has(self.autoscaling) || !has(self.autoscaling.limits) || !has(self.autoscaling.limits.memory) || !has(self.template.spec.resources) || double(self.autoscaling.minReplicas) * quantity(string(self.template.spec.resources.memory)).asApproximateFloat() <= quantity(string(self.autoscaling.limits.memory)).asApproximateFloat()",message="autoscaling.limits.memory is less than minReplicas nodes take"
type MesosNodePoolSpec struct {
	// FrameworkRef names the MesosFramework whose cluster the nodes come from.
	//
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="frameworkRef cannot be changed: the pool's nodes belong to that Mesos cluster; create another MesosNodePool instead"
	FrameworkRef FrameworkReference `json:"frameworkRef"`

	// Replicas is how many nodes the pool holds. kubectl scale sets it. A pool has
	// either this or autoscaling.
	//
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	// +optional
	Replicas *int32 `json:"replicas,omitempty"`

	// Autoscaling lets the pods that wait for a place say how many nodes the pool holds.
	//
	// +optional
	Autoscaling *Autoscaling `json:"autoscaling,omitempty"`

	// Template of the nodes. A change applies to nodes that are created after it, but for
	// the kubelet where spec.rollout.kubelet is InPlace.
	Template NodeTemplate `json:"template"`

	// Placement says on which agents nodes may be placed.
	//
	// +kubebuilder:default={}
	// +optional
	Placement Placement `json:"placement,omitempty"`

	// Drain says how pods leave a node that is going.
	//
	// +optional
	Drain Drain `json:"drain,omitempty"`

	// Rollout says how a change reaches nodes that run.
	//
	// +kubebuilder:default={}
	// +optional
	Rollout Rollout `json:"rollout,omitempty"`

	// Unreachable says what becomes of nodes that Mesos has lost sight of.
	//
	// +kubebuilder:default={}
	// +optional
	Unreachable Unreachable `json:"unreachable,omitempty"`

	// Paused, when true, stops creation and removal of the pool's nodes. What runs
	// runs on.
	//
	// +optional
	Paused bool `json:"paused,omitempty"`
}

// Rollout says how a change reaches nodes that run.
type Rollout struct {
	// Kubelet says what becomes of running nodes when the template, or the operator's
	// --node-runtime file, names another artifact "kubelet". OnReplacement: nothing, a node
	// keeps its kubelet until it is replaced. InPlace: the kubelet is exchanged and its pods
	// run on, if the new one is of the same minor release; one that does not make its Node
	// Ready is rolled back, and no other node gets it.
	//
	// +kubebuilder:validation:Enum=OnReplacement;InPlace
	// +kubebuilder:default=OnReplacement
	// +optional
	Kubelet KubeletRollout `json:"kubelet,omitempty"`

	// MaxUnavailable is how many of the pool's nodes may be not Ready, or in the midst of
	// an upgrade, at a time. While there are more, no upgrade is begun.
	//
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +optional
	MaxUnavailable int32 `json:"maxUnavailable,omitempty"`
}

// KubeletRollout is how another kubelet reaches nodes that run.
type KubeletRollout string

// The ways of rolling a kubelet out.
const (
	// KubeletOnReplacement leaves running nodes as they are.
	KubeletOnReplacement KubeletRollout = "OnReplacement"
	// KubeletInPlace exchanges the kubelets of running nodes.
	KubeletInPlace KubeletRollout = "InPlace"
)

// Unreachable says what becomes of nodes whose agent is cut off from the Mesos master.
type Unreachable struct {
	// ReplaceAfter is how long to wait for the agent to come back before the node is
	// replaced; 0s waits for ever. The node that is replaced keeps its Node object until
	// Mesos confirms that its task has ended; should its agent come back, it is drained
	// and killed. Mesos itself gives agents 10 minutes to return to a new master.
	//
	// +kubebuilder:default="15m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=duration
	// +kubebuilder:validation:Pattern=`^([0-9]+([.][0-9]+)?(h|m|s|ms))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) == duration('0s') || duration(self) >= duration('1m')",message="must be at least 1m, or 0s to wait for ever: most agents that are cut off come back"
	// +optional
	ReplaceAfter *metav1.Duration `json:"replaceAfter,omitempty"`
}

// FrameworkReference names a MesosFramework.
type FrameworkReference struct {
	// Name of the MesosFramework.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// MesosNodePoolStatus is what has become of the demand.
type MesosNodePoolStatus struct {
	// ObservedGeneration is the generation of the spec that this status speaks of.
	//
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Replicas counts the pool's MesosNodes that are not being deleted.
	//
	// +optional
	Replicas int32 `json:"replicas"`

	// ReadyReplicas counts those whose Node is Ready.
	//
	// +optional
	ReadyReplicas int32 `json:"readyReplicas"`

	// TerminatingReplicas counts the MesosNodes that are being drained and released.
	//
	// +optional
	TerminatingReplicas int32 `json:"terminatingReplicas,omitempty"`

	// Selector finds the pool's MesosNodes; the scale subresource gives it on.
	//
	// +optional
	Selector string `json:"selector,omitempty"`

	// Autoscaling tells what was decided last about a pool that scales itself.
	//
	// +optional
	Autoscaling *AutoscalingStatus `json:"autoscaling,omitempty"`

	// Conditions: FrameworkReady, TemplateValid, CapacityAvailable, Ready, and KubeletCurrent
	// where kubelets are upgraded in place.
	//
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// MesosNodePool asks for Kubernetes nodes of one kind from a Mesos cluster.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.replicas,statuspath=.status.replicas,selectorpath=.status.selector
// +kubebuilder:resource:scope=Cluster,shortName=mnp,categories=k8sm
// +kubebuilder:printcolumn:name="Desired",type=integer,JSONPath=`.spec.replicas`
// +kubebuilder:printcolumn:name="Current",type=integer,JSONPath=`.status.replicas`
// +kubebuilder:printcolumn:name="Nodes-Ready",type=integer,JSONPath=`.status.readyReplicas`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Framework",type=string,JSONPath=`.spec.frameworkRef.name`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 57",message="name must be at most 57 characters: nodes are named after the pool"
type MesosNodePool struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   MesosNodePoolSpec   `json:"spec"`
	Status MesosNodePoolStatus `json:"status,omitempty"`
}

// MesosNodePoolList is a list of MesosNodePools.
//
// +kubebuilder:object:root=true
type MesosNodePoolList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []MesosNodePool `json:"items"`
}
