package scheduling

import (
	"fmt"

	fwk "k8s.io/kube-scheduler/framework"
)

// snapshot is the Cluster as plugins see it (framework.SharedLister). The pod groups that it
// doesn't have belong to a feature that is off.
type snapshot struct {
	fwk.SharedLister
	cluster *Cluster
}

func (s snapshot) NodeInfos() fwk.NodeInfoLister       { return s }
func (s snapshot) StorageInfos() fwk.StorageInfoLister { return s }

func (s snapshot) List() ([]fwk.NodeInfo, error) {
	return s.cluster.infos(), nil
}

func (s snapshot) HavePodsWithAffinityList() ([]fwk.NodeInfo, error) {
	return s.having(func(n fwk.NodeInfo) bool { return len(n.GetPodsWithAffinity()) > 0 }), nil
}

func (s snapshot) HavePodsWithRequiredAntiAffinityList() ([]fwk.NodeInfo, error) {
	return s.having(func(n fwk.NodeInfo) bool { return len(n.GetPodsWithRequiredAntiAffinity()) > 0 }), nil
}

func (s snapshot) HavePodsWithRequiredNonHostScopedAntiAffinityList() ([]fwk.NodeInfo, error) {
	return s.having(func(n fwk.NodeInfo) bool { return len(n.GetPodsWithRequiredNonHostScopedAntiAffinity()) > 0 }), nil
}

func (s snapshot) having(what func(fwk.NodeInfo) bool) []fwk.NodeInfo {
	var nodes []fwk.NodeInfo
	for slot, node := range s.cluster.nodes {
		if s.cluster.live.has(slot) && what(node) {
			nodes = append(nodes, node)
		}
	}
	return nodes
}

func (s snapshot) Get(name string) (fwk.NodeInfo, error) {
	slot, ok := s.cluster.slots[name]
	if !ok {
		return nil, fmt.Errorf("getting node %q: not in the cluster", name)
	}
	return s.cluster.nodes[slot], nil
}

func (s snapshot) IsPVCUsedByPods(key string) bool {
	for slot, node := range s.cluster.nodes {
		if s.cluster.live.has(slot) && node.GetPVCRefCounts()[key] > 0 {
			return true
		}
	}
	return false
}
