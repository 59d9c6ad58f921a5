package conformance

import (
	"fmt"
	"math"
	"slices"
)

var filterChecks = []check{
	{"filters/decline", "After DECLINE with refuse_seconds the agent makes no offers, until REVIVE.", []int{33, 35}, onOwn(withOffer(checkDecline))},
	{"filters/decline-short", "When refuse_seconds have passed, the agent is offered again without REVIVE.", []int{33}, checkShortDecline},
	{"filters/accept", "The resources that an ACCEPT does not use are declined for its filters' refuse_seconds.", []int{33}, onOwn(checkAcceptFilter)},
}

// offeredSince returns a function for await. It finds an offer of the agent that came after
// this call and that wanted accepts.
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

// hasExactly accepts offers with exactly these resources. An offer with more may come in
// spite of a filter, when another framework has freed resources of the agent.
func hasExactly(cpus, mem float64) func(offer) bool {
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
	same := f.offeredSince(o.AgentID, hasExactly(total(o, "cpus"), total(o, "mem")))
	if err := f.decline(p.ctx, declineSeconds, o.ID); err != nil {
		return "", err
	}
	if err := expectNone(p, f, "an offer of the agent that was declined", same); err != nil {
		return "", err
	}
	return f.expectOffersAfterRevive(p, o)
}

func checkShortDecline(p *probe) (string, error) {
	const seconds = 1
	f, err := p.framework(frameworkSpec{suppressed: true})
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
	rest := f.offeredSince(o.AgentID, hasExactly(total(o, "cpus")-taskCPUs, total(o, "mem")-taskMem))
	task, info := f.taskOn(o, sleeper)
	if err := f.launch(p, info, o.ID); err != nil {
		return "", err
	}
	if _, err := f.awaitState(p, task, "TASK_RUNNING"); err != nil {
		return "", err
	}
	if err := expectNone(p, f, "an offer of what the ACCEPT left", rest); err != nil {
		return "", err
	}
	return f.expectOffersAfterRevive(p, o)
}

// expectOffersAfterRevive revives and waits for another offer of the same agent.
func (s *schedulerClient) expectOffersAfterRevive(p *probe, o offer) (string, error) {
	again := s.offeredSince(o.AgentID, acceptAny)
	if err := s.accepted(p.ctx, "REVIVE", nil); err != nil {
		return "", err
	}
	_, err := await(p.ctx, s, p.Patience, "an offer of "+o.Hostname+" after REVIVE", again)
	return o.Hostname, err
}
