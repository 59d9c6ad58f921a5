package v1alpha1

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// NodeTemplate describes the nodes of a pool.
type NodeTemplate struct {
	// Metadata that each Node gets.
	//
	// +optional
	Metadata NodeTemplateMetadata `json:"metadata,omitempty"`

	// Spec of each node.
	Spec NodeTemplateSpec `json:"spec"`
}

// NodeTemplateMetadata is put on each Node.
//
// +kubebuilder:object:generate=false
type NodeTemplateMetadata struct {
	// Labels of each Node. The kubelet registers with them, so they are those that the
	// NodeRestriction admission plugin lets it set; k8sm.io and the topology are k8sm's.
	//
	// +kubebuilder:validation:MaxProperties=64
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.matches('(^|[.])node-restriction[.]kubernetes[.]io/'))",message="labels under node-restriction.kubernetes.io tell pods that no kubelet set them: the NodeRestriction admission plugin refuses a kubelet that does; label the Nodes yourself"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.matches('(^|[.])(kubernetes|k8s)[.]io/') || k.matches('(^|[.])(node|node-restriction|kubelet)[.]kubernetes[.]io/'))",message="of the labels under kubernetes.io and k8s.io, NodeRestriction lets a kubelet set those under node.kubernetes.io and kubelet.kubernetes.io; host, architecture, zone and region it has from its agent, and others (node-role.kubernetes.io) are for you to set on the Nodes"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('k8sm.io/'))",message="labels under k8sm.io are k8sm's own"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !format.qualifiedName().validate(k).hasValue())",message="a label's key is a name of at most 63 letters, digits, '-', '_' and '.', with an optional DNS prefix and '/'"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !format.labelValue().validate(self[k]).hasValue())",message="a label's value is at most 63 letters, digits, '-', '_' and '.', and begins and ends with a letter or digit"
	// +optional
	Labels map[string]LabelValue `json:"labels,omitempty"`

	// Annotations of each Node.
	//
	// +kubebuilder:validation:MaxProperties=64
	// +kubebuilder:validation:XValidation:rule="self.all(k, !format.qualifiedName().validate(k.lowerAscii()).hasValue())",message="an annotation's key is a name of at most 63 letters, digits, '-', '_' and '.', with an optional DNS prefix and '/'"
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
}

// DeepCopyInto copies by hand: the generator does not know the alias LabelValue.
func (in *NodeTemplateMetadata) DeepCopyInto(out *NodeTemplateMetadata) {
	out.Labels = maps.Clone(in.Labels)
	out.Annotations = maps.Clone(in.Annotations)
}

// LabelValue is the value of a label. It is an alias, so that it has a length in the
// schema and is a string to every client.
//
// +kubebuilder:validation:MaxLength=63
type LabelValue = string

// NodeTemplateSpec is what each node of a pool is made of.
//
// +kubebuilder:validation:XValidation:rule="has(self.resources) || has(self.shapes)",fieldPath=.resources,reason=FieldValueRequired,message="resources is required, or, in a pool with autoscaling, shapes"
// +kubebuilder:validation:XValidation:rule="!has(self.resources) || !has(self.shapes)",fieldPath=.shapes,reason=FieldValueForbidden,message="a template has either resources or shapes"
// +kubebuilder:validation:XValidation:rule="!has(self.overhead) || !has(self.resources) || (quantity(string(self.resources.cpu)).isGreaterThan(quantity(string(self.overhead.cpu))) && quantity(string(self.resources.memory)).isGreaterThan(quantity(string(self.overhead.memory))))",message="resources must be greater than overhead: what is left is what pods can use"
// +kubebuilder:validation:XValidation:rule="!has(self.overhead) || !has(self.shapes) || self.shapes.all(s, quantity(string(s.resources.cpu)).isGreaterThan(quantity(string(self.overhead.cpu))))",message="the cpu of each shape must be greater than overhead: what is left is what pods can use"
// +kubebuilder:validation:XValidation:rule="!has(self.overhead) || !has(self.shapes) || self.shapes.all(s, quantity(string(s.resources.memory)).isGreaterThan(quantity(string(self.overhead.memory))))",message="the memory of each shape must be greater than overhead: what is left is what pods can use"
// +kubebuilder:validation:XValidation:rule="!has(self.taints) || !has(self.startupTaints) || !self.startupTaints.exists(s, self.taints.exists(t, t.key == s.key && t.effect == s.effect))",message="a taint with the same key and effect is in both taints and startupTaints: it cannot both stay and be taken off"
type NodeTemplateSpec struct {
	// Resources that each node takes from one Mesos agent. Pods can use these, less
	// the overhead.
	//
	// +optional
	Resources NodeResources `json:"resources,omitzero"`

	// Shapes are the sizes of nodes that autoscaling chooses from, instead of the one
	// that resources gives: the most preferred that pods fit on and that Mesos has room
	// for; of equals what leaves least unused.
	//
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=6
	// +listType=map
	// +listMapKey=name
	// +optional
	Shapes []NodeShape `json:"shapes,omitempty"`

	// Overhead is the part of the resources that executor, kubelet and container
	// runtime keep for themselves.
	//
	// +kubebuilder:default={cpu: "100m", memory: "256Mi"}
	// +optional
	Overhead NodeOverhead `json:"overhead,omitzero"`

	// Taints that each Node registers with.
	//
	// +kubebuilder:validation:MaxItems=32
	// +listType=map
	// +listMapKey=key
	// +listMapKey=effect
	// +optional
	Taints []Taint `json:"taints,omitempty"`

	// StartupTaints that each Node registers with beside its taints, until whoever they
	// wait for (a network plugin, a driver) takes them off. They are never put back, and
	// a node counts as ready whether it has them or not.
	//
	// +kubebuilder:validation:MaxItems=32
	// +listType=map
	// +listMapKey=key
	// +listMapKey=effect
	// +optional
	StartupTaints []Taint `json:"startupTaints,omitempty"`

	// Kubelet says how each node's kubelet is set up.
	//
	// +optional
	Kubelet NodeKubelet `json:"kubelet,omitzero"`

	// Runtime says where kubelet, container runtime and images come from. What is
	// left out, the operator's own --node-runtime file supplies.
	//
	// +optional
	Runtime NodeRuntime `json:"runtime,omitempty"`
}

// Taint keeps pods that do not tolerate it off a node. A taint of a node has a time
// too; one of a template has none.
type Taint struct {
	// Key of the taint.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	// +kubebuilder:validation:XValidation:rule="!format.qualifiedName().validate(self).hasValue()",message="a taint's key is a name of at most 63 letters, digits, '-', '_' and '.', with an optional DNS prefix and '/'"
	Key string `json:"key"`

	// Value of the taint.
	//
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="!format.labelValue().validate(self).hasValue()",message="a taint's value is at most 63 letters, digits, '-', '_' and '.', and begins and ends with a letter or digit"
	// +optional
	Value string `json:"value,omitempty"`

	// Effect on pods that do not tolerate the taint.
	//
	// +kubebuilder:validation:Enum=NoSchedule;PreferNoSchedule;NoExecute
	Effect corev1.TaintEffect `json:"effect"`
}

// NodeResources are amounts that a Mesos agent must offer in one piece.
type NodeResources struct {
	// CPU in cores.
	//
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('200m')) >= 0 && quantity(string(self)).compareTo(quantity('1024')) <= 0",message="cpu must be between 200m and 1024"
	CPU resource.Quantity `json:"cpu"`

	// Memory in bytes; Mesos counts in MiB, fractions are rounded up.
	//
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('512Mi')) >= 0 && quantity(string(self)).compareTo(quantity('64Ti')) <= 0",message="memory must be between 512Mi and 64Ti (a number without a unit is bytes)"
	Memory resource.Quantity `json:"memory"`

	// EphemeralStorage in bytes; Mesos counts in MiB of the resource "disk". Left
	// out, no disk is asked for.
	//
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('1Mi')) >= 0 && quantity(string(self)).compareTo(quantity('1Pi')) <= 0",message="ephemeral-storage must be between 1Mi and 1Pi (a number without a unit is bytes); leave it out to ask for no disk"
	// +optional
	EphemeralStorage *resource.Quantity `json:"ephemeral-storage,omitempty"`
}

// NodeOverhead is kept from pods.
type NodeOverhead struct {
	// CPU in cores.
	//
	// +kubebuilder:default="100m"
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('10m')) >= 0",message="overhead.cpu must be at least 10m: Mesos warns of executors with less"
	// +optional
	CPU resource.Quantity `json:"cpu,omitzero"`

	// Memory in bytes.
	//
	// +kubebuilder:default="256Mi"
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('64Mi')) >= 0",message="overhead.memory must be at least 64Mi: kubelet and runtime live in it"
	// +optional
	Memory resource.Quantity `json:"memory,omitzero"`
}

// NodeKubelet is how a node's kubelet is set up.
type NodeKubelet struct {
	// Config is a KubeletConfiguration (kubelet.config.k8s.io/v1beta1) with the fields
	// that are to differ from k8sm's: feature gates, eviction thresholds, maxPods and so
	// on. The operator checks it, and refuses unknown fields and those that k8sm answers
	// for; the pool's condition TemplateValid says why, and no node is made of it.
	//
	// Percentages in evictionHard are of the node's memory, and of the file system that
	// holds its state.
	//
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:MaxProperties=128
	// +optional
	Config *runtime.RawExtension `json:"config,omitempty"`

	// StaticPods are manifests of pods that each kubelet runs by itself, whatever the API
	// server says. They cannot refer to other objects (service accounts, secrets, config
	// maps, claims), and what they request together must fit the node. The operator checks
	// them as the kubelet does; the pool's condition TemplateValid says what is wrong.
	//
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:XEmbeddedResource
	// +kubebuilder:validation:items:XPreserveUnknownFields
	// +listType=atomic
	// +optional
	StaticPods []runtime.RawExtension `json:"staticPods,omitempty"`
}

// NodeRuntime names what is put on an agent to make a node of it.
type NodeRuntime struct {
	// Artifacts are fetched by each executor, checked against their digests, and
	// started. Needed are executor, kubelet, containerd, containerd-shim-runc-v2 and
	// runc, and the CNI plugins bridge, host-local, loopback and portmap, each as a
	// file of its own or in an archive.
	//
	// +kubebuilder:validation:MaxItems=32
	// +listType=map
	// +listMapKey=name
	// +optional
	Artifacts []Artifact `json:"artifacts,omitempty"`

	// RuntimeSocket is the path of the socket of a containerd that agents have themselves,
	// for example /run/containerd/containerd.sock. The node's pods are run by it, in the
	// node's part of the machine, and with its network; the kubelet's folder is the
	// agent's /var/lib/kubelet. An agent has one such node at most. Left out, what the
	// operator's node runtime says: by itself, that each node has a containerd of its own.
	//
	// +kubebuilder:validation:MaxLength=100
	// +kubebuilder:validation:XValidation:rule="self.matches('^(/[A-Za-z0-9._-]+)+$')",message="runtimeSocket is an absolute path, for example /run/containerd/containerd.sock"
	// +optional
	RuntimeSocket string `json:"runtimeSocket,omitempty"`

	// CNI says who gives pods their network. Bundled: each node has a bridge of its own,
	// made by the artifacts' plugins, which give pods addresses out of the Node's podCIDR.
	// External: a DaemonSet puts plugins into the node's /opt/cni/bin and their
	// configuration into its /etc/cni/net.d; the Node is not Ready before. Left out, what
	// the operator's node runtime says.
	//
	// +kubebuilder:validation:Enum=Bundled;External
	// +optional
	CNI CNI `json:"cni,omitempty"`

	// SandboxImage is the image of the container that holds a pod's namespaces. Left
	// out, containerd's own default.
	//
	// +kubebuilder:validation:MaxLength=512
	// +optional
	SandboxImage string `json:"sandboxImage,omitempty"`
}

// CNI is who gives pods their network.
type CNI string

// The choices of a CNI.
const (
	CNIBundled  CNI = "Bundled"
	CNIExternal CNI = "External"
)

// Artifact is one file that a node needs.
type Artifact struct {
	// Name of the artifact. A binary is found under this name.
	//
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$')",message="an artifact's name is a file name of lower-case letters, digits, '-', '_' and '.', for example containerd-shim-runc-v2"
	Name string `json:"name"`

	// Type: Binary is one executable; Archive is a .tar.gz whose executables are
	// found by their base names; Image is an OCI archive that is imported into the
	// container runtime.
	//
	// +kubebuilder:validation:Enum=Binary;Archive;Image
	// +kubebuilder:default=Binary
	// +optional
	Type ArtifactType `json:"type,omitempty"`

	// URI as the agent reaches it: http://, https:// or file://. Mesos fetches none that
	// has a quote (') or a backslash in it.
	//
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule=`self.matches(r'^(https?://[^/[:space:]\x27\x5c]+|file://)/[^[:space:]\x27\x5c]+$')`,message="uri must be http://, https:// or file://, have a path, and neither ' nor backslash"
	URI string `json:"uri"`

	// SHA256 digest of the file, in hexadecimal.
	//
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9a-f]{64}$')",message="sha256 must be 64 lower-case hexadecimal digits, as sha256sum prints them"
	SHA256 string `json:"sha256"`
}

// ArtifactType says what is done with an artifact once it is verified.
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

// Placement says on which agents nodes may be placed.
type Placement struct {
	// Role whose resources are used: one of the framework's. Left out, its first.
	//
	// +kubebuilder:validation:MaxLength=128
	// +optional
	Role string `json:"role,omitempty"`

	// Constraints that an agent must meet, all of them.
	//
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	// +optional
	Constraints []AgentConstraint `json:"constraints,omitempty"`

	// MaxNodesPerAgent bounds how many nodes of this pool one agent holds.
	//
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=110
	// +optional
	MaxNodesPerAgent int32 `json:"maxNodesPerAgent,omitempty"`
}

// AgentConstraint is one demand on an agent.
//
// +kubebuilder:validation:XValidation:rule="self.operator in ['Exists', 'DoesNotExist'] ? !has(self.values) || size(self.values) == 0 : has(self.values) && size(self.values) > 0",message="In and NotIn need values; Exists and DoesNotExist take none"
type AgentConstraint struct {
	// Attribute of the agent, as in its --attributes flag; or @hostname, @region or
	// @zone for what Mesos itself knows of it.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Attribute string `json:"attribute"`

	// Operator: In, NotIn, Exists or DoesNotExist. NotIn is met by an agent that
	// lacks the attribute.
	//
	// +kubebuilder:validation:Enum=In;NotIn;Exists;DoesNotExist
	Operator ConstraintOperator `json:"operator"`

	// Values to compare with. A scalar attribute is compared as the shortest decimal
	// that denotes it (8, 2.5); a ranges attribute meets In when it holds the value.
	//
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=256
	// +listType=set
	// +optional
	Values []string `json:"values,omitempty"`
}

// ConstraintOperator relates an agent's attribute to a constraint's values.
type ConstraintOperator string

// The constraint operators.
const (
	// ConstraintIn is met when the attribute has one of the values.
	ConstraintIn ConstraintOperator = "In"
	// ConstraintNotIn is met when the attribute has none of the values, or is absent.
	ConstraintNotIn ConstraintOperator = "NotIn"
	// ConstraintExists is met when the attribute is there, whatever its value.
	ConstraintExists ConstraintOperator = "Exists"
	// ConstraintDoesNotExist is met when the attribute is absent.
	ConstraintDoesNotExist ConstraintOperator = "DoesNotExist"
)

// Drain says how pods leave a node that is going.
type Drain struct {
	// Timeout after which the node goes although pods are left on it, counted from
	// the beginning of the drain. Left out, the drain waits for as long as a
	// PodDisruptionBudget holds it.
	//
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=duration
	// +kubebuilder:validation:Pattern=`^([0-9]+([.][0-9]+)?(h|m|s|ms))+$`
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`
}
