package session

import (
	"context"
	"fmt"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/master"

	"github.com/k8sm/k8sm/mesos/placement"
)

// surveyInterval is how often the master is asked for its agents at most, and surveyCostFactor
// which part of the time it may spend on answering.
const (
	surveyInterval   = 10 * time.Second
	surveyCostFactor = 20
)

// agentSurvey keep those who want to know what there is from asking the master all at once.
type agentSurvey struct {
	// turn has a token while the master is asked: who comes then waits for the answer, as
	// long as they have time.
	turn chan struct{}
	next time.Time
	err  error // of the last
}

// Capacity is what could be had, as far as is known. The master is asked for all its
// agents when that was not done lately; whoever has nothing waiting does not call this, so
// that at rest nobody asks. Where the master does not answer in the context's time, or does
// not let us ask, the rest is told, and why.
func (s *Session) Capacity(ctx context.Context) placement.Capacity {
	err := s.surveyAgents(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.core.Capacity(s.cfg.Clock())
	if err != nil && s.core.State().Reconciled && c.SurveyedAt.IsZero() {
		c.UnknownReason = err.Error()
	}
	return c
}

// surveyAgents asks the master for its agents, unless it was asked lately.
func (s *Session) surveyAgents(ctx context.Context) error {
	select {
	case s.surveys.turn <- struct{}{}:
		defer func() { <-s.surveys.turn }()
	case <-ctx.Done():
		return fmt.Errorf("waiting for the master's agents: %w", ctx.Err())
	}
	if !s.State().Subscribed {
		return nil // the state says why
	}
	asked := s.cfg.Clock()
	if asked.Before(s.surveys.next) {
		return s.surveys.err
	}
	r, err := s.queryMaster(ctx, master.Call_GET_AGENTS)
	if err != nil {
		err = fmt.Errorf("asking the master for its agents: %w", err)
		s.log.V(1).Info("Asking the master for its agents failed", "reason", err.Error())
	}
	took := s.cfg.Clock().Sub(asked)
	s.surveys.next, s.surveys.err = asked.Add(max(surveyInterval, surveyCostFactor*took)), err
	if err != nil {
		return err
	}
	totals, free := agentOffers(r.GetGetAgents().GetAgents(), s.wantedInfo().Roles)
	s.withCore(func(time.Time) { s.core.ObserveAgents(asked, totals, free) })
	return nil
}

// agentOffers reads what each role may have of the agents: in all, and, of those that make
// offers, free. An agent with nonsense for resources has nothing.
func agentOffers(agents []master.Response_GetAgents_Agent, roles []string) (totals, free []*placement.Offer) {
	for i := range agents {
		a := &agents[i]
		report := placement.AgentReport{Info: &a.AgentInfo, PID: a.GetPID(), Total: a.TotalResources, Allocated: a.AllocatedResources}
		for _, role := range roles {
			all, rest, err := report.ForRole(role)
			if err != nil {
				continue
			}
			totals = append(totals, all)
			if a.Active && !a.GetDeactivated() && a.DrainInfo == nil {
				free = append(free, rest)
			}
		}
	}
	return totals, free
}
