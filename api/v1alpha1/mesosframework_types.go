package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// MesosFrameworkSpec is the desired registration with a Mesos cluster.
//
// +kubebuilder:validation:XValidation:rule="self.name == oldSelf.name",fieldPath=.name,message="name cannot be changed: Mesos knows the framework by it; create another MesosFramework instead"
// +kubebuilder:validation:XValidation:rule="self.user == oldSelf.user",fieldPath=.user,message="user cannot be changed: Mesos keeps the user of the first subscription; create another MesosFramework instead"
// +kubebuilder:validation:XValidation:rule="!has(self.tls) || self.masters.exists(m, m.startsWith('https://') || m.startsWith('zk://'))",fieldPath=.tls,message="tls must not be set unless spec.masters has an https:// or zk:// address"
//
// +kubebuilder:validation:XValidation:rule="!has(self.zookeeperCredentials) || self.masters.exists(m, m.startsWith('zk://'))",fieldPath=.zookeeperCredentials,message="zookeeperCredentials must not be set unless spec.masters is a zk:// address"
//
// The rule about plain text looks at the old object, so that a framework that was stored
// before there was such a rule can still be changed in other ways.
//
// +kubebuilder:validation:XValidation:rule="!has(self.credentials) || (has(self.insecure) && self.insecure) || self.masters.all(m, m.startsWith('https://') || (has(self.tls) && m.startsWith('zk://'))) || (oldSelf.hasValue() && has(oldSelf.value().credentials) && !(has(oldSelf.value().insecure) && oldSelf.value().insecure) && oldSelf.value().masters == self.masters && has(oldSelf.value().tls) == has(self.tls))",optionalOldSelf=true,fieldPath=.credentials,message="credentials would be sent to the masters in plain text: use https:// masters, or zk:// with tls, or set insecure to true"
type MesosFrameworkSpec struct {
	// masters are the addresses of the Mesos masters, in any order. Each address is
	// host:port, http://host:port or https://host:port. With TLS, no redirect to an
	// address without TLS is followed. One address is enough, because
	// masters that do not lead redirect to the leading master. Further addresses are used
	// if that one does not answer.
	//
	// Instead of masters, the list may hold one address of the ZooKeeper ensemble in
	// which the masters elect their leader: zk://host:port,host:port/path. If ZooKeeper
	// asks for a user and a password, zookeeperCredentials names a secret that holds them.
	//
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=15
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="size(self) == 1 || !self.exists(m, m.startsWith('zk://'))",message="a zk:// address must be the only entry: list all servers of that ZooKeeper in it, and no master besides it"
	// +kubebuilder:validation:XValidation:rule="self.all(m, !m.startsWith('zk://') || m.matches('^zk://([^:/[:space:]]+:[^/[:space:]]+@)?([a-zA-Z0-9._-]+|[[][0-9a-fA-F:.]+[]]):[0-9]{1,5}(,([a-zA-Z0-9._-]+|[[][0-9a-fA-F:.]+[]]):[0-9]{1,5})*(/[^/,[:space:]]+)+/?$'))",message="a ZooKeeper address is zk://host:port,host:port/path, for example zk://zk1:2181,zk2:2181/mesos"
	// +kubebuilder:validation:XValidation:rule="self.all(m, !m.matches('^zk://[^/]*@'))",message="a zk:// address must not hold a password, which everybody reads who may see this object: put username and password into a secret, and name it in spec.zookeeperCredentials.secretRef"
	// +kubebuilder:validation:XValidation:rule="self.all(m, m.startsWith('zk://') || m.matches('^(https?://)?([a-zA-Z0-9._-]+|[[][0-9a-fA-F:.]+[]]):[0-9]{1,5}/?$'))",message="each master is host:port, http://host:port or https://host:port, without a path, for example leader.mesos:5050"
	// +kubebuilder:validation:XValidation:rule="self.all(m, !m.matches(':(0+|6553[6-9]|655[4-9][0-9]|65[6-9][0-9]{2}|6[6-9][0-9]{3}|[7-9][0-9]{4})(,[^@/]*)?(/.*)?$'))",message="a port is between 1 and 65535"
	// +listType=set
	Masters []string `json:"masters"`

	// name is the name of the framework in Mesos. It cannot be changed. Defaults to k8sm.
	//
	// +kubebuilder:default=k8sm
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +optional
	Name string `json:"name,omitempty"`

	// user is the operating system user that runs the executors on the agents. A kubelet
	// with real containers needs root. It cannot be changed. Defaults to root.
	//
	// +kubebuilder:default=root
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +optional
	User string `json:"user,omitempty"`

	// roles are the Mesos roles in which the framework receives offers. A pool uses the
	// first role unless its spec.placement.role names another. Defaults to k8sm.
	//
	// +kubebuilder:default={"k8sm"}
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.all(r, r == '*' || !r.matches('[*]|[[:space:]]|[[:cntrl:]]|(^|/)($|/|-|[.]{1,2}($|/))'))",message="a role is '*' alone, or names separated by '/', without blanks or '*'; no name is empty, is '.' or '..', or begins with '-'"
	// +listType=set
	// +optional
	Roles []string `json:"roles,omitempty"`

	// frameworkID adopts an existing registration with Mesos, after this cluster has lost
	// the ID in status.frameworkID. The operator uses it for the first subscription and
	// stores it in the status. If it is not set, Mesos assigns an ID. Once nodes run
	// under an ID, the operator accepts no other, and the condition Ready gives the
	// reason.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self != '.' && self != '..' && !self.matches(r'[/\\\\[:space:][:cntrl:]]')",message="a framework ID is neither '.' nor '..', and has no blanks, slashes or backslashes; Mesos lists its framework IDs under /frameworks"
	// +optional
	FrameworkID string `json:"frameworkID,omitempty"`

	// onFrameworkRemoved sets what the operator does after Mesos has removed the
	// framework and all its tasks. Hold does nothing until a person acts. Recreate
	// registers again under another ID and replaces the nodes. Defaults to Hold.
	//
	// +kubebuilder:validation:Enum=Hold;Recreate
	// +kubebuilder:default=Hold
	// +optional
	OnFrameworkRemoved FrameworkRemovedPolicy `json:"onFrameworkRemoved,omitempty"`

	// failoverTimeout is the time for which Mesos keeps the nodes running while no
	// operator is connected. After it, Mesos kills all nodes, so it should be long. It is
	// at least 1m. Defaults to 168h (one week).
	//
	// +kubebuilder:default="168h"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=duration
	// +kubebuilder:validation:Pattern=`^([0-9]+([.][0-9]+)?(h|m|s|ms))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m')",message="must be at least 1m: Mesos kills every node when the operator is away for longer than this"
	// +optional
	FailoverTimeout *metav1.Duration `json:"failoverTimeout,omitempty"`

	// credentials are used to authenticate to the masters. If they are not set, the
	// operator subscribes without authentication.
	//
	// +optional
	Credentials *Credentials `json:"credentials,omitempty"`

	// insecure permits the operator to send credentials to masters without TLS, where
	// everybody on the way can read them and act as this framework. A framework with
	// credentials needs it unless all masters have https:// addresses, or are found in
	// ZooKeeper and tls is set. Defaults to false.
	//
	// +optional
	Insecure bool `json:"insecure,omitempty"`

	// zookeeperCredentials are used to authenticate to ZooKeeper, where it asks for that
	// before it shows which master leads. ZooKeeper gets them without TLS.
	//
	// +optional
	ZooKeeperCredentials *ZooKeeperCredentials `json:"zookeeperCredentials,omitempty"`

	// tls holds the settings for masters with https:// addresses. If it is set, the
	// operator also uses https for the masters that it finds in ZooKeeper.
	//
	// +optional
	TLS *MasterTLS `json:"tls,omitempty"`
}

// FrameworkRemovedPolicy sets what the operator does after Mesos has removed a
// framework.
type FrameworkRemovedPolicy string

// The policies.
const (
	// FrameworkRemovedHold does nothing until a person acts.
	FrameworkRemovedHold FrameworkRemovedPolicy = "Hold"
	// FrameworkRemovedRecreate registers under another framework ID and replaces the
	// nodes.
	FrameworkRemovedRecreate FrameworkRemovedPolicy = "Recreate"
)

// Credentials are a secret and the way in which its content is presented to the masters.
type Credentials struct {
	// type is the kind of the credentials. Basic uses the keys "principal" and "secret"
	// of the secret. Bearer uses the key "token", and the key "principal" if it exists.
	// Defaults to Basic.
	//
	// +kubebuilder:validation:Enum=Basic;Bearer
	// +kubebuilder:default=Basic
	// +optional
	Type CredentialsType `json:"type,omitempty"`

	// secretRef is a reference to the secret.
	SecretRef SecretReference `json:"secretRef"`
}

// CredentialsType is the way in which credentials are presented to a master.
type CredentialsType string

// The credential types.
const (
	// CredentialsBasic is HTTP basic authentication.
	CredentialsBasic CredentialsType = "Basic"
	// CredentialsBearer is a token in the Authorization header.
	CredentialsBearer CredentialsType = "Bearer"
)

// ZooKeeperCredentials are a user of ZooKeeper's digest scheme.
type ZooKeeperCredentials struct {
	// secretRef is a reference to a secret with the keys "username" and "password".
	SecretRef SecretReference `json:"secretRef"`
}

// MasterTLS holds the certificates for https connections to the masters.
type MasterTLS struct {
	// secretRef is a reference to a secret. Its key "ca.crt" holds the certificate
	// authorities that sign the certificates of the masters. For mutual TLS, its keys
	// "tls.crt" and "tls.key" hold the certificate and the private key of the operator.
	SecretRef SecretReference `json:"secretRef"`
}

// SecretReference is a reference to a secret in the namespace of the operator. The secret
// needs the label k8sm.io/framework-secret: "true".
type SecretReference struct {
	// name is the name of the secret.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// MesosFrameworkStatus is the observed state of the registration.
type MesosFrameworkStatus struct {
	// observedGeneration is the generation of the spec that this status describes.
	//
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// frameworkID is the ID that Mesos assigned to the framework. The operator stores it
	// before it launches any node, and uses it for every later subscription. Without it,
	// Mesos would not treat the running nodes as nodes of this framework.
	//
	// +optional
	FrameworkID string `json:"frameworkID,omitempty"`

	// master is the address of the leading master, as that master reports it.
	//
	// +optional
	Master string `json:"master,omitempty"`

	// masterVersion is the Mesos version of the leading master.
	//
	// +optional
	MasterVersion string `json:"masterVersion,omitempty"`

	// nodes is the number of MesosNodes of this framework.
	//
	// +optional
	Nodes int32 `json:"nodes,omitempty"`

	// agentFailures lists the agents on which nodes of any pool failed recently, before or
	// after they registered, and the time until which all pools leave the agent alone. An
	// agent is listed for another hour after that time: until then other agents are
	// preferred, and the next failure counts as one more in a row.
	//
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=agentID
	// +optional
	AgentFailures []AgentFailure `json:"agentFailures,omitempty"`

	// unlabelledSecrets are the secrets without the label k8sm.io/framework-secret that this
	// framework may use, because it was registered and named them before the label was
	// needed. A secret is removed from the list once it has the label, or the spec does not
	// name it any more.
	//
	// +kubebuilder:validation:MaxItems=8
	// +listType=set
	// +optional
	UnlabelledSecrets []string `json:"unlabelledSecrets,omitempty"`

	// conditions are the conditions Subscribed, SpecApplied, MesosAuthenticated,
	// CredentialsProtected, SecretsLabelled, AgentsUsable and Ready.
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
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="name must be at most 63 characters: it is the value of a label on each node"
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
