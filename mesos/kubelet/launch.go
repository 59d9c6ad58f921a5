package kubelet

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// The container runtimes.
const (
	// RuntimeContainerd has the executor start containerd from the artifacts.
	RuntimeContainerd = "containerd"
	// RuntimeNone has the executor start nothing but the artifact "kubelet", which
	// brings its own runtime. It needs neither root nor cgroups.
	RuntimeNone = "none"
)

// The artifact types.
const (
	// TypeBinary is one executable, found under the artifact's name.
	TypeBinary = "Binary"
	// TypeArchive is a .tar.gz whose regular files are found by their base names.
	TypeArchive = "Archive"
	// TypeImage is an OCI archive that is imported into containerd.
	TypeImage = "Image"
)

// Names of artifacts that have a meaning here.
const (
	// ArtifactExecutor is fetched by the Mesos fetcher, not by the executor itself.
	ArtifactExecutor = "executor"
	// ArtifactKubelet is always needed.
	ArtifactKubelet = "kubelet"
	// ArtifactCtr is needed where there are images to import.
	ArtifactCtr = "ctr"
)

// Launch is all that an executor is told about the node that it starts. It travels as
// JSON in TaskInfo.data, which no Mesos API shows to others, because it holds a token.
// version.go has the rules for adding a field.
type Launch struct {
	// Version is set by Encode: the least whose readers understand all that is said.
	Version int `json:"version"`

	// NodeName is the name of the Node, and the name of the state folder.
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

	// Labels and Taints that the Node registers with.
	Labels map[string]string `json:"labels,omitempty"`
	Taints []Taint           `json:"taints,omitempty"`

	// CPUs (cores), MemMiB and DiskMiB are the whole Mesos allocation of task and
	// executor. DiskMiB 0: the disk is not limited.
	CPUs    float64 `json:"cpus"`
	MemMiB  float64 `json:"memMiB"`
	DiskMiB float64 `json:"diskMiB,omitempty"`
	// OverheadCPUs and OverheadMemMiB are the part of it that pods do not get: the
	// Node's allocatable is the allocation less the overhead.
	OverheadCPUs   float64 `json:"overheadCPUs"`
	OverheadMemMiB float64 `json:"overheadMemMiB"`

	// Address is the agent's IP, and the Node's.
	Address string `json:"address"`
	// KubeletPort and StreamPort are ports out of the accepted offer: the kubelet's
	// API, and containerd's streaming server.
	KubeletPort int `json:"kubeletPort"`
	StreamPort  int `json:"streamPort,omitempty"`

	// KubeletConfig is what the pool wishes of the kubelet's configuration: see CheckConfig.
	KubeletConfig json.RawMessage `json:"kubeletConfig,omitempty" version:"2"`
	// StaticPods are manifests that the kubelet runs by itself, as checked by the operator.
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
	// RuntimeSocket of the agent's own containerd, to be used instead of one from the
	// artifacts. Its network is its own business, too.
	RuntimeSocket string `json:"runtimeSocket,omitempty" version:"2"`
	// ExternalCNI leaves the pods' network to a DaemonSet, which puts plugins and
	// configuration into the node's /opt/cni/bin and /etc/cni/net.d: the node is not Ready
	// before. Else containerd makes a bridge, with plugins from the artifacts.
	ExternalCNI bool `json:"externalCNI,omitempty" version:"2"`
	// SandboxImage holds a pod's namespaces. Empty: containerd's own default.
	SandboxImage string `json:"sandboxImage,omitempty"`
	// Artifacts to fetch. One named ArtifactExecutor is left to the Mesos fetcher.
	Artifacts []Artifact `json:"artifacts,omitempty"`

	// KillGraceSeconds is how long containers have to end after SIGTERM when a KILL
	// says nothing else.
	KillGraceSeconds int `json:"killGraceSeconds,omitempty"`
}

// kubelet is the digest of the kubelet that is launched; empty if it comes in an archive.
func (l *Launch) kubelet() string {
	for _, a := range l.Artifacts {
		if a.Name == ArtifactKubelet && a.Type == TypeBinary {
			return a.SHA256
		}
	}
	return ""
}

// Artifact is one file that a node needs.
type Artifact struct {
	// Name: a binary is found under it.
	Name string `json:"name"`
	// Type is TypeBinary, TypeArchive or TypeImage.
	Type string `json:"type"`
	// URI is http://, https:// or file:///.
	URI string `json:"uri"`
	// SHA256 of the file at URI, 64 lower-case hexadecimal digits.
	SHA256 string `json:"sha256"`
}

// Taint that a Node registers with.
type Taint struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Effect string `json:"effect"`
}

// MinPodMemMiB is the least memory that must be left to pods after the overhead.
const MinPodMemMiB = 16

var (
	nodeNamePattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)
	artifactPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$`)
	digestPattern   = regexp.MustCompile(`^[0-9a-f]{64}$`)
	stateDirPattern = regexp.MustCompile(`^(/[A-Za-z0-9._-]+)+$`)
	tokenPattern    = regexp.MustCompile(`^[a-z0-9]{6}\.[a-z0-9]{16}$`)
)

// Encode gives the message its version, validates it and writes it as JSON.
func (l *Launch) Encode() ([]byte, error) {
	l.Version = leastVersion(*l)
	if err := l.Validate(); err != nil {
		return nil, err
	}
	return json.Marshal(l)
}

// Decode reads a message and validates it. Its errors never quote the message: there
// is a token in it.
func Decode(data []byte) (*Launch, error) {
	if len(data) == 0 {
		return nil, fmt.Errorf("%w launch message: the task brings no data", ErrInvalid)
	}
	var l Launch
	if err := decode("launch", LaunchVersion, data, &l); err != nil {
		return nil, err
	}
	if err := l.Validate(); err != nil {
		return nil, err
	}
	return &l, nil
}

// Validate says all that is wrong with the message, in one error.
func (l *Launch) Validate() error {
	if err := checkVersion("launch", l.Version, LaunchVersion); err != nil {
		return err
	}
	var problems []error
	for _, check := range []func() []error{l.checkIdentity, l.checkResources, l.checkNetwork, l.checkRuntime, l.checkConfig} {
		problems = append(problems, check()...)
	}
	if len(problems) > 0 {
		return fmt.Errorf("%w launch message: %w", ErrInvalid, errors.Join(problems...))
	}
	return nil
}

func (l *Launch) checkIdentity() (problems []error) {
	if !nodeNamePattern.MatchString(l.NodeName) || strings.Contains(l.NodeName, "..") || l.NodeName == cacheDir {
		problems = append(problems, fmt.Errorf("nodeName %q is not a DNS subdomain other than %q", l.NodeName, cacheDir))
	}
	if !strings.HasPrefix(l.ProviderID, "mesos://") {
		problems = append(problems, fmt.Errorf("providerID %q does not begin with mesos://", l.ProviderID))
	}
	if u, err := url.Parse(l.APIServer); err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		problems = append(problems, fmt.Errorf("apiServer %q is not an http or https URL", l.APIServer))
	}
	if len(l.CAData) == 0 && strings.HasPrefix(l.APIServer, "https:") {
		problems = append(problems, errors.New("caData is missing"))
	}
	if !tokenPattern.MatchString(l.BootstrapToken) {
		problems = append(problems, errors.New("bootstrapToken is not of the form id.secret"))
	}
	for _, t := range l.Taints {
		if t.Key == "" || !slices.Contains([]string{"NoSchedule", "PreferNoSchedule", "NoExecute"}, t.Effect) {
			problems = append(problems, fmt.Errorf("taint %q has no key, or an unknown effect %q", t.Key, t.Effect))
		}
	}
	return problems
}

func (l *Launch) checkResources() (problems []error) {
	if !(l.OverheadCPUs >= 0 && l.CPUs > l.OverheadCPUs) {
		problems = append(problems, fmt.Errorf("cpus %g must be more than the overhead %g", l.CPUs, l.OverheadCPUs))
	}
	if !(l.OverheadMemMiB >= 0 && l.MemMiB >= l.OverheadMemMiB+MinPodMemMiB) {
		problems = append(problems, fmt.Errorf("memMiB %g must be at least %d more than the overhead %g", l.MemMiB, MinPodMemMiB, l.OverheadMemMiB))
	}
	if !(l.DiskMiB >= 0) {
		problems = append(problems, fmt.Errorf("diskMiB %g is negative", l.DiskMiB))
	}
	if l.CacheMiB < 0 {
		problems = append(problems, fmt.Errorf("cacheMiB %d is negative", l.CacheMiB))
	}
	if l.KillGraceSeconds < 0 {
		problems = append(problems, fmt.Errorf("killGraceSeconds %d is negative", l.KillGraceSeconds))
	}
	return problems
}

func (l *Launch) checkNetwork() (problems []error) {
	if err := checkAddress(l.Address); err != nil {
		problems = append(problems, err)
	}
	if l.KubeletPort < 1 || l.KubeletPort > 65535 {
		problems = append(problems, fmt.Errorf("kubeletPort %d is not a port", l.KubeletPort))
	}
	if l.ContainerRuntime == RuntimeContainerd && (l.StreamPort < 1 || l.StreamPort > 65535 || l.StreamPort == l.KubeletPort) {
		problems = append(problems, fmt.Errorf("streamPort %d is not a port of its own", l.StreamPort))
	}
	for _, ip := range l.ClusterDNS {
		if _, err := netip.ParseAddr(ip); err != nil {
			problems = append(problems, fmt.Errorf("clusterDNS %q is not an IP address", ip))
		}
	}
	return problems
}

// checkAddress refuses what the kubelet refuses as --node-ip: it would go on without
// the Node ever having an address. An agent that is not told its address takes the one
// that its host name resolves to, which is often 127.0.1.1.
func checkAddress(address string) error {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return fmt.Errorf("address %q is not an IP address", address)
	}
	ip = ip.Unmap()
	if ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() {
		return fmt.Errorf("address %s of the agent cannot be reached from other machines, so it cannot be a node's: start the agent with --ip=<an address that can>", address)
	}
	return nil
}

func (l *Launch) checkRuntime() (problems []error) {
	if !stateDirPattern.MatchString(l.StateDir) || path.Clean(l.StateDir) != l.StateDir {
		problems = append(problems, fmt.Errorf("stateDir %q is not a clean absolute path below / of letters, digits, '.', '_' and '-'", l.StateDir))
	}
	if strings.ContainsFunc(l.SandboxImage, unicode.IsControl) {
		problems = append(problems, fmt.Errorf("sandboxImage %q holds control characters", l.SandboxImage))
	}
	if l.ContainerRuntime != RuntimeContainerd && l.ContainerRuntime != RuntimeNone {
		problems = append(problems, fmt.Errorf("containerRuntime %q is neither %q nor %q", l.ContainerRuntime, RuntimeContainerd, RuntimeNone))
	}
	if l.RuntimeSocket != "" && (l.ContainerRuntime != RuntimeContainerd || !stateDirPattern.MatchString(l.RuntimeSocket) || path.Clean(l.RuntimeSocket) != l.RuntimeSocket) {
		problems = append(problems, fmt.Errorf("runtimeSocket %q is not the clean absolute path of a containerd's socket, for containerRuntime %q", l.RuntimeSocket, RuntimeContainerd))
	}
	names := map[string]bool{}
	for i := range l.Artifacts {
		a := &l.Artifacts[i]
		if names[a.Name] {
			problems = append(problems, fmt.Errorf("artifact %q is there twice", a.Name))
		}
		names[a.Name] = true
		if err := a.validate(); err != nil {
			problems = append(problems, err)
		}
	}
	return problems
}

func (l *Launch) checkConfig() (problems []error) {
	if len(l.KubeletConfig) == 0 {
		return nil
	}
	for _, problem := range CheckConfig(l.KubeletConfig, l.MemMiB, l.OverheadMemMiB) {
		problems = append(problems, fmt.Errorf("kubeletConfig: %w", problem))
	}
	return problems
}

func (a *Artifact) validate() error {
	if !artifactPattern.MatchString(a.Name) {
		return fmt.Errorf("artifact name %q is not lower-case letters, digits, '.', '_' and '-'", a.Name)
	}
	if !slices.Contains([]string{TypeBinary, TypeArchive, TypeImage}, a.Type) {
		return fmt.Errorf("artifact %q has the unknown type %q", a.Name, a.Type)
	}
	if !digestPattern.MatchString(a.SHA256) {
		return fmt.Errorf("artifact %q has no SHA-256 digest of 64 lower-case hexadecimal digits", a.Name)
	}
	u, err := url.Parse(a.URI)
	if err != nil {
		return fmt.Errorf("artifact %q has the malformed URI %q", a.Name, a.URI)
	}
	switch u.Scheme {
	case "http", "https":
		if u.Host == "" {
			return fmt.Errorf("artifact %q has the URI %q without a host", a.Name, a.URI)
		}
	case "file":
		if u.Host != "" || !path.IsAbs(u.Path) {
			return fmt.Errorf("artifact %q has the URI %q, want file:///absolute/path", a.Name, a.URI)
		}
	default:
		return fmt.Errorf("artifact %q has the URI %q, want http, https or file", a.Name, a.URI)
	}
	return nil
}

// cacheDir is the folder in StateDir that nodes share.
const cacheDir = "cache"
