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

func (l sharedLister) NodeInfos() fwk.NodeInfoLister       { return l }
func (l sharedLister) StorageInfos() fwk.StorageInfoLister { return l }

func (l sharedLister) List() ([]fwk.NodeInfo, error) {
	return l.cluster.listNodeInfos(), nil
}

func (l sharedLister) HavePodsWithAffinityList() ([]fwk.NodeInfo, error) {
	return l.filterNodes(func(n fwk.NodeInfo) bool { return len(n.GetPodsWithAffinity()) > 0 }), nil
}

func (l sharedLister) HavePodsWithRequiredAntiAffinityList() ([]fwk.NodeInfo, error) {
	return l.filterNodes(func(n fwk.NodeInfo) bool { return len(n.GetPodsWithRequiredAntiAffinity()) > 0 }), nil
}

func (l sharedLister) HavePodsWithRequiredNonHostScopedAntiAffinityList() ([]fwk.NodeInfo, error) {
	return l.filterNodes(func(n fwk.NodeInfo) bool { return len(n.GetPodsWithRequiredNonHostScopedAntiAffinity()) > 0 }), nil
}

func (l sharedLister) filterNodes(keep func(fwk.NodeInfo) bool) []fwk.NodeInfo {
	var nodes []fwk.NodeInfo
	for slot, node := range l.cluster.nodes {
		if l.cluster.liveSlots.has(slot) && keep(node) {
			nodes = append(nodes, node)
		}
	}
	return nodes
}

func (l sharedLister) Get(name string) (fwk.NodeInfo, error) {
	slot, ok := l.cluster.slots[name]
	if !ok {
		return nil, fmt.Errorf("getting node %q: not in the cluster", name)
	}
	return l.cluster.nodes[slot], nil
}

func (l sharedLister) IsPVCUsedByPods(key string) bool {
	for slot, node := range l.cluster.nodes {
		if l.cluster.liveSlots.has(slot) && node.GetPVCRefCounts()[key] > 0 {
			return true
		}
	}
	return false
}
