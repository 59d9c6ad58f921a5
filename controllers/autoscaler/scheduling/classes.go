package scheduling

import (
	"encoding/binary"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// maxClasses bounds the number of equivalence classes. Beyond it the caches are reset and fill
// again.
const maxClasses = 1 << 14

// equivalenceClass is a set of pods that the plugins cannot distinguish.
type equivalenceClass struct {
	tracked *trackedClass
	info    framework.PodInfo // of one of the pods, with its requests computed
	caches  []*filterCache    // one for each plugin, nil where the plugin is asked about each pod anew; empty until first used
}

// trackedClass is a set of pods that the trackers cannot distinguish, and the caches that
// change when one of these pods comes or goes.
type trackedClass struct {
	affected   []*filterCache
	seen       []int // for each cluster-wide plugin, how many of its caches were examined
	generation int   // the Cluster's generation when they were examined
}

// resetCaches drops everything that was learned from plugins.
func (c *Cluster) resetCaches() {
	c.classes, c.trackedClasses = map[string]*equivalenceClass{}, map[string]*trackedClass{}
	c.generation++
	for _, p := range c.plugins {
		p.cacheByKey, p.caches = map[string]*filterCache{}, nil
	}
}

// classOf returns the equivalence class of a pod as if it were new: the node in its spec and
// its status do not count.
func (c *Cluster) classOf(pod *corev1.Pod) *equivalenceClass {
	var space [1024]byte
	name := classKey(space[:0])
	ends := make([]int, len(c.plugins))
	for i, p := range c.plugins {
		if with := p.keyOf(name, pod); with != nil {
			name, ends[i] = with, len(with)+1
		}
	}
	// The offsets at the end make the encoding unambiguous.
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

// newPodInfo ignores affinity terms that cannot be parsed, as the scheduler does: the API
// server accepts some of them.
func newPodInfo(pod *corev1.Pod) *framework.PodInfo {
	info, _ := framework.NewPodInfo(pod)
	info.CalculateResource()
	return info
}

// infoFor returns the class's pod info for one of its pods.
func (cl *equivalenceClass) infoFor(pod *corev1.Pod) *framework.PodInfo {
	info := cl.info
	info.Pod = pod
	return &info
}

// filterCachesOf returns the caches of a class, in the order of the plugins.
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

// affectedCaches returns the caches that change when this pod comes or goes. It examines each
// cache once for each class of pods, including caches that were made since the last call.
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
