package config

import (
	"github.com/k8sm/k8sm/mesos/kubelet/layout"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// kubeletOf is what the configuration of a node with its own containerd is made of.
func kubeletOf(l *nodeapi.LaunchSpec) Kubelet {
	overrides, _ := nodeapi.ParseConfigOverrides(l.KubeletConfig)
	return Kubelet{
		NodeName: l.NodeName, ProviderID: l.ProviderID, Address: l.Address, Port: l.KubeletPort, Labels: l.Labels, Taints: l.Taints,
		ClusterDNS: l.ClusterDNS, ClusterDomain: l.ClusterDomain, StaticPods: l.StaticPods, Overrides: overrides,
		Runtime: Runtime{Socket: layout.ContainerdSocket, CgroupRoot: "/mesos/c1", RootDir: layout.KubeletRoot, PodLogs: layout.PodLogs},
	}
}

// credentialsOf the launch message.
func credentialsOf(l *nodeapi.LaunchSpec) Credentials {
	return Credentials{APIServer: l.APIServer, CA: l.CAData, ClientCA: l.ClientCAData, BootstrapToken: l.BootstrapToken}
}

// allocationOf the launch message, and the pool's thresholds.
func allocationOf(l *nodeapi.LaunchSpec) (Allocation, map[string]nodeapi.Threshold) {
	overrides, _ := nodeapi.ParseConfigOverrides(l.KubeletConfig)
	return Allocation{CPUs: l.CPUs, MemMiB: l.MemMiB, DiskMiB: l.DiskMiB, OverheadCPUs: l.OverheadCPUs, OverheadMemMiB: l.OverheadMemMiB}, overrides.EvictionHard
}

func layoutOf(l *nodeapi.LaunchSpec) layout.Layout { return layout.Of(l.StateDir, l.NodeName) }
