package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// MesosFrameworkSpec says how to register with a Mesos cluster.
//
// +kubebuilder:validation:XValidation:rule="self.name == oldSelf.name",fieldPath=.name,message="name cannot be changed: Mesos knows the framework by it; create another MesosFramework instead"
// +kubebuilder:validation:XValidation:rule="self.user == oldSelf.user",fieldPath=.user,message="user cannot be changed: Mesos keeps the user of the first subscription; create another MesosFramework instead"
// +kubebuilder:validation:XValidation:rule="!has(self.tls) || self.masters.exists(m, m.startsWith('https://') || m.startsWith('zk://'))",fieldPath=.tls,message="tls is for masters with https:// addresses, and none of spec.masters has one"
type MesosFrameworkSpec struct {
	// Masters are the addresses of the Mesos masters, in any order: host:port, or
	// http://host:port, or https://host:port. One is enough: masters that do not lead
	// redirect to the one that does; the others serve when that one is gone. Or, alone,
	// the ZooKeeper in which the masters elect their leader:
	// zk://host:port,host:port/path, or zk://user:password@host:port/path.
	//
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=15
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="size(self) == 1 || !self.exists(m, m.startsWith('zk://'))",message="a zk:// address stands alone: name all servers of that ZooKeeper in it, and no master beside it"
	// +kubebuilder:validation:XValidation:rule="self.all(m, !m.startsWith('zk://') || m.matches('^zk://([^:@/[:space:]]+:[^@/[:space:]]+@)?([a-zA-Z0-9._-]+|[[][0-9a-fA-F:.]+[]]):[0-9]{1,5}(,([a-zA-Z0-9._-]+|[[][0-9a-fA-F:.]+[]]):[0-9]{1,5})*(/[^/,[:space:]]+)+$'))",message="ZooKeeper is zk://host:port,host:port/path, with user:password@ before the first host where it is needed, for example zk://zk1:2181,zk2:2181/mesos"
	// +kubebuilder:validation:XValidation:rule="self.all(m, m.startsWith('zk://') || m.matches('^(https?://)?([a-zA-Z0-9._-]+|[[][0-9a-fA-F:.]+[]]):[0-9]{1,5}$'))",message="each master is host:port, http://host:port or https://host:port, without a path, for example leader.mesos:5050"
	// +kubebuilder:validation:XValidation:rule="self.all(m, !m.matches(':(0+|6553[6-9]|655[4-9][0-9]|65[6-9][0-9]{2}|6[6-9][0-9]{3}|[7-9][0-9]{4})(,|/|$)'))",message="a port is between 1 and 65535"
	// +listType=set
	Masters []string `json:"masters"`

	// Name under which the framework appears in Mesos.
	//
	// +kubebuilder:default=k8sm
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +optional
	Name string `json:"name,omitempty"`

	// User on the agents as which executors run. A kubelet with real containers
	// needs root.
	//
	// +kubebuilder:default=root
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +optional
	User string `json:"user,omitempty"`

	// Roles in which resources are asked for. A pool takes the first unless
	// spec.placement.role names another of them.
	//
	// +kubebuilder:default={"k8sm"}
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.all(r, r == '*' || !r.matches('[*]|[[:space:]]|[[:cntrl:]]|(^|/)($|/|-|[.]{1,2}($|/))'))",message="a role is '*' alone, or names divided by '/', without blanks or '*'; no name is empty, '.' or '..', or begins with '-'"
	// +listType=set
	// +optional
	Roles []string `json:"roles,omitempty"`

	// FrameworkID adopts a registration that Mesos has already: after a disaster in which
	// this cluster lost what status.frameworkID said. It is used for the first
	// subscription and stored. Left out, Mesos gives an ID. Once nodes run under one ID
	// no other is taken, and the condition Ready says so.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self != '.' && self != '..' && !self.matches(r'[/\\\\[:space:][:cntrl:]]')",message="a framework ID is neither '.' nor '..', and has no blanks, slashes or backslashes; Mesos lists those it knows under /frameworks"
	// +optional
	FrameworkID string `json:"frameworkID,omitempty"`

	// OnFrameworkRemoved says what follows when Mesos has removed the framework, with all
	// its tasks: Hold waits for a person. Recreate registers anew under another ID, and
	// replaces the nodes.
	//
	// +kubebuilder:validation:Enum=Hold;Recreate
	// +kubebuilder:default=Hold
	// +optional
	OnFrameworkRemoved FrameworkRemovedPolicy `json:"onFrameworkRemoved,omitempty"`

	// FailoverTimeout is how long Mesos keeps the nodes running while no operator is
	// connected. Mesos kills them all when it has passed, so it is long: a week
	// unless set.
	//
	// +kubebuilder:default="168h"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=duration
	// +kubebuilder:validation:Pattern=`^([0-9]+([.][0-9]+)?(h|m|s|ms))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m')",message="must be at least 1m: Mesos kills every node when the operator is away for longer than this"
	// +optional
	FailoverTimeout *metav1.Duration `json:"failoverTimeout,omitempty"`

	// Credentials with which the operator authenticates to the masters. Left out, it
	// subscribes anonymously.
	//
	// +optional
	Credentials *Credentials `json:"credentials,omitempty"`

	// TLS settings for masters with https:// addresses. Masters that ZooKeeper names are
	// then reached by https.
	//
	// +optional
	TLS *MasterTLS `json:"tls,omitempty"`
}

// FrameworkRemovedPolicy says what follows when Mesos has removed a framework.
type FrameworkRemovedPolicy string

// The policies.
const (
	// FrameworkRemovedHold waits for a person.
	FrameworkRemovedHold FrameworkRemovedPolicy = "Hold"
	// FrameworkRemovedRecreate takes a new framework ID and replaces the nodes.
	FrameworkRemovedRecreate FrameworkRemovedPolicy = "Recreate"
)

// Credentials name a secret, and say how what it holds is presented.
type Credentials struct {
	// Type of the credentials: Basic takes the secret's keys "principal" and
	// "secret"; Bearer takes its key "token", and "principal" if it is there.
	//
	// +kubebuilder:validation:Enum=Basic;Bearer
	// +kubebuilder:default=Basic
	// +optional
	Type CredentialsType `json:"type,omitempty"`

	// SecretRef names the secret.
	SecretRef SecretReference `json:"secretRef"`
}

// CredentialsType is how credentials are presented to a master.
type CredentialsType string

// The credential types.
const (
	// CredentialsBasic is HTTP basic authentication.
	CredentialsBasic CredentialsType = "Basic"
	// CredentialsBearer is a token in the Authorization header.
	CredentialsBearer CredentialsType = "Bearer"
)

// MasterTLS says whom to trust, and who we are, when masters are reached by https.
type MasterTLS struct {
	// SecretRef names a secret with the key "ca.crt" (the authorities that sign the
	// masters' certificates), and, for mutual TLS, "tls.crt" and "tls.key".
	SecretRef SecretReference `json:"secretRef"`
}

// SecretReference names a secret in the operator's own namespace.
type SecretReference struct {
	// Name of the secret, in the namespace that the operator runs in.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// MesosFrameworkStatus is what is known of the registration.
type MesosFrameworkStatus struct {
	// ObservedGeneration is the generation of the spec that this status speaks of.
	//
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// FrameworkID that Mesos gave. It is stored before anything is launched, and
	// every later subscription uses it: it is what ties the nodes to us.
	//
	// +optional
	FrameworkID string `json:"frameworkID,omitempty"`

	// Master is the address of the master that leads, as it told.
	//
	// +optional
	Master string `json:"master,omitempty"`

	// MasterVersion is the Mesos version of the master that leads.
	//
	// +optional
	MasterVersion string `json:"masterVersion,omitempty"`

	// Nodes counts the MesosNodes of this framework.
	//
	// +optional
	Nodes int32 `json:"nodes,omitempty"`

	// Conditions: Subscribed, SpecApplied, Ready.
	//
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// MesosFramework is a registration of this Kubernetes cluster with one Mesos cluster.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=mf,categories=k8sm
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Master",type=string,JSONPath=`.status.master`
// +kubebuilder:printcolumn:name="Nodes",type=integer,JSONPath=`.status.nodes`
// +kubebuilder:printcolumn:name="Framework-ID",type=string,JSONPath=`.status.frameworkID`,priority=1
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.status.masterVersion`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="name must be at most 63 characters: it is a label of each node"
type MesosFramework struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   MesosFrameworkSpec   `json:"spec"`
	Status MesosFrameworkStatus `json:"status,omitempty"`
}

// MesosFrameworkList is a list of MesosFrameworks.
//
// +kubebuilder:object:root=true
type MesosFrameworkList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []MesosFramework `json:"items"`
}
