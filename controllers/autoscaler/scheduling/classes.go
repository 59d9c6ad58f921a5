package scheduling

import (
	"encoding/binary"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
)

// maxClasses bounds what is remembered of pods; where there are more, it is learned again.
const maxClasses = 1 << 14

// kin are pods that the trackers see alike, and the sieves that they concern.
type kin struct {
	concerned []*sieve
	seen      map[*plugin]int // how many of the plugin's sieves were looked at
}

// forget everything that plugins said.
func (c *Cluster) forget() {
	c.classes, c.kin = map[string][]*sieve{}, map[string]*kin{}
	for _, p := range c.plugins {
		p.sieves, p.all = map[string]*sieve{}, nil
	}
}

// sievesOf are the sieves of the pod's class, in the order of the plugins.
func (c *Cluster) sievesOf(pod *corev1.Pod) []*sieve {
	var space [1024]byte
	name := key(space[:0])
	ends := make([]int, len(c.plugins))
	for i, p := range c.plugins {
		if p.key != nil {
			name = p.key(name, pod)
		}
		ends[i] = len(name)
	}
	// The parts are told apart by where they end.
	content := len(name)
	for _, end := range ends {
		name = binary.AppendUvarint(name, uint64(end))
	}
	if sieves, ok := c.classes[string(name)]; ok {
		return sieves
	}
	if len(c.classes) >= maxClasses {
		c.forget()
	}
	sieves, start := make([]*sieve, len(c.plugins)), 0
	for i, p := range c.plugins {
		if p.key != nil {
			sieves[i] = c.sieve(p, string(name[:content][start:ends[i]]), pod)
		}
		start = ends[i]
	}
	c.classes[string(name)] = sieves
	return sieves
}

func (c *Cluster) sieve(p *plugin, name string, pod *corev1.Pod) *sieve {
	s, ok := p.sieves[name]
	if !ok {
		s = c.newSieve(p, pod)
		p.sieves[name] = s
		p.all = append(p.all, s)
	}
	return s
}

// localToNode: the plugin's verdict on a node gets worse with each pod there, and better
// with each that goes.
func (p *plugin) localToNode() bool {
	return p.name == names.NodeResourcesFit || p.name == names.NodePorts
}

// tracked: the plugin's sieves follow the whole cluster.
func (p *plugin) tracked() bool {
	return p.name == names.PodTopologySpread || p.name == names.InterPodAffinity
}

func (c *Cluster) eachTracker(do func(tracker)) {
	for _, p := range c.plugins {
		if !p.tracked() {
			continue
		}
		for _, s := range p.all {
			do(s.tracker)
		}
	}
}

// eachConcerned calls the trackers to whose state it matters where this pod is.
func (c *Cluster) eachConcerned(pod *framework.PodInfo, do func(tracker)) {
	var space [512]byte
	name := key(space[:0]).podAffinity(pod.Pod)
	k, ok := c.kin[string(name)]
	if !ok {
		k = &kin{seen: map[*plugin]int{}}
		c.kin[string(name)] = k
	}
	for _, p := range c.plugins {
		if !p.tracked() {
			continue
		}
		for _, s := range p.all[k.seen[p]:] {
			if s.tracker.concerns(pod) {
				k.concerned = append(k.concerned, s)
			}
		}
		k.seen[p] = len(p.all)
	}
	for _, s := range k.concerned {
		do(s.tracker)
	}
}
