package scheduler

import (
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/placement"
)

// offers is the part of the core that holds what is offered, and no longer than a few
// seconds.
type offers struct {
	held map[string]*held
	// arrivals are in the order of their coming, with some that have left.
	arrivals []*held
}

type held struct {
	*placement.Offer
	since time.Time
	batch *batch // nil while nothing is placed on it
	gone  bool
}

func newOffers() offers { return offers{held: map[string]*held{}} }

func (c *Core) onOffers(now time.Time, os []mesos.Offer) {
	var unfit []string
	for i := range os {
		id := os[i].ID.Value
		if id == "" || c.held[id] != nil {
			continue
		}
		o, err := placement.ParseOffer(&os[i])
		if err != nil {
			c.counts.Malformed++
			unfit = append(unfit, id)
			continue
		}
		c.foresee(now, o.Agent.ID, o.Maintenance)
		c.learn(o)
		r := c.roles[o.Role]
		if r == nil || !r.member || (r.suppressed && r.waiting == 0) || c.tearing {
			unfit = append(unfit, id)
		} else {
			h := &held{Offer: o, since: now}
			c.held[id] = h
			c.arrivals = append(c.arrivals, h)
			c.see(now, o)
		}
		if r != nil && r.member {
			c.offered(now, r)
		}
	}
	c.decline(unfit, c.timing.DeclineFilter)
	if len(c.held) > 0 {
		c.agenda.hasten(dutyHold, "", now.Add(c.timing.OfferHold))
		c.planSoon(now)
	}
}

func (c *Core) decline(ids []string, refuse time.Duration) {
	if len(ids) > 0 {
		c.counts.Declined += uint64(len(ids))
		c.enqueue(declineCall(ids, refuse))
	}
}

// declineStale gives back what was held long enough for nothing. An agent that nothing
// fits is left alone for long; one that we had no time for is not.
func (c *Core) declineStale(now time.Time) {
	var long, short, next []string
	for len(c.arrivals) > 0 {
		h := c.arrivals[0]
		if until := h.since.Add(c.timing.OfferHold); until.After(now) {
			c.agenda.set(dutyHold, "", until)
			break
		}
		if !h.gone && h.batch == nil {
			c.release(h)
			switch {
			case !c.launching():
				short = append(short, h.ID)
			case c.crowded && c.roles[h.Role].waiting > 0:
				next = append(next, h.ID) // its turn comes as soon as there is room
			default:
				long = append(long, h.ID)
			}
		}
		c.arrivals = c.arrivals[1:]
	}
	c.decline(long, c.timing.DeclineFilter)
	c.decline(short, c.timing.ShortDeclineFilter)
	c.decline(next, 0)
}

// idle are the offers to a role that nothing is placed on. They are struck from the
// books, to be declined.
func (c *Core) idle(role string) []string {
	var ids []string
	for _, h := range c.arrivals {
		if !h.gone && h.batch == nil && h.Role == role {
			c.release(h)
			ids = append(ids, h.ID)
		}
	}
	return ids
}

// release strikes an offer from the books.
func (c *Core) release(h *held) {
	h.gone = true
	delete(c.held, h.ID)
}

// free are the offers that nothing is placed on, in the order of their coming.
func (c *Core) free() []*placement.Offer {
	out := make([]*placement.Offer, 0, len(c.arrivals))
	for _, h := range c.arrivals {
		if !h.gone && h.batch == nil {
			out = append(out, h.Offer)
		}
	}
	return out
}

// forgetOffers: they are void without a stream.
func (c *Core) forgetOffers() {
	c.counts.Voided += uint64(len(c.held))
	c.offers = newOffers()
}

func (c *Core) onRescind(now time.Time, id string) {
	h := c.held[id]
	if h == nil {
		return // sent already: the master tells what becomes of it
	}
	c.counts.Rescinded++
	delete(c.seen, spot{h.Role, h.Agent.ID})
	c.release(h)
	if h.batch != nil {
		c.voidBatch(now, h.batch)
	}
}
