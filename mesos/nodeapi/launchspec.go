package nodeapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Container runtimes, the values of LaunchSpec.ContainerRuntime.
const (
	// RuntimeContainerd has the executor run real containers in containerd: in one that it
	// starts from the artifacts or, if RuntimeSocket is set, in the agent's own.
	RuntimeContainerd = "containerd"
	// RuntimeNone has the executor start nothing but the artifact "kubelet", which
	// brings its own runtime. It needs neither root nor cgroups.
	RuntimeNone = "none"
)

// LaunchSpec is the launch message: everything that an executor learns about the node that
// it starts. It travels as JSON in TaskInfo.data, which no Mesos API shows to others,
// because it holds a token. version.go has the rules for adding a field.
type LaunchSpec struct {
	// Version is set by Encode to the lowest version whose readers understand the message.
	Version int `json:"version"`

	// NodeName is the name of the Node, and the name of the node's folder in StateDir.
	NodeName string `json:"nodeName"`
	// ProviderID of the Node, mesos://<agent ID>/<task ID>.
	ProviderID string `json:"providerID"`

	// APIServer is the URL at which the node reaches the Kubernetes API.
	APIServer string `json:"apiServer"`
	// CAData is the PEM of the authority that the API server is checked against.
	CAData []byte `json:"caData"`
	// ClientCAData is the PEM of the authorities that the kubelet's clients are checked
	// against. Empty: CAData.
	ClientCAData []byte `json:"clientCAData,omitempty" version:"1"`
	// BootstrapToken, id.secret, is good for one certificate request. Never log it.
	BootstrapToken string `json:"bootstrapToken"`

	// Labels and Taints that the Node registers with. This release's operators set the labels
	// themselves once the Node exists, and send none.
	Labels map[string]string `json:"labels,omitempty"`
	Taints []Taint           `json:"taints,omitempty"`

	// CPUs (cores), MemMiB and DiskMiB are the whole Mesos allocation of task and
	// executor. DiskMiB 0: the disk is not limited.
	CPUs    float64 `json:"cpus"`
	MemMiB  float64 `json:"memMiB"`
	DiskMiB float64 `json:"diskMiB,omitempty"`
	// OverheadCPUs and OverheadMemMiB are the part of the allocation that pods do not get:
	// the Node's allocatable is the allocation less the overhead.
	OverheadCPUs   float64 `json:"overheadCPUs"`
	OverheadMemMiB float64 `json:"overheadMemMiB"`

	// Address is the agent's IP address, and the Node's.
	Address string `json:"address"`
	// KubeletPort and StreamPort are ports out of the accepted offer: the kubelet's
	// API, and containerd's streaming server.
	KubeletPort int `json:"kubeletPort"`
	StreamPort  int `json:"streamPort,omitempty"`

	// KubeletConfig holds the pool's fields of the kubelet's configuration: see CheckConfig.
	KubeletConfig json.RawMessage `json:"kubeletConfig,omitempty" version:"2"`
	// StaticPods are manifests that the kubelet runs by itself. The operator checks them.
	StaticPods []json.RawMessage `json:"staticPods,omitempty" version:"2"`

	// ClusterDNS and ClusterDomain go into the pods' resolv.conf.
	ClusterDNS    []string `json:"clusterDNS,omitempty"`
	ClusterDomain string   `json:"clusterDomain,omitempty"`

	// StateDir holds a folder for each node, and the artifact cache that they share.
	StateDir string `json:"stateDir"`
	// CacheMiB bounds the artifact cache. 0: 10 GiB.
	CacheMiB int64 `json:"cacheMiB,omitempty"`

	// ContainerRuntime is RuntimeContainerd or RuntimeNone.
	ContainerRuntime string `json:"containerRuntime"`
	// RuntimeSocket is the socket of the agent's own containerd, to be used instead of one
	// from the artifacts. The network of its pods is then set up by that containerd, too.
	RuntimeSocket string `json:"runtimeSocket,omitempty" version:"2"`
	// ExternalCNI leaves the pods' network to a DaemonSet, which puts plugins and
	// configuration into the node's /opt/cni/bin and /etc/cni/net.d: the node is not Ready
	// before. Otherwise containerd makes a bridge, with plugins from the artifacts.
	ExternalCNI bool `json:"externalCNI,omitempty" version:"2"`
	// Network is what the agent's firewall does with the traffic of pods.
	Network Network `json:"network,omitzero" version:"1"`
	// SandboxImage holds a pod's namespaces. Empty: containerd's own default.
	SandboxImage string `json:"sandboxImage,omitempty"`
	// Artifacts to fetch. One named ArtifactExecutor is left to the Mesos fetcher.
	Artifacts []Artifact `json:"artifacts,omitempty"`
	// ArchitectureArtifacts are further artifacts, for machines of one architecture each, by
	// its name in Go. It is set only where nodes may run on several architectures, and have
	// artifacts of one name that differ: SelectArchitecture chooses among them.
	ArchitectureArtifacts map[string][]Artifact `json:"architectureArtifacts,omitempty" version:"3"`

	// MirrorCredentials are for the server that artifacts are fetched from, if it asks for
	// any. An executor that is too old for them asks that server without.
	MirrorCredentials *ServerCredentials `json:"mirrorCredentials,omitempty" version:"1"`

	// KillGraceSeconds is the time that containers have to end after SIGTERM when a KILL
	// names no other.
	KillGraceSeconds int `json:"killGraceSeconds,omitempty"`
}

// Taint that a Node registers with.
type Taint struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Effect string `json:"effect"`
}

// Encode sets the message's version, validates it and writes it as JSON.
func (l *LaunchSpec) Encode() ([]byte, error) {
	l.Version = leastVersion(*l)
	if err := l.Validate(); err != nil {
		return nil, err
	}
	return json.Marshal(l)
}

// DecodeLaunchSpec reads a launch message and validates it. Its errors wrap ErrInvalid and
// never quote the message, because there is a token in it.
func DecodeLaunchSpec(data []byte) (*LaunchSpec, error) {
	if len(data) == 0 {
		return nil, fmt.Errorf("%w launch message: the task brings no data", ErrInvalid)
	}
	var l LaunchSpec
	if err := decode("launch message", LaunchSpecVersion, data, &l); err != nil {
		return nil, err
	}
	if err := l.Validate(); err != nil {
		return nil, err
	}
	return &l, nil
}

// SelectArchitecture moves the artifacts for machines of this architecture to Artifacts, and
// drops those for others. It returns an error if the message is for other architectures only;
// an agent of another architecture may do, so that the error does not wrap ErrInvalid.
func (l *LaunchSpec) SelectArchitecture(architecture string) error {
	if len(l.ArchitectureArtifacts) == 0 {
		return nil
	}
	artifacts, ok := l.ArchitectureArtifacts[architecture]
	if !ok {
		return fmt.Errorf("the node's runtime has artifacts for %s, and this agent is of the architecture %s",
			strings.Join(slices.Sorted(maps.Keys(l.ArchitectureArtifacts)), " and "), architecture)
	}
	l.Artifacts, l.ArchitectureArtifacts = slices.Concat(l.Artifacts, artifacts), nil
	return nil
}

// KubeletDigest is the SHA-256 digest of the kubelet that the node starts with. It is empty
// if the kubelet comes in an archive.
func (l *LaunchSpec) KubeletDigest() string {
	for _, a := range l.Artifacts {
		if a.Name == ArtifactKubelet && a.Type == ArtifactTypeBinary {
			return a.SHA256
		}
	}
	return ""
}

// RequiredPrograms names the executables that the node cannot run without.
func (l *LaunchSpec) RequiredPrograms() []string {
	needed := []string{ArtifactKubelet}
	if l.ContainerRuntime != RuntimeContainerd || l.RuntimeSocket != "" {
		return needed
	}
	needed = append(needed, "containerd", "containerd-shim-runc-v2", "runc")
	if !l.ExternalCNI {
		needed = append(needed, "bridge", "host-local", "loopback", "portmap")
	}
	return needed
}
