package forecast

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

const (
	// settledAfter is the time after which a ready node is expected to report all that it has.
	settledAfter = 15 * time.Minute
	// maxCompared bounds the number of nodes of a zone whose labels are compared.
	maxCompared = 8
	// minContained is the length from which a node's name identifies it also as a part of a value.
	minContained = 4
)

// individualLabels differ from node to node, whatever their values.
var individualLabels = []string{
	corev1.LabelHostname, v1alpha1.LabelAgentID, v1alpha1.LabelAgentHostname,
	corev1.LabelTopologyZone, corev1.LabelTopologyRegion,
	corev1.LabelFailureDomainBetaZone, corev1.LabelFailureDomainBetaRegion,
}

// knownNode is a MesosNode that is ready, and its Node.
type knownNode struct {
	record *v1alpha1.MesosNode
	object *corev1.Node
}

// knownNodes are the ready nodes of one kind.
type knownNodes struct {
	// model is the node whose resources others of the kind will have: the youngest of those that
	// have been ready for a while, or the youngest of all. A node that became ready a moment ago
	// may not report its devices yet.
	model   knownNode
	settled bool // model has been ready for a while
	// zones has, by region and zone, the model of that zone, and some others to compare it with.
	zones map[nodemodel.Domain]*knownZone
}

type knownZone struct {
	model   knownNode
	settled bool
	others  []knownNode
}

// add learns from one more node.
func (k *knownNodes) add(n knownNode, now time.Time) {
	settled := now.Sub(nodemodel.Condition(n.record, v1alpha1.ConditionReady).LastTransitionTime.Time) >= settledAfter
	if isBetterModel(n, settled, k.model, k.settled) {
		k.model, k.settled = n, settled
	}
	if k.zones == nil {
		k.zones = map[nodemodel.Domain]*knownZone{}
	}
	zone := k.zones[domainOf(n.record)]
	if zone == nil {
		zone = &knownZone{}
		k.zones[domainOf(n.record)] = zone
	}
	if isBetterModel(n, settled, zone.model, zone.settled) {
		n, zone.model = zone.model, n
		zone.settled = settled
	}
	if n.object != nil && len(zone.others) < maxCompared {
		zone.others = append(zone.others, n)
	}
}

func isBetterModel(n knownNode, settled bool, than knownNode, thanSettled bool) bool {
	if than.object == nil || settled != thanSettled {
		return than.object == nil || settled
	}
	a, b := n.object.CreationTimestamp, than.object.CreationTimestamp
	return b.Before(&a) || a.Equal(&b) && n.object.Name < than.object.Name
}

// labels returns the labels that another node of the kind will have in a domain, as far as nodes
// of that domain show. If region or zone is not known, nodes of all of them have to agree. A label is not
// promised if its value is the node's own, or if nodes differ in it: where they are, or what
// they run on, decides then, and not their kind.
func (k *knownNodes) labels(domain nodemodel.Domain) map[string]string {
	var compared []knownNode
	for d, z := range k.zones {
		if domain.Includes(d) {
			compared = append(compared, z.model)
			compared = append(compared, z.others...)
		}
	}
	if len(compared) == 0 {
		return nil
	}
	model := slices.MinFunc(compared, func(a, b knownNode) int { return strings.Compare(a.object.Name, b.object.Name) })
	if domain.Includes(domainOf(k.model.record)) {
		model = k.model
	} else if exact := k.zones[domain]; exact != nil {
		model = exact.model
	}
	out := map[string]string{}
	own := nodemodel.Labels(withTask(model.record))
	for key, value := range model.object.Labels {
		differs := func(other knownNode) bool {
			v, has := other.object.Labels[key]
			return has && v != value
		}
		if _, ours := own[key]; ours || slices.Contains(individualLabels, key) || isOwnValue(model, value) || slices.ContainsFunc(compared, differs) {
			continue
		}
		out[key] = value
	}
	return out
}

// isOwnValue reports whether the value of a label identifies the node.
func isOwnValue(n knownNode, value string) bool {
	if value == "" {
		return false
	}
	identities := []string{string(n.object.UID), n.object.Spec.ProviderID, n.object.Status.NodeInfo.MachineID, n.object.Status.NodeInfo.SystemUUID}
	for _, address := range n.object.Status.Addresses {
		identities = append(identities, address.Address)
	}
	names := []string{n.object.Name}
	if task := n.record.Status.Task; task != nil {
		identities = append(identities, task.AgentID, task.ID, task.AgentAddress)
		names = append(names, task.AgentHostname)
	}
	contained := func(name string) bool {
		return value == name || len(name) >= minContained && strings.Contains(value, name)
	}
	return slices.Contains(identities, value) || slices.ContainsFunc(names, contained)
}

// withTask returns the record with a task, which labels are computed from.
func withTask(record *v1alpha1.MesosNode) *v1alpha1.MesosNode {
	if record.Status.Task != nil {
		return record
	}
	out := *record
	domain := nodemodel.DomainOf(record.Spec.Placement)
	out.Status.Task = &v1alpha1.MesosTask{Region: domain.Region, Zone: domain.Zone}
	return &out
}

// domainOf returns where a node is or will be; region and zone are empty if they are not known.
func domainOf(n *v1alpha1.MesosNode) nodemodel.Domain {
	if n.Status.Task != nil {
		return nodemodel.Domain{Region: n.Status.Task.Region, Zone: n.Status.Task.Zone}
	}
	return nodemodel.DomainOf(n.Spec.Placement)
}
