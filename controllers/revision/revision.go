package revision

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// hashLength is the number of hexadecimal digits of each half of a revision.
const hashLength = 8

// Revision is what a node was made of: <node>-<kubelet>, both of 8 hexadecimal digits.
type Revision string

// Parse returns the revision in the label of a MesosNode, and false if it has none.
func Parse(label string) (Revision, bool) {
	node, kubelet, found := strings.Cut(label, "-")
	return Revision(label), found && len(node) == hashLength && len(kubelet) == hashLength
}

// NeedsNode reports whether the two revisions differ in more than the kubelet.
func (r Revision) NeedsNode(other Revision) bool {
	a, _, _ := strings.Cut(string(r), "-")
	b, _, _ := strings.Cut(string(other), "-")
	return a != b
}

// Input is what a revision is made of.
type Input struct {
	// Template is that of the pool.
	Template v1alpha1.NodeTemplate
	// Runtime is what the template's runtime and the operator's file come to.
	Runtime Runtime
	// Given is what the operator gives to every node.
	Given Given
}

// Runtime is the software of a node. The addresses of artifacts do not count, only their content.
type Runtime struct {
	ContainerRuntime, RuntimeSocket, SandboxImage string
	CNI                                           v1alpha1.CNI
	Artifacts                                     []v1alpha1.Artifact
}

// Given is what the operator gives to every node, and what a node keeps for its life.
type Given struct {
	APIServer, ClusterDomain, StateDir string
	ClusterDNS                         []string
	Network                            nodeapi.Network
}

// Of returns the revision of nodes that are made now.
func Of(in Input) (Revision, error) {
	artifacts, kubelet := digests(in.Runtime.Artifacts)
	config, err := canonical(in.Template.Spec.Kubelet.Config)
	if err != nil {
		return "", fmt.Errorf("reading kubelet.config: %w", err)
	}
	var pods []string
	for i := range in.Template.Spec.Kubelet.StaticPods {
		pod, err := canonical(&in.Template.Spec.Kubelet.StaticPods[i])
		if err != nil {
			return "", fmt.Errorf("reading kubelet.staticPods[%d]: %w", i, err)
		}
		pods = append(pods, pod)
	}
	network := in.Given.Network
	network.Deny = nil // masters come and go
	node := content{
		Resources: amounts(in.Template.Spec.Resources), Overhead: overhead(in.Template.Spec.Overhead),
		KubeletConfig: config, StaticPods: pods, RestartedAt: in.Template.Metadata.Annotations[v1alpha1.AnnotationRestartedAt],
		ContainerRuntime: in.Runtime.ContainerRuntime, RuntimeSocket: in.Runtime.RuntimeSocket, SandboxImage: in.Runtime.SandboxImage,
		CNI: string(cmp.Or(in.Runtime.CNI, v1alpha1.CNIBundled)), Artifacts: artifacts,
		APIServer: in.Given.APIServer, ClusterDomain: in.Given.ClusterDomain, StateDir: in.Given.StateDir, ClusterDNS: in.Given.ClusterDNS, Network: network,
	}
	first, err := hash(node)
	if err != nil {
		return "", err
	}
	second, err := hash(kubelet)
	if err != nil {
		return "", err
	}
	return Revision(first + "-" + second), nil
}

// content is what the first half of a revision is the hash of. Fields that are empty are left
// out: a field that is added later, and that is empty at its default, changes no revision.
type content struct {
	Resources        []int64         `json:"resources,omitempty"`
	Overhead         []int64         `json:"overhead,omitempty"`
	KubeletConfig    string          `json:"kubeletConfig,omitempty"`
	StaticPods       []string        `json:"staticPods,omitempty"`
	RestartedAt      string          `json:"restartedAt,omitempty"`
	ContainerRuntime string          `json:"containerRuntime,omitempty"`
	RuntimeSocket    string          `json:"runtimeSocket,omitempty"`
	SandboxImage     string          `json:"sandboxImage,omitempty"`
	CNI              string          `json:"cni,omitempty"`
	Artifacts        []string        `json:"artifacts,omitempty"`
	APIServer        string          `json:"apiServer,omitempty"`
	ClusterDomain    string          `json:"clusterDomain,omitempty"`
	StateDir         string          `json:"stateDir,omitempty"`
	ClusterDNS       []string        `json:"clusterDNS,omitempty"`
	Network          nodeapi.Network `json:"network,omitzero"`
}

// digests returns the artifacts by content, in order, and, apart from them, the digests of the
// kubelet where it is a file of its own.
func digests(artifacts []v1alpha1.Artifact) (others, kubelet []string) {
	for _, a := range artifacts {
		text := strings.TrimSpace(strings.Join([]string{a.Name, string(cmp.Or(a.Type, v1alpha1.ArtifactBinary)), a.SHA256, string(a.Architecture)}, " "))
		if a.Name == nodeapi.ArtifactKubelet && cmp.Or(a.Type, v1alpha1.ArtifactBinary) == v1alpha1.ArtifactBinary {
			kubelet = append(kubelet, text)
			continue
		}
		others = append(others, text)
	}
	slices.Sort(others)
	slices.Sort(kubelet)
	return others, kubelet
}

// amounts returns cpu in thousandths of a core, memory and disk in bytes, nil if a pool with
// shapes has no resources of its own. The nodes of such a pool are compared with its shapes.
func amounts(r v1alpha1.NodeResources) []int64 {
	if r.CPU.IsZero() && r.Memory.IsZero() {
		return nil
	}
	out := []int64{r.CPU.MilliValue(), r.Memory.Value()}
	if r.EphemeralStorage != nil {
		out = append(out, r.EphemeralStorage.Value())
	}
	return out
}

// overhead returns cpu in thousandths of a core and memory in bytes, nil at the defaults.
func overhead(o v1alpha1.NodeOverhead) []int64 {
	standard := []int64{defaultOverheadCPU.MilliValue(), defaultOverheadMemory.Value()}
	out := []int64{cmp.Or(o.CPU.MilliValue(), standard[0]), cmp.Or(o.Memory.Value(), standard[1])}
	if slices.Equal(out, standard) {
		return nil
	}
	return out
}

// The defaults in the schema of spec.template.spec.overhead.
var (
	defaultOverheadCPU    = resource.MustParse("100m")
	defaultOverheadMemory = resource.MustParse("256Mi")
)

// canonical returns JSON with sorted keys, empty for nothing.
func canonical(raw *runtime.RawExtension) (string, error) {
	if raw == nil || len(raw.Raw) == 0 {
		return "", nil
	}
	var value any
	if err := json.Unmarshal(raw.Raw, &value); err != nil {
		return "", fmt.Errorf("parsing JSON: %w", err)
	}
	if fields, ok := value.(map[string]any); value == nil || ok && len(fields) == 0 {
		return "", nil
	}
	out, err := json.Marshal(value)
	if err != nil {
		return "", fmt.Errorf("encoding JSON: %w", err)
	}
	return string(out), nil
}

// hash returns the first digits of the SHA-256 digest of the value's JSON.
func hash(value any) (string, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return "", fmt.Errorf("encoding what the revision is made of: %w", err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])[:hashLength], nil
}
