package nodeapi

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/k8sm/k8sm/mesos/address"
)

// ErrInvalid marks what would fail again on any agent: a message or an artifact that is not
// what it should be.
var ErrInvalid = errors.New("invalid")

// MinPodMemMiB is the least memory that must be left to pods after the overhead.
const MinPodMemMiB = 16

// CacheDirName is the folder in StateDir that all nodes of an agent share. No node can have
// this name.
const CacheDirName = "cache"

var (
	nodeNamePattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)
	absolutePattern = regexp.MustCompile(`^(/[A-Za-z0-9._-]+)+$`)
	tokenPattern    = regexp.MustCompile(`^[a-z0-9]{6}\.[a-z0-9]{16}$`)
)

// Validate returns one error, which wraps ErrInvalid and names everything that is wrong
// with the message.
func (l *LaunchSpec) Validate() error {
	if err := checkVersion("launch message", l.Version, LaunchSpecVersion); err != nil {
		return err
	}
	var problems []error
	for _, check := range []func() []error{l.checkIdentity, l.checkResources, l.checkNetwork, l.checkFirewall, l.checkRuntime, l.checkKubeletConfig} {
		problems = append(problems, check()...)
	}
	if len(problems) > 0 {
		return fmt.Errorf("%w launch message: %w", ErrInvalid, errors.Join(problems...))
	}
	return nil
}

func (l *LaunchSpec) checkIdentity() (problems []error) {
	if !nodeNamePattern.MatchString(l.NodeName) || strings.Contains(l.NodeName, "..") || l.NodeName == CacheDirName {
		problems = append(problems, fmt.Errorf("nodeName %q is not a DNS subdomain other than %q", l.NodeName, CacheDirName))
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

// checkResources writes its comparisons so that NaN, which compares as false, is refused.
func (l *LaunchSpec) checkResources() (problems []error) {
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

func (l *LaunchSpec) checkNetwork() (problems []error) {
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

// checkAddress refuses what the kubelet refuses as --node-ip, since the kubelet would go on
// without the Node ever having an address. An agent without --ip takes the address that its
// host name resolves to, which is often 127.0.1.1.
func checkAddress(agentIP string) error {
	ip, err := netip.ParseAddr(agentIP)
	if err != nil {
		return fmt.Errorf("address %q is not an IP address", agentIP)
	}
	if address.IsHostLocal(ip) {
		return fmt.Errorf("address %s of the agent cannot be reached from other machines, so it cannot be a node's: start the agent with --ip=<an address that can>", agentIP)
	}
	return nil
}

func (l *LaunchSpec) checkRuntime() (problems []error) {
	if !isCleanAbsolute(l.StateDir) {
		problems = append(problems, fmt.Errorf("stateDir %q is not a clean absolute path below / of letters, digits, '.', '_' and '-'", l.StateDir))
	}
	if strings.ContainsFunc(l.SandboxImage, unicode.IsControl) {
		problems = append(problems, fmt.Errorf("sandboxImage %q holds control characters", l.SandboxImage))
	}
	if l.ContainerRuntime != RuntimeContainerd && l.ContainerRuntime != RuntimeNone {
		problems = append(problems, fmt.Errorf("containerRuntime %q is neither %q nor %q", l.ContainerRuntime, RuntimeContainerd, RuntimeNone))
	}
	if l.RuntimeSocket != "" && (l.ContainerRuntime != RuntimeContainerd || !isCleanAbsolute(l.RuntimeSocket)) {
		problems = append(problems, fmt.Errorf("runtimeSocket %q is not the clean absolute path of a containerd's socket, for containerRuntime %q", l.RuntimeSocket, RuntimeContainerd))
	}
	if err := l.MirrorCredentials.validate(); err != nil {
		problems = append(problems, err)
	}
	return append(problems, l.checkArtifacts()...)
}

// checkArtifacts checks the artifacts that machines of each architecture get.
func (l *LaunchSpec) checkArtifacts() (problems []error) {
	names := map[string]bool{}
	problems = checkArtifactList(l.Artifacts, names)
	for _, architecture := range slices.Sorted(maps.Keys(l.ArchitectureArtifacts)) {
		if architecture == "" {
			problems = append(problems, errors.New("architectureArtifacts has an architecture without a name"))
		}
		problems = append(problems, checkArtifactList(l.ArchitectureArtifacts[architecture], maps.Clone(names))...)
	}
	return problems
}

// checkArtifactList checks artifacts whose names must not be among those that are known, and
// adds their names.
func checkArtifactList(artifacts []Artifact, names map[string]bool) (problems []error) {
	for i := range artifacts {
		a := &artifacts[i]
		if names[a.Name] {
			problems = append(problems, fmt.Errorf("artifact %q is there twice", a.Name))
		}
		names[a.Name] = true
		if err := a.Validate(); err != nil {
			problems = append(problems, err)
		}
	}
	return problems
}

func isCleanAbsolute(file string) bool {
	return absolutePattern.MatchString(file) && path.Clean(file) == file
}

func (l *LaunchSpec) checkKubeletConfig() (problems []error) {
	if len(l.KubeletConfig) == 0 {
		return nil
	}
	for _, problem := range CheckConfig(l.KubeletConfig, l.MemMiB, l.OverheadMemMiB) {
		problems = append(problems, fmt.Errorf("kubeletConfig: %w", problem))
	}
	return problems
}
