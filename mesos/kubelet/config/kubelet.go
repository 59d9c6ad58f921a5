package config

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

	"github.com/k8sm/k8sm/mesos/kubelet/layout"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// Kubelet is what the kubelet's configuration is made of.
type Kubelet struct {
	NodeName   string
	ProviderID string
	// Address and Port of the kubelet's API. The address is the Node's, too.
	Address string
	Port    int
	Labels  map[string]string
	Taints  []nodeapi.Taint

	ClusterDNS    []string
	ClusterDomain string
	// ResolvConf is what the pods' resolv.conf is made of. Empty: the kubelet's default.
	ResolvConf string

	// StaticPods are manifests in JSON.
	StaticPods []json.RawMessage
	// Overrides are the pool's fields.
	Overrides   nodeapi.ConfigOverrides
	Reservation Reservation
	Runtime     Runtime
}

// Runtime is what the kubelet's configuration needs to know of the container runtime.
type Runtime struct {
	// Socket of the runtime. Empty without real containers: then the kubelet is one that
	// brings its own runtime, and uses no cgroups.
	Socket string
	// CgroupRoot is the container's cgroup, seen from the root of each hierarchy.
	CgroupRoot string
	// HasCPUQuota: the container has a quota that version 1 of cgroup forbids pods to exceed.
	HasCPUQuota bool
	// RootDir is the kubelet's folder, and PodLogs the folder of the pods' logs.
	RootDir, PodLogs string
}

// kubeletConfiguration is the part of kubelet.config.k8s.io/v1beta1 that is set here.
// The other fields have the kubelet's defaults.
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
	ResolvConf    string   `json:"resolvConf,omitempty"`

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

// configuration is the kubelet's configuration without the pool's fields that are passed on.
func (k Kubelet) configuration(l layout.Layout) kubeletConfiguration {
	quota := k.Overrides.CPUCFSQuota
	c := kubeletConfiguration{
		APIVersion: "kubelet.config.k8s.io/v1beta1",
		Kind:       "KubeletConfiguration",

		Authentication: authentication{Webhook: enabled{true}, X509: x509Auth{l.ClientCA()}},
		Authorization:  authorization{"Webhook"},

		RotateCertificates: true,
		ServerTLSBootstrap: true,

		Address: k.Address,
		Port:    k.Port,
		// HealthzPort 0 and ReadOnlyPort 0: no port that is not out of the offer.

		ClusterDNS:    k.ClusterDNS,
		ClusterDomain: k.ClusterDomain,
		ResolvConf:    k.ResolvConf,

		ProviderID:         k.ProviderID,
		RegisterWithTaints: k.Taints,

		PodLogsDir:      k.Runtime.PodLogs,
		VolumePluginDir: l.Plugins(),

		CgroupDriver:           "cgroupfs",
		EnforceNodeAllocatable: []string{"none"},
		CPUCFSQuota:            !k.Runtime.HasCPUQuota && (quota == nil || *quota),

		SystemReserved: k.Reservation.System,
		KubeReserved:   k.Reservation.Kube,
		EvictionHard:   k.Reservation.EvictionHard,
		PodPidsLimit:   k.Reservation.PIDsPerPod,

		Logging: logging{Verbosity: 2},
	}
	if len(k.StaticPods) > 0 {
		c.StaticPodPath = l.StaticPods()
	}
	if k.Runtime.Socket != "" {
		c.ContainerRuntimeEndpoint = "unix://" + k.Runtime.Socket
		c.CgroupRoot = k.Runtime.CgroupRoot
		c.CgroupsPerQOS = true
		c.EnforceNodeAllocatable = []string{"pods"}
	}
	return c
}

// Args are the settings that are not in the configuration file.
func (k Kubelet) Args(l layout.Layout) []string {
	args := []string{
		"--config=" + l.KubeletConfig(),
		"--kubeconfig=" + l.Kubeconfig(),
		"--bootstrap-kubeconfig=" + l.Bootstrap(),
		"--cert-dir=" + l.PKI(),
		"--root-dir=" + k.Runtime.RootDir,
		"--hostname-override=" + k.NodeName,
		"--node-ip=" + k.Address,
	}
	if len(k.Labels) > 0 {
		var labels []string
		for _, key := range slices.Sorted(maps.Keys(k.Labels)) {
			labels = append(labels, key+"="+k.Labels[key])
		}
		args = append(args, "--node-labels="+strings.Join(labels, ","))
	}
	return args
}

// Write writes the kubelet's configuration and its static pods.
func (k Kubelet) Write(l layout.Layout) error {
	if err := makeDirs(l.Etc(), l.Home(), l.Tmp(), l.PKI(), l.Plugins(), l.StaticPods()); err != nil {
		return err
	}
	merged, err := merge(k.configuration(l), k.Overrides)
	if err != nil {
		return err
	}
	problems := []error{writeJSON(l.KubeletConfig(), merged)}
	for i, manifest := range k.StaticPods {
		problems = append(problems, WriteFile(filepath.Join(l.StaticPods(), strconv.Itoa(i)+".json"), manifest))
	}
	return errors.Join(problems...)
}

func makeDirs(dirs ...string) error {
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("making configuration folder: %w", err)
		}
	}
	return nil
}

func writeJSON(file string, value any) error {
	data, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	return WriteFile(file, data)
}

// WriteFile writes a file that only its owner may read: there may be a token in it.
func WriteFile(file string, data []byte) error {
	if err := os.WriteFile(file, data, 0o600); err != nil {
		return fmt.Errorf("writing configuration: %w", err)
	}
	return nil
}
