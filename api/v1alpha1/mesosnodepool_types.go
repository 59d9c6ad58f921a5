package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// MesosNodePoolSpec is the desired state of a pool of nodes of one kind.
//
// +kubebuilder:validation:XValidation:rule="has(self.replicas) || has(self.autoscaling)",fieldPath=.replicas,reason=FieldValueRequired,message="replicas or autoscaling is required: set replicas to the number of nodes (0 for none), or set autoscaling to size the pool by its pods"
// +kubebuilder:validation:XValidation:rule="!has(self.replicas) || !has(self.autoscaling)",fieldPath=.replicas,reason=FieldValueForbidden,message="replicas must not be set while spec.autoscaling is set: change autoscaling.minReplicas and maxReplicas instead"
// +kubebuilder:validation:XValidation:rule="!has(self.deletionOrder) || !has(self.autoscaling)",fieldPath=.deletionOrder,reason=FieldValueForbidden,message="deletionOrder must not be set while spec.autoscaling is set: the autoscaler removes the nodes that the pods need least"
// +kubebuilder:validation:XValidation:rule="has(self.autoscaling) || !has(self.template.spec.shapes)",fieldPath=.template.spec.shapes,reason=FieldValueForbidden,message="shapes need spec.autoscaling: set it, or set template.spec.resources instead of shapes"
// +kubebuilder:validation:XValidation:rule="!has(self.autoscaling) || !has(self.autoscaling.limits) || !has(self.autoscaling.limits.cpu) || !has(self.template.spec.resources) || double(self.autoscaling.minReplicas) * quantity(string(self.template.spec.resources.cpu)).asApproximateFloat() <= quantity(string(self.autoscaling.limits.cpu)).asApproximateFloat()",message="autoscaling.limits.cpu must not be less than the cpu of minReplicas nodes"
// +kubebuilder:validation:XValidation:rule="!has(self.autoscaling) || !has(self.autoscaling.limits) || !has(self.autoscaling.limits.memory) || !has(self.template.spec.resources) || double(self.autoscaling.minReplicas) * quantity(string(self.template.spec.resources.memory)).asApproximateFloat() <= quantity(string(self.autoscaling.limits.memory)).asApproximateFloat()",message="autoscaling.limits.memory must not be less than the memory of minReplicas nodes"
type MesosNodePoolSpec struct {
	// frameworkRef is a reference to the MesosFramework of the Mesos cluster that
	// provides the nodes. It cannot be changed.
	//
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="frameworkRef cannot be changed: the pool's nodes belong to that Mesos cluster; create another MesosNodePool instead"
	FrameworkRef FrameworkReference `json:"frameworkRef"`

	// replicas is the number of nodes in the pool. kubectl scale sets it. A pool has
	// either replicas or autoscaling.
	//
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	// +optional
	Replicas *int32 `json:"replicas,omitempty"`

	// autoscaling sizes the pool by the pods that wait for a node. A pool has either
	// replicas or autoscaling.
	//
	// +optional
	Autoscaling *Autoscaling `json:"autoscaling,omitempty"`

	// template describes the nodes of the pool. A change of labels, annotations or taints
	// reaches running nodes in place. Other changes make the running nodes outdated, and
	// spec.rollout sets how they are replaced. Startup taints concern new nodes only.
	//
	// +kubebuilder:validation:XValidation:rule="!has(self.spec.runtime) || !has(self.spec.runtime.artifacts) || self.spec.runtime.artifacts.all(a, !a.uri.matches('^https?://[^/]*@')) || (oldSelf.hasValue() && has(oldSelf.value().spec.runtime) && has(oldSelf.value().spec.runtime.artifacts) && oldSelf.value().spec.runtime.artifacts == self.spec.runtime.artifacts)",optionalOldSelf=true,fieldPath=.spec.runtime.artifacts,message="a uri must not hold a user name or a password, which everybody reads who may see this object: have the operator's --node-runtime file name a mirror and its mirrorCredentials"
	Template NodeTemplate `json:"template"`

	// placement selects the agents on which nodes may be placed.
	//
	// +kubebuilder:validation:XValidation:rule="!has(self.constraints) || self.constraints.all(c, !c.attribute.startsWith('@') || c.attribute in ['@hostname', '@region', '@zone'] || (oldSelf.hasValue() && has(oldSelf.value().constraints) && oldSelf.value().constraints.exists(o, o.attribute == c.attribute)))",optionalOldSelf=true,fieldPath=.constraints,message="an attribute that begins with @ is @hostname, @region or @zone"
	// +kubebuilder:default={}
	// +optional
	Placement Placement `json:"placement,omitempty"`

	// drain sets how pods are evicted from a node before it is removed.
	//
	// +optional
	Drain Drain `json:"drain,omitempty"`

	// rollout sets how a change of the template reaches running nodes.
	//
	// +kubebuilder:default={}
	// +optional
	Rollout Rollout `json:"rollout,omitempty"`

	// disruption sets when nodes are removed that could stay, and how many at a time.
	//
	// +optional
	Disruption Disruption `json:"disruption,omitempty"`

	// deletionOrder sets which nodes go first when replicas becomes smaller, among nodes that
	// nothing else distinguishes: Newest or Oldest. Before the age these count: how far the
	// node has come, the annotations k8sm.io/delete and k8sm.io/deletion-cost, whether it is
	// outdated or expired, and how many nodes its zone has. Defaults to Newest.
	//
	// +kubebuilder:validation:Enum=Newest;Oldest
	// +optional
	DeletionOrder DeletionOrder `json:"deletionOrder,omitempty"`

	// unreachable sets what happens to nodes whose agent has lost its connection to the
	// Mesos master.
	//
	// +kubebuilder:default={}
	// +optional
	Unreachable Unreachable `json:"unreachable,omitempty"`

	// repair sets when nodes that do not work are replaced, and when they are not because too
	// many do not work at once.
	//
	// +optional
	Repair Repair `json:"repair,omitempty"`

	// paused stops the creation and removal of the pool's nodes if it is true. Running
	// nodes keep running. Defaults to false.
	//
	// +optional
	Paused bool `json:"paused,omitempty"`
}

// Unreachable sets what happens to nodes whose agent has lost its connection to the
// Mesos master.
type Unreachable struct {
	// replaceAfter is the time for which the pool waits for the agent to come back before
	// it replaces the node, unless repair.maxUnhealthy forbids it. It is at least 1m, or 0s
	// to wait for ever. The old Node
	// object stays until Mesos confirms that its task has ended. If the agent comes back
	// later, the old node is drained and killed. Mesos itself gives agents 10 minutes to
	// return to a new master. Defaults to 15m.
	//
	// +kubebuilder:default="15m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=duration
	// +kubebuilder:validation:Pattern=`^([0-9]+([.][0-9]+)?(h|m|s|ms))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) == duration('0s') || duration(self) >= duration('1m')",message="must be at least 1m, or 0s to wait for ever: most disconnected agents come back"
	// +optional
	ReplaceAfter *metav1.Duration `json:"replaceAfter,omitempty"`
}

// FrameworkReference is a reference to a MesosFramework.
type FrameworkReference struct {
	// name is the name of the MesosFramework.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// MesosNodePoolStatus is the observed state of the pool.
type MesosNodePoolStatus struct {
	// observedGeneration is the generation of the spec that this status describes.
	//
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// replicas is the number of the pool's MesosNodes that are not being deleted.
	//
	// +optional
	Replicas int32 `json:"replicas"`

	// readyReplicas is the number of these MesosNodes whose Node is Ready.
	//
	// +optional
	ReadyReplicas int32 `json:"readyReplicas"`

	// terminatingReplicas is the number of the pool's MesosNodes that are being drained
	// and released.
	//
	// +optional
	TerminatingReplicas int32 `json:"terminatingReplicas,omitempty"`

	// updatedReplicas is the number of these MesosNodes that are of the current revision.
	//
	// +optional
	UpdatedReplicas int32 `json:"updatedReplicas,omitempty"`

	// outdatedReplicas is the number of these MesosNodes that are of another revision.
	//
	// +optional
	OutdatedReplicas int32 `json:"outdatedReplicas,omitempty"`

	// currentRevision is the revision of new nodes. It changes if a change of the template,
	// or of what the operator gives to every node, needs other nodes. MesosNodes have theirs
	// in the label k8sm.io/revision.
	//
	// +optional
	CurrentRevision string `json:"currentRevision,omitempty"`

	// lastProgressTime is the time when the replacement of nodes began, or went on after it had
	// been held back. It is not set while nothing is replaced.
	//
	// +optional
	LastProgressTime *metav1.Time `json:"lastProgressTime,omitempty"`

	// selector is the label selector of the pool's MesosNodes. The scale subresource
	// returns it.
	//
	// +optional
	Selector string `json:"selector,omitempty"`

	// autoscaling is the last decision of the autoscaler. It is only set for pools with
	// autoscaling.
	//
	// +optional
	Autoscaling *AutoscalingStatus `json:"autoscaling,omitempty"`

	// conditions are the conditions FrameworkReady, TemplateValid, CapacityAvailable, UpToDate,
	// RepairPermitted and Ready. KubeletCurrent is also present if kubelets are upgraded in place, and
	// AutoscalingPermitted if the pool has autoscaling. PlacementValid is present if a
	// constraint names what does not exist.
	//
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// MesosNodePool requests Kubernetes nodes of one kind from a Mesos cluster.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.replicas,statuspath=.status.replicas,selectorpath=.status.selector
// +kubebuilder:resource:scope=Cluster,shortName=mnp,categories=k8sm
// +kubebuilder:printcolumn:name="Desired",type=integer,JSONPath=`.spec.replicas`
// +kubebuilder:printcolumn:name="Current",type=integer,JSONPath=`.status.replicas`
// +kubebuilder:printcolumn:name="Nodes-Ready",type=integer,JSONPath=`.status.readyReplicas`
// +kubebuilder:printcolumn:name="Up-To-Date",type=integer,JSONPath=`.status.updatedReplicas`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Framework",type=string,JSONPath=`.spec.frameworkRef.name`,priority=1
// +kubebuilder:printcolumn:name="Outdated",type=integer,JSONPath=`.status.outdatedReplicas`,priority=1
// +kubebuilder:printcolumn:name="Revision",type=string,JSONPath=`.status.currentRevision`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 57",message="name must be at most 57 characters: the names of its nodes begin with it"
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
