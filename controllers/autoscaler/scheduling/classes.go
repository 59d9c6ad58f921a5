package scheduling

import (
	"encoding/binary"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// maxClasses bounds what is remembered of pods; where there are more, it is learned again.
const maxClasses = 1 << 14

// class is pods that plugins do not tell apart.
type class struct {
	kin    *kin
	info   framework.PodInfo // of one of them, with what it asks for worked out
	sieves []*sieve          // for each plugin its sieve, nil where it is asked about each pod anew; empty until one is asked for
}

// kin are pods that the trackers see alike, and the sieves that they concern.
type kin struct {
	concerned []*sieve
	seen      []int // how many sieves of each tracked plugin were looked at
	lesson    int   // the Cluster's, when they were
}

// forget everything that plugins said.
func (c *Cluster) forget() {
	c.classes, c.kin = map[string]*class{}, map[string]*kin{}
	c.lesson++
	for _, p := range c.plugins {
		p.sieves, p.all = map[string]*sieve{}, nil
	}
}

// classOf is the class of a pod that is on no node yet, whatever its spec and status say.
func (c *Cluster) classOf(pod *corev1.Pod) *class {
	var space [1024]byte
	name := key(space[:0])
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
		c.forget()
	}
	bare := *pod
	bare.Spec.NodeName, bare.Status = "", corev1.PodStatus{}
	made := &class{kin: c.kinOf(pod), info: *newInfo(&bare)}
	c.classes[string(name)] = made
	return made
}

func newInfo(pod *corev1.Pod) *framework.PodInfo {
	// The API server lets terms through that can't be parsed; the scheduler goes on without them.
	info, _ := framework.NewPodInfo(pod)
	info.CalculateResource()
	return info
}

// of is what is known of a pod of the class.
func (cl *class) of(pod *corev1.Pod) *framework.PodInfo {
	info := cl.info
	info.Pod = pod
	return &info
}

func (c *Cluster) sievesOf(cl *class, pod *corev1.Pod) []*sieve {
	if cl.sieves == nil {
		cl.sieves = make([]*sieve, len(c.plugins))
		for i, p := range c.plugins {
			if name := p.keyOf(key{}, pod); name != nil {
				cl.sieves[i] = c.sieve(p, string(name), pod)
			}
		}
	}
	return cl.sieves
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

func (c *Cluster) eachTracker(do func(tracker)) {
	for _, p := range c.plugins {
		if !p.tracked {
			continue
		}
		for _, s := range p.all {
			do(s.tracker)
		}
	}
}

func (c *Cluster) kinOf(pod *corev1.Pod) *kin {
	var space [512]byte
	name := key(space[:0]).podAffinity(pod)
	k, ok := c.kin[string(name)]
	if !ok {
		k = &kin{seen: make([]int, len(c.plugins)), lesson: c.lesson}
		c.kin[string(name)] = k
	}
	return k
}

// concerned are the sieves to whose state it matters where this pod is.
func (c *Cluster) concerned(k *kin, pod *framework.PodInfo) []*sieve {
	if k.lesson != c.lesson {
		*k = kin{seen: make([]int, len(c.plugins)), lesson: c.lesson}
	}
	for i, p := range c.plugins {
		if !p.tracked {
			continue
		}
		for _, s := range p.all[k.seen[i]:] {
			if s.tracker.concerns(pod) {
				k.concerned = append(k.concerned, s)
			}
		}
		k.seen[i] = len(p.all)
	}
	return k.concerned
}
