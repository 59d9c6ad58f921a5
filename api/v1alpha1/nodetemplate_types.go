package v1alpha1

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
)

// NodeTemplate describes the nodes of a pool.
type NodeTemplate struct {
	// metadata holds the labels and annotations of each Node.
	//
	// +optional
	Metadata NodeTemplateMetadata `json:"metadata,omitempty"`

	// spec describes each node.
	Spec NodeTemplateSpec `json:"spec"`
}

// NodeTemplateMetadata holds the labels and annotations of each Node.
//
// +kubebuilder:object:generate=false
type NodeTemplateMetadata struct {
	// labels are put on each Node by the operator. A change reaches running nodes within
	// seconds. Labels that somebody else has put on a Node are kept, unless they have a key
	// of the template. k8sm itself sets the labels under k8sm.io and the topology labels.
	//
	// +kubebuilder:validation:MaxProperties=64
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.matches('(^|[.])(kubernetes|k8s)[.]io/') || k.matches('(^|[.])(node|node-role|node-restriction|kubelet)[.]kubernetes[.]io/'))",message="of the labels under kubernetes.io and k8s.io, a template may have only those under node.kubernetes.io, node-role.kubernetes.io, node-restriction.kubernetes.io and kubelet.kubernetes.io; k8sm takes host, architecture, zone and region from the agent"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('k8sm.io/'))",message="labels under k8sm.io are reserved for k8sm"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !format.qualifiedName().validate(k).hasValue())",message="a label's key is a name of at most 63 letters, digits, '-', '_' and '.', with an optional DNS prefix and '/'"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !format.labelValue().validate(self[k]).hasValue())",message="a label's value is at most 63 letters, digits, '-', '_' and '.', and begins and ends with a letter or digit"
	// +optional
	Labels map[string]LabelValue `json:"labels,omitempty"`

	// annotations are put on each Node by the operator. A change reaches running nodes, as
	// with labels.
	//
	// +kubebuilder:validation:MaxProperties=64
	// +kubebuilder:validation:XValidation:rule="self.all(k, !format.qualifiedName().validate(k.lowerAscii()).hasValue())",message="an annotation's key is a name of at most 63 letters, digits, '-', '_' and '.', with an optional DNS prefix and '/'"
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
}

// DeepCopyInto is written by hand, because the generator does not know the alias
// LabelValue.
func (in *NodeTemplateMetadata) DeepCopyInto(out *NodeTemplateMetadata) {
	out.Labels = maps.Clone(in.Labels)
	out.Annotations = maps.Clone(in.Annotations)
}

// LabelValue is the value of a label. It is an alias of string: the schema can limit its
// length, and Go clients can use plain strings.
//
// +kubebuilder:validation:MaxLength=63
type LabelValue = string

// NodeTemplateSpec describes each node of a pool.
//
// +kubebuilder:validation:XValidation:rule="has(self.resources) || has(self.shapes)",fieldPath=.resources,reason=FieldValueRequired,message="resources is required; a pool with autoscaling can have shapes instead"
// +kubebuilder:validation:XValidation:rule="!has(self.resources) || !has(self.shapes)",fieldPath=.shapes,reason=FieldValueForbidden,message="a template has either resources or shapes"
// +kubebuilder:validation:XValidation:rule="!has(self.overhead) || !has(self.resources) || (quantity(string(self.resources.cpu)).isGreaterThan(quantity(string(self.overhead.cpu))) && quantity(string(self.resources.memory)).isGreaterThan(quantity(string(self.overhead.memory))))",message="resources must be greater than overhead: pods can use only the difference"
// +kubebuilder:validation:XValidation:rule="!has(self.overhead) || !has(self.shapes) || self.shapes.all(s, quantity(string(s.resources.cpu)).isGreaterThan(quantity(string(self.overhead.cpu))))",message="the cpu of each shape must be greater than overhead: pods can use only the difference"
// +kubebuilder:validation:XValidation:rule="!has(self.overhead) || !has(self.shapes) || self.shapes.all(s, quantity(string(s.resources.memory)).isGreaterThan(quantity(string(self.overhead.memory))))",message="the memory of each shape must be greater than overhead: pods can use only the difference"
// +kubebuilder:validation:XValidation:rule="!has(self.taints) || !has(self.startupTaints) || !self.startupTaints.exists(s, self.taints.exists(t, t.key == s.key && t.effect == s.effect))",message="a taint with the same key and effect is in both taints and startupTaints: it cannot be both permanent and temporary"
type NodeTemplateSpec struct {
	// resources are the amounts that each node takes from one Mesos agent. Pods can use
	// them, except for the overhead.
	//
	// +optional
	Resources NodeResources `json:"resources,omitzero"`

	// shapes are the sizes of nodes that the autoscaler may choose. They replace
	// resources and need spec.autoscaling. The autoscaler chooses the shape with the
	// highest preference on which the pods fit and for which Mesos has room. Between
	// shapes of the same preference it chooses the one that leaves the least unused.
	//
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=6
	// +listType=map
	// +listMapKey=name
	// +optional
	Shapes []NodeShape `json:"shapes,omitempty"`

	// overhead is the part of the resources that is reserved for the executor, the
	// kubelet and the container runtime. Defaults to 100m of CPU and 256Mi of memory.
	//
	// +kubebuilder:default={cpu: "100m", memory: "256Mi"}
	// +optional
	Overhead NodeOverhead `json:"overhead,omitzero"`

	// taints are put on each Node. A change reaches running nodes within seconds. A taint
	// that somebody has removed from a Node is not added again until it changes here.
	//
	// +kubebuilder:validation:MaxItems=32
	// +listType=map
	// +listMapKey=key
	// +listMapKey=effect
	// +optional
	Taints []Taint `json:"taints,omitempty"`

	// startupTaints are further taints with which each Node registers. The component that
	// a taint stands for, such as a network plugin or a driver, removes it. k8sm never
	// adds a removed startup taint again. A node counts as ready with or without its
	// startup taints.
	//
	// +kubebuilder:validation:MaxItems=32
	// +listType=map
	// +listMapKey=key
	// +listMapKey=effect
	// +optional
	StartupTaints []Taint `json:"startupTaints,omitempty"`

	// kubelet configures the kubelet of each node.
	//
	// +optional
	Kubelet NodeKubelet `json:"kubelet,omitzero"`

	// runtime configures the source of the kubelet, the container runtime and the images.
	// Values that are not set come from the operator's --node-runtime file.
	//
	// +optional
	Runtime NodeRuntime `json:"runtime,omitempty"`
}

// Taint keeps pods that do not tolerate it off a node. It is a Kubernetes taint without
// the time.
type Taint struct {
	// key is the key of the taint.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	// +kubebuilder:validation:XValidation:rule="!format.qualifiedName().validate(self).hasValue()",message="a taint's key is a name of at most 63 letters, digits, '-', '_' and '.', with an optional DNS prefix and '/'"
	Key string `json:"key"`

	// value is the value of the taint. It may be empty.
	//
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="!format.labelValue().validate(self).hasValue()",message="a taint's value is at most 63 letters, digits, '-', '_' and '.', and begins and ends with a letter or digit"
	// +optional
	Value string `json:"value,omitempty"`

	// effect is the effect on pods that do not tolerate the taint: NoSchedule,
	// PreferNoSchedule or NoExecute.
	//
	// +kubebuilder:validation:Enum=NoSchedule;PreferNoSchedule;NoExecute
	Effect corev1.TaintEffect `json:"effect"`
}

// NodeResources are amounts that one Mesos agent must offer together.
type NodeResources struct {
	// cpu is the amount of CPU, in cores.
	//
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('200m')) >= 0 && quantity(string(self)).compareTo(quantity('1024')) <= 0",message="cpu must be between 200m and 1024"
	CPU resource.Quantity `json:"cpu"`

	// memory is the amount of memory, in bytes. Mesos counts in MiB, so fractions of a
	// MiB are rounded up.
	//
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('512Mi')) >= 0 && quantity(string(self)).compareTo(quantity('64Ti')) <= 0",message="memory must be between 512Mi and 64Ti (a number without a unit is bytes)"
	Memory resource.Quantity `json:"memory"`

	// ephemeral-storage is the amount of disk, in bytes. Mesos counts its resource "disk"
	// in MiB. If it is not set, the node takes no disk from the offer.
	//
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('1Mi')) >= 0 && quantity(string(self)).compareTo(quantity('1Pi')) <= 0",message="ephemeral-storage must be between 1Mi and 1Pi (a number without a unit is bytes); omit it to take no disk"
	// +optional
	EphemeralStorage *resource.Quantity `json:"ephemeral-storage,omitempty"`
}

// NodeOverhead is the part of a node's resources that pods cannot use.
type NodeOverhead struct {
	// cpu is the amount of CPU, in cores. Defaults to 100m.
	//
	// +kubebuilder:default="100m"
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('10m')) >= 0",message="overhead.cpu must be at least 10m: Mesos logs a warning for executors with less"
	// +optional
	CPU resource.Quantity `json:"cpu,omitzero"`

	// memory is the amount of memory, in bytes. Defaults to 256Mi.
	//
	// +kubebuilder:default="256Mi"
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('64Mi')) >= 0",message="overhead.memory must be at least 64Mi: the kubelet and the container runtime use it"
	// +optional
	Memory resource.Quantity `json:"memory,omitzero"`
}

// NodeKubelet configures the kubelet of a node.
type NodeKubelet struct {
	// config is a KubeletConfiguration (kubelet.config.k8s.io/v1beta1). It holds only the
	// fields that differ from the defaults of k8sm, for example feature gates, eviction
	// thresholds or maxPods. The operator rejects unknown fields and fields that k8sm
	// sets itself. The pool's condition TemplateValid then gives the reason, and no node
	// is created from the template.
	//
	// Percentages in evictionHard are percentages of the node's memory and of the file
	// system that holds the node's state.
	//
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:MaxProperties=128
	// +optional
	Config *runtime.RawExtension `json:"config,omitempty"`

	// staticPods are manifests of pods that each kubelet runs without the API server.
	// They cannot refer to other objects, such as service accounts, secrets, config maps
	// and claims. Their requests together must fit on the node. The operator checks them
	// with the rules of the kubelet. The pool's condition TemplateValid reports what is
	// wrong.
	//
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:XEmbeddedResource
	// +kubebuilder:validation:items:XPreserveUnknownFields
	// +listType=atomic
	// +optional
	StaticPods []runtime.RawExtension `json:"staticPods,omitempty"`
}

// NodeRuntime configures the software that makes a Kubernetes node on an agent.
type NodeRuntime struct {
	// version is the name of a runtime in the catalogue of the operator's --node-runtime
	// file, for example v1.37.2. Nodes are made of its artifacts and with its settings. If
	// it is not set, the default version of the file applies, or the artifacts that the
	// file has for all. If the catalogue has no such runtime, or its kubelet does not fit
	// the API server, the pool's condition TemplateValid gives the reason, and no node is
	// created from the template.
	//
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="!format.labelValue().validate(self).hasValue()",message="a runtime's version is at most 63 letters, digits, '-', '_' and '.', and begins and ends with a letter or digit, for example v1.37.2"
	// +optional
	Version string `json:"version,omitempty"`

	// artifacts are files that each executor fetches, checks against their digests, and
	// starts. A node needs executor, kubelet, containerd, containerd-shim-runc-v2 and
	// runc, and the CNI plugins bridge, host-local, loopback and portmap. Each is a file
	// of its own or part of an archive. An artifact replaces the operator's artifacts of
	// the same name: all of them, or the one for its architecture.
	//
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=name
	// +listMapKey=architecture
	// +optional
	Artifacts []Artifact `json:"artifacts,omitempty"`

	// runtimeSocket is the path of the socket of a containerd that already runs on the
	// agents, for example /run/containerd/containerd.sock. This containerd runs the pods
	// of the node, within the resources of the node and in the network of the node. The
	// directory of the kubelet is then /var/lib/kubelet on the agent, so an agent holds
	// at most one such node. If it is not set, the value in the operator's --node-runtime
	// file applies. If that has none either, each node has its own containerd.
	//
	// +kubebuilder:validation:MaxLength=100
	// +kubebuilder:validation:XValidation:rule="self.matches('^(/[A-Za-z0-9._-]+)+$')",message="runtimeSocket is an absolute path, for example /run/containerd/containerd.sock"
	// +optional
	RuntimeSocket string `json:"runtimeSocket,omitempty"`

	// cni selects the source of the pod network. Bundled gives each node its own bridge,
	// which the plugins among the artifacts create. Pods get addresses from the podCIDR
	// of the Node. External expects a DaemonSet that puts plugins into /opt/cni/bin of
	// the node and their configuration into /etc/cni/net.d of the node. The Node is not
	// Ready before that. If it is not set, the value in the operator's --node-runtime
	// file applies.
	//
	// +kubebuilder:validation:Enum=Bundled;External
	// +optional
	CNI CNI `json:"cni,omitempty"`

	// sandboxImage is the image of the container that holds the namespaces of a pod. If
	// it is not set, the default of containerd applies.
	//
	// +kubebuilder:validation:MaxLength=512
	// +optional
	SandboxImage string `json:"sandboxImage,omitempty"`
}

// CNI is the source of the pod network.
type CNI string

// The sources of the pod network.
const (
	// CNIBundled gives each node its own bridge, from the plugins among the artifacts.
	CNIBundled CNI = "Bundled"
	// CNIExternal expects a DaemonSet that installs the plugins and their configuration.
	CNIExternal CNI = "External"
)

// Artifact is one file that a node needs.
type Artifact struct {
	// name is the name of the artifact. A binary is installed under this name.
	//
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$')",message="an artifact's name is a file name of lower-case letters, digits, '-', '_' and '.', for example containerd-shim-runc-v2"
	Name string `json:"name"`

	// type is the kind of the file. Binary is one executable. Archive is a .tar.gz file;
	// its executables are found by their base names. Image is an OCI archive that is
	// imported into the container runtime. Defaults to Binary.
	//
	// +kubebuilder:validation:Enum=Binary;Archive;Image
	// +kubebuilder:default=Binary
	// +optional
	Type ArtifactType `json:"type,omitempty"`

	// architecture is the architecture of the agents that the file is for: amd64 or arm64.
	// If it is not set, the file is for any. If one artifact of a runtime has an
	// architecture, nodes run only on agents of the architectures that its artifacts have.
	//
	// +kubebuilder:validation:Enum="";amd64;arm64
	// +kubebuilder:default=""
	// +optional
	Architecture Architecture `json:"architecture,omitempty"`

	// uri is the address of the file as seen from the agent. It begins with http://,
	// https:// or file://. Mesos does not fetch a URI that contains a quote (') or a
	// backslash.
	//
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule=`self.matches(r'^(https?://[^/[:space:]\x27\x5c]+|file://)/[^[:space:]\x27\x5c]+$')`,message="uri must be http://, https:// or file://, have a path, and contain neither ' nor a backslash"
	URI string `json:"uri"`

	// sha256 is the SHA-256 digest of the file, as 64 lower-case hexadecimal digits.
	//
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9a-f]{64}$')",message="sha256 must be 64 lower-case hexadecimal digits, as sha256sum prints them"
	SHA256 string `json:"sha256"`
}

// Architecture is the architecture of a machine, as Kubernetes names it.
type Architecture string

// The architectures that artifacts can be for, beside "" for any.
const (
	ArchitectureAMD64 Architecture = "amd64"
	ArchitectureARM64 Architecture = "arm64"
)

// ArtifactType is the kind of an artifact. It determines how a verified artifact is
// installed.
type ArtifactType string

// The artifact types.
const (
	// ArtifactBinary is one executable.
	ArtifactBinary ArtifactType = "Binary"
	// ArtifactArchive is a gzipped tar archive of executables.
	ArtifactArchive ArtifactType = "Archive"
	// ArtifactImage is an OCI image archive.
	ArtifactImage ArtifactType = "Image"
)

// Placement selects the agents on which nodes may be placed.
type Placement struct {
	// role is the Mesos role in which offers are made for the nodes: of resources that are
	// reserved for the role, and of those that are reserved for nobody. It must be one of
	// the framework's roles. Defaults to the framework's first role.
	//
	// +kubebuilder:validation:MaxLength=128
	// +optional
	Role string `json:"role,omitempty"`

	// constraints are the conditions that an agent must meet. An agent must meet all of
	// them.
	//
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	// +optional
	Constraints []AgentConstraint `json:"constraints,omitempty"`

	// maxNodesPerAgent is the greatest number of nodes of this pool on one agent.
	// Defaults to 1.
	//
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=110
	// +optional
	MaxNodesPerAgent int32 `json:"maxNodesPerAgent,omitempty"`
}

// AgentConstraint is one condition that an agent must meet.
//
// +kubebuilder:validation:XValidation:rule="self.operator in ['Exists', 'DoesNotExist'] ? !has(self.values) || size(self.values) == 0 : has(self.values) && size(self.values) > 0",message="In and NotIn need values; Exists and DoesNotExist take none"
type AgentConstraint struct {
	// attribute is the name of an attribute from the agent's --attributes flag.
	// @hostname, @region and @zone stand for the host name and the fault domain of the
	// agent. There are no others that begin with @.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Attribute string `json:"attribute"`

	// operator is In, NotIn, Exists or DoesNotExist. An agent without the attribute meets
	// NotIn.
	//
	// +kubebuilder:validation:Enum=In;NotIn;Exists;DoesNotExist
	Operator ConstraintOperator `json:"operator"`

	// values are the values to compare the attribute with. In and NotIn need at least one
	// value; Exists and DoesNotExist take none. A value is written as in the --attributes
	// flag of the agent. Mesos makes numbers of some of these values: they are compared as
	// numbers, so that 8, 8.0 and 008 are the same. Of ranges, such as [1-5,7-9], a number
	// or a span within one of them, such as 8 or 7-9, is a value, too.
	//
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=256
	// +listType=set
	// +optional
	Values []string `json:"values,omitempty"`
}

// ConstraintOperator is the relation between an agent's attribute and the values of a
// constraint.
type ConstraintOperator string

// The constraint operators.
const (
	// ConstraintIn is met if the attribute has one of the values.
	ConstraintIn ConstraintOperator = "In"
	// ConstraintNotIn is met if the attribute has none of the values, or does not exist.
	ConstraintNotIn ConstraintOperator = "NotIn"
	// ConstraintExists is met if the attribute exists, with any value.
	ConstraintExists ConstraintOperator = "Exists"
	// ConstraintDoesNotExist is met if the attribute does not exist.
	ConstraintDoesNotExist ConstraintOperator = "DoesNotExist"
)
