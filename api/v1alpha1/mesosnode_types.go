package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// MesosNodeSpec is the desired state of one node. The pool writes it once, when it
// creates the node.
//
// +kubebuilder:validation:XValidation:rule="!has(self.template.spec.shapes)",fieldPath=.template.spec.shapes,reason=FieldValueForbidden,message="shapes must not be set on a MesosNode: set resources instead; only a MesosNodePool can have shapes"
type MesosNodeSpec struct {
	// frameworkRef is a reference to the MesosFramework that launches the node.
	FrameworkRef FrameworkReference `json:"frameworkRef"`

	// template is a copy of the pool's template from the time when the node was created.
	Template NodeTemplate `json:"template"`

	// placement is a copy of the pool's placement from the time when the node was
	// created.
	//
	// +optional
	Placement Placement `json:"placement,omitempty"`

	// drain sets how pods are evicted from the node before it is removed, as the pool had it
	// when the node was created. While the pool exists, its present drain counts, except for
	// killGracePeriod.
	//
	// +optional
	Drain Drain `json:"drain,omitempty"`
}

// MesosNodeStatus is the durable record of a node. The operator writes a launch here
// before it sends the launch to Mesos.
type MesosNodeStatus struct {
	// observedGeneration is the generation of the spec that this status describes.
	//
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// attempt is the number of attempts to launch the node, including the current one.
	// Each attempt has its own task ID.
	//
	// +optional
	Attempt int32 `json:"attempt,omitempty"`

	// task is the Mesos task of the current attempt. The operator writes it before it
	// asks Mesos to launch the task.
	//
	// +optional
	Task *MesosTask `json:"task,omitempty"`

	// failures lists the agents on which an attempt failed recently, and the time until
	// which the operator does not use them.
	//
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=agentID
	// +optional
	Failures []AgentFailure `json:"failures,omitempty"`

	// nodeName is the name of the Node. It is set once the kubelet has registered the
	// Node.
	//
	// +optional
	NodeName string `json:"nodeName,omitempty"`

	// providerID is the provider ID of the Node, in the form mesos://<agent ID>/<task
	// ID>.
	//
	// +optional
	ProviderID string `json:"providerID,omitempty"`

	// kubeletUpgrade is the kubelet artifact that the pool wants in place of the running
	// one. The operator sends it to the executor until it runs or is refused.
	//
	// +optional
	KubeletUpgrade *Artifact `json:"kubeletUpgrade,omitempty"`

	// drainStartTime is the time when the operator began to drain the node.
	//
	// +optional
	DrainStartTime *metav1.Time `json:"drainStartTime,omitempty"`

	// drainStage is the group of pods that is being evicted. It is set only if the rules or
	// priorityBands of drain order the pods.
	//
	// +optional
	DrainStage *DrainStage `json:"drainStage,omitempty"`

	// conditions are the conditions Launched, Registered and Ready. KubeletCurrent is
	// also present if kubelets are upgraded in place, and Drained if the node is being
	// removed.
	//
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// MesosTask is the Mesos task of a node.
type MesosTask struct {
	// id is the ID of the task and of its executor. It is never reused.
	ID string `json:"id"`

	// agentID is the ID of the agent on which the task is placed.
	AgentID string `json:"agentID"`

	// agentHostname is the host name of the agent.
	//
	// +optional
	AgentHostname string `json:"agentHostname,omitempty"`

	// agentAddress is the IP address of the agent, taken from its offer. The operator
	// approves the serving certificate of the kubelet for this address.
	//
	// +optional
	AgentAddress string `json:"agentAddress,omitempty"`

	// kubeletPort is the port on which the kubelet serves. It is taken from the offer.
	//
	// +optional
	KubeletPort int32 `json:"kubeletPort,omitempty"`

	// region is the region of the agent's fault domain. It is empty if the agent has
	// none.
	//
	// +optional
	Region string `json:"region,omitempty"`
	// zone is the zone of the agent's fault domain. It is empty if the agent has none.
	//
	// +optional
	Zone string `json:"zone,omitempty"`

	// bootstrapTokenID is the public part of the token with which the kubelet requests
	// its first certificate. It becomes empty when the node runs or the task has ended,
	// because the token is then revoked.
	//
	// +optional
	BootstrapTokenID string `json:"bootstrapTokenID,omitempty"`

	// certificateRequest is the name of the CertificateSigningRequest for which the
	// bootstrap token was used. The token is not accepted for any other request.
	//
	// +optional
	CertificateRequest string `json:"certificateRequest,omitempty"`

	// certificate is the client certificate that was issued last to the kubelet. Only its
	// holder can renew it, or get a serving certificate.
	//
	// +optional
	Certificate *TaskCertificate `json:"certificate,omitempty"`

	// registrationTaint is true if the kubelet was told to register its Node with the taint
	// k8sm.io/unregistered and without labels of k8sm. It is false for tasks that a release
	// without this taint has launched.
	//
	// +optional
	RegistrationTaint bool `json:"registrationTaint,omitempty"`

	// state is the last state that Mesos reported, for example TASK_STAGING or
	// TASK_RUNNING. It is empty until Mesos reports a state for the launch.
	//
	// +optional
	State string `json:"state,omitempty"`

	// reason is the reason that Mesos reported with the state.
	//
	// +optional
	Reason string `json:"reason,omitempty"`

	// message is the message that Mesos or the executor reported with the state.
	//
	// +kubebuilder:validation:MaxLength=4096
	// +optional
	Message string `json:"message,omitempty"`

	// kubelet is the state of the kubelet as its executor reports it. It is set from the
	// first time that the node is Ready.
	//
	// +optional
	Kubelet *TaskKubelet `json:"kubelet,omitempty"`

	// disputedStates are the states that another executor, or another agent, than the
	// task's claimed since its own last report. They are not believed, also if the master
	// repeats them.
	//
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=64
	// +listType=set
	// +optional
	DisputedStates []string `json:"disputedStates,omitempty"`

	// anonymousExecutors is true if the agent serves executors that present no credentials,
	// as the executor of the node found when the node became Ready.
	//
	// +optional
	AnonymousExecutors bool `json:"anonymousExecutors,omitempty"`

	// intentTime is the time when the operator wrote its intent to launch the task.
	IntentTime metav1.Time `json:"intentTime"`

	// updateTime is the time when the state was last reported.
	//
	// +optional
	UpdateTime *metav1.Time `json:"updateTime,omitempty"`
}

// TaskCertificate is the client certificate that was issued last to a kubelet.
type TaskCertificate struct {
	// request is the name of the CertificateSigningRequest for which it was issued.
	Request string `json:"request"`

	// credentialID is X509SHA256= and the SHA-256 digest of the certificate. The API server
	// gives it as the credential ID of requests that are made with the certificate.
	//
	// +kubebuilder:validation:MaxLength=128
	CredentialID string `json:"credentialID"`

	// requestTime is the time when the certificate was requested.
	RequestTime metav1.Time `json:"requestTime"`

	// expirationTime is the time until which the certificate is valid.
	ExpirationTime metav1.Time `json:"expirationTime"`
}

// TaskKubelet is the state of a kubelet as its executor reports it.
type TaskKubelet struct {
	// sha256 is the SHA-256 digest of the artifact of the running kubelet. It is empty if
	// the kubelet came in an archive.
	//
	// +optional
	SHA256 string `json:"sha256,omitempty"`

	// architecture is the architecture of the agent, for example amd64. It is empty if the
	// executor is of a release that does not report it.
	//
	// +kubebuilder:validation:MaxLength=16
	// +optional
	Architecture Architecture `json:"architecture,omitempty"`

	// upgrade is the upgrade to another kubelet. It is set while the upgrade is in
	// progress, and stays set if the upgrade was refused.
	//
	// +optional
	Upgrade *TaskKubeletUpgrade `json:"upgrade,omitempty"`
}

// TaskKubeletUpgrade is the progress of a kubelet upgrade in place.
type TaskKubeletUpgrade struct {
	// sha256 is the SHA-256 digest of the artifact that is to run.
	SHA256 string `json:"sha256"`

	// refused is true if the upgrade failed. It is then not tried again.
	//
	// +optional
	Refused bool `json:"refused,omitempty"`

	// message describes the current step of the upgrade, or the reason for its failure.
	//
	// +kubebuilder:validation:MaxLength=4096
	// +optional
	Message string `json:"message,omitempty"`
}

// AgentFailure is an agent that the operator does not use for a while, because nodes
// failed on it.
type AgentFailure struct {
	// agentID is the ID of the agent.
	AgentID string `json:"agentID"`

	// agentHostname is the host name of the agent.
	//
	// +optional
	AgentHostname string `json:"agentHostname,omitempty"`

	// count is the number of consecutive failures on the agent.
	Count int32 `json:"count"`

	// until is the time until which the operator launches nothing on the agent.
	Until metav1.Time `json:"until"`

	// pools are pools whose nodes failed on the agent. It is set on a MesosFramework only.
	//
	// +kubebuilder:validation:MaxItems=8
	// +listType=set
	// +optional
	Pools []string `json:"pools,omitempty"`

	// wentAway is true if the agent itself ended or was cut off when the node failed. It is
	// set on a MesosFramework only.
	//
	// +optional
	WentAway bool `json:"wentAway,omitempty"`

	// reason is the reason of the last failure.
	//
	// +optional
	Reason string `json:"reason,omitempty"`

	// message is the message of the last failure.
	//
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Message string `json:"message,omitempty"`
}

// MesosNode is one Kubernetes node on a Mesos agent, from the request for it until its
// removal. A MesosNodePool creates and deletes its MesosNodes. If a person deletes a
// MesosNode, its pool replaces it.
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
// +kubebuilder:printcolumn:name="Revision",type=string,JSONPath=`.metadata.labels.k8sm\.io/revision`,priority=1
// +kubebuilder:printcolumn:name="Task-ID",type=string,JSONPath=`.status.task.id`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="oldSelf.hasValue() || !self.metadata.name.contains('.') && !(self.metadata.name in ['kubernetes', 'localhost'])",optionalOldSelf=true,message="name must have no dots, and be neither kubernetes nor localhost: the node gets a serving certificate in this name"
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="name must be at most 63 characters: the Node has the same name"
type MesosNode struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired state of the node. It cannot be changed: edit the template of
	// the pool, and delete the MesosNode to have it replaced.
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
