package conformance

import (
	"fmt"
	"math"
	"slices"
)

var filterChecks = []check{
	{"filters/decline", "DECLINE with refuse_seconds keeps the agent's offers away, and REVIVE clears that.", []int{33, 35}, onOwn(withOffer(checkDecline))},
	{"filters/decline-short", "When refuse_seconds have passed, the offer comes back by itself.", []int{33}, checkShortDecline},
	{"filters/accept", "What an ACCEPT does not use is refused for its filters' refuse_seconds.", []int{33}, onOwn(checkAcceptFilter)},
}

// offeredSince watches for offers of an agent from now on, of those that are as wanted.
func (s *schedulerClient) offeredSince(agent id, wanted func(offer) bool) func() (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := len(s.offered)
	return func() (string, bool) {
		i := slices.IndexFunc(s.offered[from:], func(n offer) bool { return n.AgentID == agent && wanted(n) })
		if i < 0 {
			return "", false
		}
		return s.offered[from+i].ID.Value, true
	}
}

// holding is offers of so much and no more. When others free something on the agent, what
// was refused may come back at any time, together with that.
func holding(cpus, mem float64) func(offer) bool {
	const tolerance = 0.002
	return func(o offer) bool {
		return math.Abs(total(o, "cpus")-cpus) < tolerance && math.Abs(total(o, "mem")-mem) < tolerance
	}
}

func acceptAny(offer) bool { return true }

func total(o offer, name string) float64 {
	sum := 0.0
	for _, r := range o.Resources {
		if r.name() == name {
			sum += r.scalar()
		}
	}
	return sum
}

func checkDecline(p *probe, f *schedulerClient, o offer) (string, error) {
	same := f.offeredSince(o.AgentID, holding(total(o, "cpus"), total(o, "mem")))
	if err := f.decline(p.ctx, declineFor, o.ID); err != nil {
		return "", err
	}
	if err := never(p, f, "an offer of the agent that was declined", same); err != nil {
		return "", err
	}
	return f.revived(p, o)
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
	again := f.offeredSince(o.AgentID, acceptAny)
	if err := f.decline(p.ctx, seconds, o.ID); err != nil {
		return "", err
	}
	_, err = await(p.ctx, f, p.Patience, fmt.Sprintf("an offer of %s after %d s", o.Hostname, seconds), again)
	return o.Hostname, err
}

func checkAcceptFilter(p *probe, f *schedulerClient) (string, error) {
	o, err := f.anyOffer(p, 2)
	if err != nil {
		return "", err
	}
	rest := f.offeredSince(o.AgentID, holding(total(o, "cpus")-taskCPUs, total(o, "mem")-taskMem))
	task, info := f.taskOn(o, sleeper)
	if err := f.launch(p, info, o.ID); err != nil {
		return "", err
	}
	if _, err := f.reached(p, task, "TASK_RUNNING"); err != nil {
		return "", err
	}
	if err := never(p, f, "an offer of what the ACCEPT left", rest); err != nil {
		return "", err
	}
	return f.revived(p, o)
}

// revived has what is refused offered again.
func (s *schedulerClient) revived(p *probe, o offer) (string, error) {
	again := s.offeredSince(o.AgentID, acceptAny)
	if err := s.accepted(p.ctx, "REVIVE", nil); err != nil {
		return "", err
	}
	_, err := await(p.ctx, s, p.Patience, "an offer of "+o.Hostname+" after REVIVE", again)
	return o.Hostname, err
}
