package scheduling

import (
	"fmt"

	fwk "k8s.io/kube-scheduler/framework"
)

// sharedLister shows the Cluster to plugins (framework.SharedLister). It has no pod groups:
// they belong to a feature that is off.
type sharedLister struct {
	fwk.SharedLister
	cluster *Cluster
}

func (s sharedLister) NodeInfos() fwk.NodeInfoLister       { return s }
func (s sharedLister) StorageInfos() fwk.StorageInfoLister { return s }

func (s sharedLister) List() ([]fwk.NodeInfo, error) {
	return s.cluster.listNodeInfos(), nil
}

func (s sharedLister) HavePodsWithAffinityList() ([]fwk.NodeInfo, error) {
	return s.filterNodes(func(n fwk.NodeInfo) bool { return len(n.GetPodsWithAffinity()) > 0 }), nil
}

func (s sharedLister) HavePodsWithRequiredAntiAffinityList() ([]fwk.NodeInfo, error) {
	return s.filterNodes(func(n fwk.NodeInfo) bool { return len(n.GetPodsWithRequiredAntiAffinity()) > 0 }), nil
}

func (s sharedLister) HavePodsWithRequiredNonHostScopedAntiAffinityList() ([]fwk.NodeInfo, error) {
	return s.filterNodes(func(n fwk.NodeInfo) bool { return len(n.GetPodsWithRequiredNonHostScopedAntiAffinity()) > 0 }), nil
}

func (s sharedLister) filterNodes(what func(fwk.NodeInfo) bool) []fwk.NodeInfo {
	var nodes []fwk.NodeInfo
	for slot, node := range s.cluster.nodes {
		if s.cluster.liveSlots.has(slot) && what(node) {
			nodes = append(nodes, node)
		}
	}
	return nodes
}

func (s sharedLister) Get(name string) (fwk.NodeInfo, error) {
	slot, ok := s.cluster.slots[name]
	if !ok {
		return nil, fmt.Errorf("getting node %q: not in the cluster", name)
	}
	return s.cluster.nodes[slot], nil
}

func (s sharedLister) IsPVCUsedByPods(key string) bool {
	for slot, node := range s.cluster.nodes {
		if s.cluster.liveSlots.has(slot) && node.GetPVCRefCounts()[key] > 0 {
			return true
		}
	}
	return false
}
