package scheduling

import (
	"encoding/binary"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// maxClasses bounds what is remembered of pods; where there are more, it is learned again.
const maxClasses = 1 << 14

// equivalenceClass is pods that plugins do not tell apart.
type equivalenceClass struct {
	tracked *trackedClass
	info    framework.PodInfo // of one of them, with what it asks for worked out
	caches  []*filterCache    // for each plugin its sieve, nil where it is asked about each pod anew; empty until one is asked for
}

// trackedClass are pods that the trackers see alike, and the sieves that they concern.
type trackedClass struct {
	affected   []*filterCache
	seen       []int // how many sieves of each tracked plugin were looked at
	generation int   // the Cluster's, when they were
}

// resetCaches everything that plugins said.
func (c *Cluster) resetCaches() {
	c.classes, c.trackedClasses = map[string]*equivalenceClass{}, map[string]*trackedClass{}
	c.generation++
	for _, p := range c.plugins {
		p.cacheByKey, p.caches = map[string]*filterCache{}, nil
	}
}

// classOf is the class of a pod that is on no node yet, whatever its spec and status say.
func (c *Cluster) classOf(pod *corev1.Pod) *equivalenceClass {
	var space [1024]byte
	name := classKey(space[:0])
	ends := make([]int, len(c.plugins))
	for i, p := range c.plugins {
		if with := p.keyOf(name, pod); with != nil {
			name, ends[i] = with, len(with)+1
		}
	}
	// The parts are told apart by where they end.
	for _, end := range ends {
		name = binary.AppendUvarint(name, uint64(end))
	}
	if known, ok := c.classes[string(name)]; ok {
		return known
	}
	if len(c.classes) >= maxClasses {
		c.resetCaches()
	}
	bare := *pod
	bare.Spec.NodeName, bare.Status = "", corev1.PodStatus{}
	made := &equivalenceClass{tracked: c.trackedClassOf(pod), info: *newPodInfo(&bare)}
	c.classes[string(name)] = made
	return made
}

func newPodInfo(pod *corev1.Pod) *framework.PodInfo {
	// The API server lets terms through that can't be parsed; the scheduler goes on without them.
	info, _ := framework.NewPodInfo(pod)
	info.CalculateResource()
	return info
}

// infoFor is what is known of a pod of the class.
func (cl *equivalenceClass) infoFor(pod *corev1.Pod) *framework.PodInfo {
	info := cl.info
	info.Pod = pod
	return &info
}

func (c *Cluster) filterCachesOf(cl *equivalenceClass, pod *corev1.Pod) []*filterCache {
	if cl.caches == nil {
		cl.caches = make([]*filterCache, len(c.plugins))
		for i, p := range c.plugins {
			if name := p.keyOf(classKey{}, pod); name != nil {
				cl.caches[i] = c.filterCache(p, string(name), pod)
			}
		}
	}
	return cl.caches
}

func (c *Cluster) filterCache(p *plugin, name string, pod *corev1.Pod) *filterCache {
	s, ok := p.cacheByKey[name]
	if !ok {
		s = c.newSieve(p, pod)
		p.cacheByKey[name] = s
		p.caches = append(p.caches, s)
	}
	return s
}

func (c *Cluster) eachTracker(do func(tracker)) {
	for _, p := range c.plugins {
		if !p.clusterWide {
			continue
		}
		for _, s := range p.caches {
			do(s.tracker)
		}
	}
}

func (c *Cluster) trackedClassOf(pod *corev1.Pod) *trackedClass {
	var space [512]byte
	name := classKey(space[:0]).podAffinity(pod)
	k, ok := c.trackedClasses[string(name)]
	if !ok {
		k = &trackedClass{seen: make([]int, len(c.plugins)), generation: c.generation}
		c.trackedClasses[string(name)] = k
	}
	return k
}

// affectedCaches are the sieves to whose state it matters where this pod is.
func (c *Cluster) affectedCaches(k *trackedClass, pod *framework.PodInfo) []*filterCache {
	if k.generation != c.generation {
		*k = trackedClass{seen: make([]int, len(c.plugins)), generation: c.generation}
	}
	for i, p := range c.plugins {
		if !p.clusterWide {
			continue
		}
		for _, s := range p.caches[k.seen[i]:] {
			if s.tracker.isAffectedBy(pod) {
				k.affected = append(k.affected, s)
			}
		}
		k.seen[i] = len(p.caches)
	}
	return k.affected
}
