package simulation

import (
	"sync"
	"time"
)

// chance decides by hashing: what becomes of the n-th thing of a kind depends on the
// seed, the kind and n, and not on what else was decided before.
type chance struct {
	seed uint64

	mu     sync.Mutex
	counts map[string]uint64
}

func newChance(seed uint64) *chance { return &chance{seed: seed, counts: map[string]uint64{}} }

// roll is one decision. Each way of reading it is independent of the others.
type roll uint64

// of rolls for the next thing of a kind.
func (c *chance) of(kind string) roll {
	c.mu.Lock()
	n := c.counts[kind]
	c.counts[kind] = n + 1
	c.mu.Unlock()
	h := c.seed*0x9e3779b97f4a7c15 + 0xcbf29ce484222325
	for i := range len(kind) {
		h = (h ^ uint64(kind[i])) * 0x100000001b3
	}
	return roll(mix(h ^ mix(n)))
}

// mix is the finalizer of splitmix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// then is another roll that follows from this one.
func (r roll) then() roll { return roll(mix(uint64(r))) }

// unit is in [0, 1).
func (r roll) unit() float64 { return float64(mix(uint64(r)^0x55)>>11) / (1 << 53) }

// under tells whether something of that probability happens.
func (r roll) under(p float64) bool { return r.unit() < p }

// below is in [0, n).
func (r roll) below(n int) int { return int(r.unit() * float64(n)) }

// between is a time in [low, high), to the nanosecond.
func (r roll) between(low, high time.Duration) time.Duration {
	return low + time.Duration(r.unit()*float64(high-low))
}

// delay is how long a message takes: mostly a little, now and then a lot.
func (r roll) delay(typical time.Duration, slow float64) time.Duration {
	switch u := r.then(); {
	case u.under(slow):
		return u.then().between(typical, 100*typical)
	default:
		return u.then().between(typical/4, 2*typical)
	}
}
