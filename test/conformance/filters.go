package conformance

import (
	"fmt"
	"slices"
)

var filterChecks = []check{
	{"filters/decline", "DECLINE with refuse_seconds keeps the agent's offers away, and REVIVE clears that.", []int{33, 35}, checkDecline},
	{"filters/decline-short", "When refuse_seconds have passed, the offer comes back by itself.", []int{33}, checkShortDecline},
	{"filters/accept", "What an ACCEPT does not use is refused for its filters' refuse_seconds.", []int{33}, checkAcceptFilter},
}

// offeredAgain watches for offers of an agent that hold no more than one refused: more
// than that may be offered at any time.
func (s *scheduler) offeredAgain(o offer) func() (string, bool) {
	from := len(s.offered)
	return func() (string, bool) {
		i := slices.IndexFunc(s.offered[from:], func(n offer) bool {
			return n.AgentID == o.AgentID && total(n, "cpus") <= total(o, "cpus") && total(n, "mem") <= total(o, "mem")
		})
		if i < 0 {
			return "", false
		}
		return s.offered[from+i].ID.Value, true
	}
}

func total(o offer, name string) float64 {
	sum := 0.0
	for _, r := range o.Resources {
		if r.name() == name {
			sum += r.scalar()
		}
	}
	return sum
}

// watch is offeredAgain from now on.
func (s *scheduler) watch(o offer) func() (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.offeredAgain(o)
}

func checkDecline(p *probe) (string, error) {
	f, err := p.framework(spec{suppressed: true})
	if err != nil {
		return "", err
	}
	o, err := f.anyOffer(p, 1)
	if err != nil {
		return "", err
	}
	again := f.watch(o)
	if err := f.decline(p.ctx, declineFor, o.ID); err != nil {
		return "", err
	}
	if err := never(p, f, "an offer of the agent that was declined", again); err != nil {
		return "", err
	}
	if err := f.accepted(p.ctx, "REVIVE", nil); err != nil {
		return "", err
	}
	_, err = await(p.ctx, f, p.Patience, "an offer of "+o.Hostname+" after REVIVE", again)
	return o.Hostname, err
}

func checkShortDecline(p *probe) (string, error) {
	const seconds = 1
	f, err := p.framework(spec{suppressed: true})
	if err != nil {
		return "", err
	}
	o, err := f.anyOffer(p, 1)
	if err != nil {
		return "", err
	}
	again := f.watch(o)
	if err := f.decline(p.ctx, seconds, o.ID); err != nil {
		return "", err
	}
	_, err = await(p.ctx, f, p.Patience, fmt.Sprintf("an offer of %s after %d s", o.Hostname, seconds), again)
	return o.Hostname, err
}

func checkAcceptFilter(p *probe) (string, error) {
	f, err := p.framework(spec{suppressed: true})
	if err != nil {
		return "", err
	}
	o, err := f.anyOffer(p, 2)
	if err != nil {
		return "", err
	}
	again := f.watch(o)
	task, info := f.taskOn(o, sleeper)
	if err := f.launch(p, info, o.ID); err != nil {
		return "", err
	}
	if _, err := f.reached(p, task, "TASK_RUNNING"); err != nil {
		return "", err
	}
	if err := never(p, f, "an offer of what the ACCEPT left", again); err != nil {
		return "", err
	}
	if err := f.accepted(p.ctx, "REVIVE", nil); err != nil {
		return "", err
	}
	_, err = await(p.ctx, f, p.Patience, "an offer of the rest after REVIVE", again)
	return o.Hostname, err
}
