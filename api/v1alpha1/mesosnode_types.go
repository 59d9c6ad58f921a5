package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// MesosNodeSpec is what one node was created to be. The pool writes it once.
//
// +kubebuilder:validation:XValidation:rule="!has(self.template.spec.shapes)",fieldPath=.template.spec.shapes,reason=FieldValueForbidden,message="a node has resources; shapes are for pools"
type MesosNodeSpec struct {
	// FrameworkRef names the MesosFramework that launches the node.
	FrameworkRef FrameworkReference `json:"frameworkRef"`

	// Template of the node, as the pool had it when the node was created.
	Template NodeTemplate `json:"template"`

	// Placement of the node, as the pool had it when the node was created.
	//
	// +optional
	Placement Placement `json:"placement,omitempty"`

	// Drain says how pods leave the node when it goes.
	//
	// +optional
	Drain Drain `json:"drain,omitempty"`
}

// MesosNodeStatus is the durable record of a node. What is launched in Mesos is
// written here first.
type MesosNodeStatus struct {
	// ObservedGeneration is the generation of the spec that this status speaks of.
	//
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Attempt counts the launches that were tried, the current one included. Each
	// has a task ID of its own.
	//
	// +optional
	Attempt int32 `json:"attempt,omitempty"`

	// Task is the Mesos task of the current attempt. It is written before Mesos is
	// asked to launch it.
	//
	// +optional
	Task *MesosTask `json:"task,omitempty"`

	// Failures are the agents on which an attempt failed lately, and until when they
	// are left out.
	//
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=agentID
	// +optional
	Failures []AgentFailure `json:"failures,omitempty"`

	// NodeName is the name of the Node, once it has registered.
	//
	// +optional
	NodeName string `json:"nodeName,omitempty"`

	// ProviderID of the Node: mesos://<agent ID>/<task ID>.
	//
	// +optional
	ProviderID string `json:"providerID,omitempty"`

	// KubeletUpgrade is the kubelet that the pool wants in the place of the one that runs.
	// The executor is told of it until it runs, or is refused.
	//
	// +optional
	KubeletUpgrade *Artifact `json:"kubeletUpgrade,omitempty"`

	// DrainStartTime is when the node was first told to go.
	//
	// +optional
	DrainStartTime *metav1.Time `json:"drainStartTime,omitempty"`

	// Conditions: Launched, Registered, Ready, KubeletCurrent where kubelets are upgraded in
	// place, and Drained when the node is going.
	//
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// MesosTask is a node as Mesos knows it.
type MesosTask struct {
	// ID of the task, and of its executor. It is never used again.
	ID string `json:"id"`

	// AgentID of the agent that the task is placed on.
	AgentID string `json:"agentID"`

	// AgentHostname is the agent's host name.
	//
	// +optional
	AgentHostname string `json:"agentHostname,omitempty"`

	// AgentAddress is the agent's IP address, as its offer told. The kubelet's
	// serving certificate is approved for this address.
	//
	// +optional
	AgentAddress string `json:"agentAddress,omitempty"`

	// KubeletPort is the port, out of the offer, that the kubelet serves on.
	//
	// +optional
	KubeletPort int32 `json:"kubeletPort,omitempty"`

	// Region and Zone of the agent's fault domain, when it has one.
	//
	// +optional
	Region string `json:"region,omitempty"`
	// +optional
	Zone string `json:"zone,omitempty"`

	// BootstrapTokenID is the public part of the token with which the kubelet asks
	// for its first certificate. Empty once the node runs or the task has ended: the
	// token is then revoked.
	//
	// +optional
	BootstrapTokenID string `json:"bootstrapTokenID,omitempty"`

	// CertificateRequest names the CertificateSigningRequest that the bootstrap token
	// was spent on. It is good for no other.
	//
	// +optional
	CertificateRequest string `json:"certificateRequest,omitempty"`

	// State is the last state that Mesos told (TASK_STAGING, TASK_RUNNING, …). Empty
	// while only the intent is written.
	//
	// +optional
	State string `json:"state,omitempty"`

	// Reason that Mesos gave with the state.
	//
	// +optional
	Reason string `json:"reason,omitempty"`

	// Message that Mesos or the executor gave with the state.
	//
	// +kubebuilder:validation:MaxLength=4096
	// +optional
	Message string `json:"message,omitempty"`

	// Kubelet is what the executor tells of its kubelet, since the node was first Ready.
	//
	// +optional
	Kubelet *TaskKubelet `json:"kubelet,omitempty"`

	// IntentTime is when the intent to launch was written.
	IntentTime metav1.Time `json:"intentTime"`

	// UpdateTime is when the state was last told.
	//
	// +optional
	UpdateTime *metav1.Time `json:"updateTime,omitempty"`
}

// TaskKubelet is a kubelet as its executor tells of it.
type TaskKubelet struct {
	// SHA256 of the artifact that the running kubelet is. Empty if it came in an archive.
	//
	// +optional
	SHA256 string `json:"sha256,omitempty"`

	// Upgrade is the kubelet that is to take its place, and has not, or not yet.
	//
	// +optional
	Upgrade *TaskKubeletUpgrade `json:"upgrade,omitempty"`
}

// TaskKubeletUpgrade is how an upgrade in place fares.
type TaskKubeletUpgrade struct {
	// SHA256 of the artifact that is to run.
	SHA256 string `json:"sha256"`

	// Refused: it came to nothing, and is not tried again.
	//
	// +optional
	Refused bool `json:"refused,omitempty"`

	// Message says what is being done, or why it came to nothing.
	//
	// +kubebuilder:validation:MaxLength=4096
	// +optional
	Message string `json:"message,omitempty"`
}

// AgentFailure is an agent that is left out for a while.
type AgentFailure struct {
	// AgentID of the agent.
	AgentID string `json:"agentID"`

	// Count of the attempts that failed on it in a row.
	Count int32 `json:"count"`

	// Until when no attempt is made on it.
	Until metav1.Time `json:"until"`

	// Reason of the last failure.
	//
	// +optional
	Reason string `json:"reason,omitempty"`

	// Message that came with it.
	//
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Message string `json:"message,omitempty"`
}

// MesosNode is one Kubernetes node on a Mesos agent, from demand to gone. Pools
// create and delete them; delete one by hand to have it replaced.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=mn,categories=k8sm
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Agent",type=string,JSONPath=`.status.task.agentHostname`
// +kubebuilder:printcolumn:name="Task",type=string,JSONPath=`.status.task.state`
// +kubebuilder:printcolumn:name="Node",type=string,JSONPath=`.status.nodeName`
// +kubebuilder:printcolumn:name="Pool",type=string,JSONPath=`.metadata.labels.k8sm\.io/pool`,priority=1
// +kubebuilder:printcolumn:name="Task-ID",type=string,JSONPath=`.status.task.id`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="name must be at most 63 characters: the Node bears it"
type MesosNode struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec cannot be changed: edit the pool's template, and delete the MesosNode to
	// have it replaced.
	//
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a MesosNode's spec cannot be changed: edit the template of its MesosNodePool, then delete this MesosNode to have it replaced"
	Spec   MesosNodeSpec   `json:"spec"`
	Status MesosNodeStatus `json:"status,omitempty"`
}

// MesosNodeList is a list of MesosNodes.
//
// +kubebuilder:object:root=true
type MesosNodeList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []MesosNode `json:"items"`
}
