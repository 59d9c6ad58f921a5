package scheduling

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// indexLabel keeps the slots of each value of a label, from now on.
func (c *Cluster) indexLabel(label string) {
	if c.topology[label] != nil {
		return
	}
	c.topology[label] = map[string][]int{}
	for slot, node := range c.nodes {
		if node == nil {
			continue
		}
		if value, ok := node.Node().Labels[label]; ok {
			c.topology[label][value] = append(c.topology[label][value], slot)
		}
	}
}

func (c *Cluster) indexNode(slot int, node *corev1.Node) {
	for label, values := range c.topology {
		if value, ok := node.Labels[label]; ok {
			values[value] = append(values[value], slot)
		}
	}
}

func (c *Cluster) unindexNode(slot int, node *corev1.Node) {
	for label, values := range c.topology {
		value, ok := node.Labels[label]
		if !ok {
			continue
		}
		slots := values[value]
		if i := slices.Index(slots, slot); i >= 0 {
			slots[i] = slots[len(slots)-1]
			values[value] = slots[:len(slots)-1]
		}
		if len(values[value]) == 0 {
			delete(values, value)
		}
	}
}

// slotsInSameDomains returns the slots of nodes that have the same values of these labels. It
// returns none if the node lacks one of the labels.
func (c *Cluster) slotsInSameDomains(slot int, labels []string) []int {
	node := c.nodes[slot].Node()
	var fewest []int
	for i, label := range labels {
		value, ok := node.Labels[label]
		if !ok {
			return nil
		}
		if slots := c.topology[label][value]; i == 0 || len(slots) < len(fewest) {
			fewest = slots
		}
	}
	if len(labels) == 1 {
		return fewest
	}
	var alike []int
	for _, other := range fewest {
		if sameLabels(c.nodes[other].Node(), node, labels) {
			alike = append(alike, other)
		}
	}
	return alike
}

func sameLabels(a, b *corev1.Node, labels []string) bool {
	for _, label := range labels {
		value, ok := a.Labels[label]
		if other, has := b.Labels[label]; ok != has || value != other {
			return false
		}
	}
	return true
}
