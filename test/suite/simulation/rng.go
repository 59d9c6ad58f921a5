package simulation

import (
	"sync"
	"time"
)

// rng makes random decisions by hashing: the n-th decision of a kind depends on the seed, the
// kind and n, and not on other decisions. The kinds are part of every schedule: a kind that is
// renamed changes what all seeds do.
type rng struct {
	seed uint64

	mu     sync.Mutex
	counts map[string]uint64
}

func newRNG(seed uint64) *rng { return &rng{seed: seed, counts: map[string]uint64{}} }

// roll is one random value. Its methods return independent values.
type roll uint64

// of returns the roll for the next decision of a kind.
func (c *rng) of(kind string) roll {
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

// then returns another roll, derived from this one.
func (r roll) then() roll { return roll(mix(uint64(r))) }

// unit returns a number in [0, 1).
func (r roll) unit() float64 { return float64(mix(uint64(r)^0x55)>>11) / (1 << 53) }

// happens reports whether an event of that probability happens.
func (r roll) happens(p float64) bool { return r.unit() < p }

// below returns an integer in [0, n).
func (r roll) below(n int) int { return int(r.unit() * float64(n)) }

// between returns a duration in [low, high), to the nanosecond.
func (r roll) between(low, high time.Duration) time.Duration {
	return low + time.Duration(r.unit()*float64(high-low))
}

// delay returns the time that a message takes: around typical, and with the probability slow up
// to a hundred times as long.
func (r roll) delay(typical time.Duration, slow float64) time.Duration {
	switch u := r.then(); {
	case u.happens(slow):
		return u.then().between(typical, 100*typical)
	default:
		return u.then().between(typical/4, 2*typical)
	}
}
