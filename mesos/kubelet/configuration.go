package kubelet

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// kubeletConfiguration is the part of kubelet.config.k8s.io/v1beta1 that is set here.
// What is left out has the kubelet's defaults.
type kubeletConfiguration struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`

	Authentication authentication `json:"authentication"`
	Authorization  authorization  `json:"authorization"`

	RotateCertificates bool `json:"rotateCertificates"`
	ServerTLSBootstrap bool `json:"serverTLSBootstrap"`

	Address      string `json:"address"`
	Port         int    `json:"port"`
	ReadOnlyPort int    `json:"readOnlyPort"`
	HealthzPort  int    `json:"healthzPort"`

	ClusterDNS    []string `json:"clusterDNS,omitempty"`
	ClusterDomain string   `json:"clusterDomain,omitempty"`

	StaticPodPath string `json:"staticPodPath,omitempty"`

	ProviderID         string          `json:"providerID"`
	RegisterWithTaints []nodeapi.Taint `json:"registerWithTaints,omitempty"`

	ContainerRuntimeEndpoint string `json:"containerRuntimeEndpoint"`
	SerializeImagePulls      bool   `json:"serializeImagePulls"`
	PodLogsDir               string `json:"podLogsDir"`
	VolumePluginDir          string `json:"volumePluginDir"`

	CgroupDriver           string   `json:"cgroupDriver"`
	CgroupRoot             string   `json:"cgroupRoot,omitempty"`
	CgroupsPerQOS          bool     `json:"cgroupsPerQOS"`
	CPUCFSQuota            bool     `json:"cpuCFSQuota"`
	EnforceNodeAllocatable []string `json:"enforceNodeAllocatable"`
	FailCgroupV1           bool     `json:"failCgroupV1"`
	FailSwapOn             bool     `json:"failSwapOn"`

	SystemReserved map[string]string `json:"systemReserved"`
	KubeReserved   map[string]string `json:"kubeReserved"`
	EvictionHard   map[string]string `json:"evictionHard,omitempty"`
	PodPidsLimit   int64             `json:"podPidsLimit"`

	Logging logging `json:"logging"`

	// The hint chain in iptables would outlive the node.
	MakeIPTablesUtilChains bool `json:"makeIPTablesUtilChains"`
}

type authentication struct {
	Anonymous enabled  `json:"anonymous"`
	Webhook   enabled  `json:"webhook"`
	X509      x509Auth `json:"x509"`
}

type enabled struct {
	Enabled bool `json:"enabled"`
}

type x509Auth struct {
	ClientCAFile string `json:"clientCAFile"`
}

type authorization struct {
	Mode string `json:"mode"`
}

type logging struct {
	Verbosity int `json:"verbosity"`
}

// kubeletConfig is the kubelet's configuration, as far as it does not depend on what else
// the pool wishes.
func kubeletConfig(l *nodeapi.LaunchSpec, p layout, r Reservation, host hostFacts) kubeletConfiguration {
	quota := overridesOf(l).CPUCFSQuota
	c := kubeletConfiguration{
		APIVersion: "kubelet.config.k8s.io/v1beta1",
		Kind:       "KubeletConfiguration",

		Authentication: authentication{Webhook: enabled{true}, X509: x509Auth{p.clientAuthority()}},
		Authorization:  authorization{"Webhook"},

		RotateCertificates: true,
		ServerTLSBootstrap: true,

		Address: l.Address,
		Port:    l.KubeletPort,
		// HealthzPort 0 and ReadOnlyPort 0: no port that is not out of the offer.

		ClusterDNS:    l.ClusterDNS,
		ClusterDomain: l.ClusterDomain,

		ProviderID:         l.ProviderID,
		RegisterWithTaints: l.Taints,

		PodLogsDir:      p.podLogs(),
		VolumePluginDir: p.plugins(),

		CgroupDriver:           "cgroupfs",
		EnforceNodeAllocatable: []string{"none"},
		CPUCFSQuota:            !host.cpuQuota && (quota == nil || *quota),

		SystemReserved: r.System,
		KubeReserved:   r.Kube,
		EvictionHard:   r.EvictionHard,
		PodPidsLimit:   r.PIDsPerPod,

		Logging: logging{Verbosity: 2},
	}
	if len(l.StaticPods) > 0 {
		c.StaticPodPath = p.staticPods()
	}
	if p.real {
		c.ContainerRuntimeEndpoint = "unix://" + p.socket()
		c.CgroupRoot = host.cgroupRoot
		c.CgroupsPerQOS = true
		c.EnforceNodeAllocatable = []string{"pods"}
	}
	return c
}

// kubeletArgs are the settings that are not in the configuration file.
func kubeletArgs(l *nodeapi.LaunchSpec, p layout) []string {
	args := []string{
		"--config=" + p.kubeletConf(),
		"--kubeconfig=" + p.kubeconfig(),
		"--bootstrap-kubeconfig=" + p.bootstrap(),
		"--cert-dir=" + p.pki(),
		"--root-dir=" + p.rootDir(),
		"--hostname-override=" + l.NodeName,
		"--node-ip=" + l.Address,
	}
	if len(l.Labels) > 0 {
		var labels []string
		for _, key := range slices.Sorted(maps.Keys(l.Labels)) {
			labels = append(labels, key+"="+l.Labels[key])
		}
		args = append(args, "--node-labels="+strings.Join(labels, ","))
	}
	return args
}

// bootstrapKubeconfig lets the kubelet ask for its first certificate.
func bootstrapKubeconfig(l *nodeapi.LaunchSpec) map[string]any {
	const name = "bootstrap"
	return map[string]any{
		"apiVersion": "v1",
		"kind":       "Config",
		"clusters": []any{map[string]any{"name": name, "cluster": map[string]any{
			"server": l.APIServer, "certificate-authority-data": l.CAData,
		}}},
		"users":           []any{map[string]any{"name": name, "user": map[string]any{"token": l.BootstrapToken}}},
		"contexts":        []any{map[string]any{"name": name, "context": map[string]any{"cluster": name, "user": name}}},
		"current-context": name,
	}
}

// containerdConfig is the runtime's configuration, version 3.
func containerdConfig(l *nodeapi.LaunchSpec, p layout, restrictOOMScore bool) string {
	image := ""
	if l.SandboxImage != "" {
		image = fmt.Sprintf("[plugins.'io.containerd.cri.v1.images'.pinned_images]\nsandbox = %s\n", quoted(l.SandboxImage))
	}
	return fmt.Sprintf(`version = 3
root = %[1]s
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.internal.v1.opt", "io.containerd.nri.v1.nri", "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.snapshotter.v1.blockfile", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.erofs", "io.containerd.snapshotter.v1.zfs",
]

[grpc]
address = %[2]s

%[3]s
[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = %[4]t
netns_mounts_under_state_dir = true

[plugins.'io.containerd.cri.v1.runtime'.cni]
%[5]s
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
BinaryName = %[6]s
Root = "/run/containerd/runc"
SystemdCgroup = false

[plugins.'io.containerd.grpc.v1.cri']
stream_server_address = "127.0.0.1"
stream_server_port = "%[7]d"
`, quoted(p.containerd()), quoted(containerdSocket), image, restrictOOMScore, containerdCNI(p), quoted(p.program("runc")), l.StreamPort)
}

// containerdCNI says where plugins and their configuration are. An external network may
// come without the plugin for loopback interfaces, but not all do.
func containerdCNI(p layout) string {
	if p.externalCNI {
		return fmt.Sprintf("bin_dirs = [%s, %s]\nconf_dir = %s\nuse_internal_loopback = true\n", quoted(p.cniBin()), quoted(p.bin()), quoted(p.cniConf()))
	}
	return fmt.Sprintf("bin_dirs = [%s]\nconf_dir = %s\nconf_template = %s\n", quoted(p.bin()), quoted(p.cniConf()), quoted(p.cniTemplate()))
}

// quoted writes a TOML basic string; JSON's escapes are a subset of its.
func quoted(s string) string {
	b, _ := json.Marshal(s) // strings can always be marshalled
	return string(b)
}

// cniTemplate is what containerd makes the network of, once the Node has its pod
// address ranges.
func cniTemplate(nodeName string, masquerade bool) string {
	name := networkName(nodeName)
	return `{
  "cniVersion": "1.0.0",
  "name": "` + name + `",
  "plugins": [
    {
      "type": "bridge", "bridge": "` + name + `",
      "isDefaultGateway": true, "hairpinMode": true, "ipMasq": ` + strconv.FormatBool(masquerade) + `,
      "ipam": {
        "type": "host-local",
        "ranges": [{{range $i, $range := .PodCIDRRanges}}{{if $i}}, {{end}}[{"subnet": "{{$range}}"}]{{end}}]
      }
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
`
}

// writeConfiguration writes all files that kubelet and containerd read at their start.
func writeConfiguration(l *nodeapi.LaunchSpec, p layout, r Reservation, host hostFacts) error {
	for _, dir := range []string{p.etc(), p.tmp(), p.pki(), p.plugins(), p.cniConf(), p.staticPods()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("making configuration folder: %w", err)
		}
	}
	clients := l.ClientCAData
	if len(clients) == 0 {
		clients = l.CAData
	}
	configuration, err := merged(kubeletConfig(l, p, r, host), overridesOf(l))
	if err != nil {
		return err
	}
	for i, manifest := range l.StaticPods {
		if err := writeFile(filepath.Join(p.staticPods(), strconv.Itoa(i)+".json"), manifest); err != nil {
			return err
		}
	}
	return errors.Join(
		writeJSON(p.kubeletConf(), configuration),
		writeJSON(p.bootstrap(), bootstrapKubeconfig(l)),
		writeFile(p.clientAuthority(), clients),
		writeFile(p.runtimeConf(), []byte(containerdConfig(l, p, host.restrictOOMScore))),
		writeFile(p.cniTemplate(), []byte(cniTemplate(l.NodeName, host.masquerade))),
	)
}

// hostFacts are found out on the agent.
type hostFacts struct {
	// cgroupRoot is the container's cgroup, seen from the root of each hierarchy.
	cgroupRoot string
	// cpuQuota: the container has one that version 1 of cgroup forbids pods to exceed.
	cpuQuota bool
	// restrictOOMScore: this process may not lower the score of others.
	restrictOOMScore bool
	// masquerade: there is a tool to set up address translation with.
	masquerade bool
}

func writeJSON(file string, value any) error {
	data, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	return writeFile(file, data)
}

// writeFile writes for the owner's eyes only: there may be a token in it.
func writeFile(file string, data []byte) error {
	if err := os.WriteFile(file, data, 0o600); err != nil {
		return fmt.Errorf("writing configuration: %w", err)
	}
	return nil
}

// environment of the programs: what they need, and nothing of what the agent tells
// the executor alone.
func environment(p layout, inherited []string) []string {
	env := []string{"HOME=/root", "LANG=C"}
	path := "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	for _, entry := range inherited {
		key, value, _ := strings.Cut(entry, "=")
		switch strings.ToLower(key) {
		case "path":
			path = value
		case "http_proxy", "https_proxy", "no_proxy":
			env = append(env, entry)
		}
	}
	if p.real {
		env = append(env, "TMPDIR="+p.tmp())
	}
	return append(env, "PATH="+p.bin()+":"+path)
}
