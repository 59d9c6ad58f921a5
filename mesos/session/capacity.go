package session

import (
	"context"
	"fmt"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/master"

	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler"
	"github.com/k8sm/k8sm/mesos/scheduler/offers"
)

// The master is asked for its agents at most every minSurveyInterval. A master that needs
// long to answer is asked less often: it spends at most one part in surveyCostFactor of its
// time on answers.
const (
	minSurveyInterval = 10 * time.Second
	surveyCostFactor  = 20
)

// agentSurvey keeps the callers of Capacity from asking the master all at once.
type agentSurvey struct {
	// slot holds a token while the master is being asked. Other callers wait for it, as long
	// as their context lasts. Its holder owns the fields below.
	slot chan struct{}
	next time.Time // when the master may be asked again
	err  error     // of the last survey
}

func newAgentSurvey() agentSurvey { return agentSurvey{slot: make(chan struct{}, 1)} }

// finish notes the result of a survey, and when the next one may begin.
func (a *agentSurvey) finish(asked time.Time, took time.Duration, err error) {
	a.next, a.err = asked.Add(max(minSurveyInterval, surveyCostFactor*took)), err
}

// Capacity returns what is known of the cluster's agents. It asks the master for all agents
// when that was not done lately. Callers with nothing that waits for capacity should not
// call it, so that a cluster at rest gets no requests. Where the master does not answer
// within the context's time, or refuses to, the result has what is known from offers, and
// the reason.
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

// surveyAgents asks the master for its agents, unless that was done lately. It then returns
// the result of the last time.
func (s *Session) surveyAgents(ctx context.Context) error {
	select {
	case s.survey.slot <- struct{}{}:
		defer func() { <-s.survey.slot }()
	case <-ctx.Done():
		return fmt.Errorf("waiting for the master's agents: %w", ctx.Err())
	}
	if !s.State().Subscribed {
		return nil // the core's Capacity explains it
	}
	asked := s.cfg.Clock()
	if asked.Before(s.survey.next) {
		return s.survey.err
	}
	r, err := s.queryMaster(ctx, master.Call_GET_AGENTS)
	if err != nil {
		err = fmt.Errorf("asking the master for its agents: %w", err)
		s.log.V(1).Info("Asking the master for its agents failed", "reason", err.Error())
	}
	s.survey.finish(asked, s.cfg.Clock().Sub(asked), err)
	if err != nil {
		return err
	}
	totals, free := agentOffers(r.GetGetAgents().GetAgents(), s.wantedInfo())
	s.withCore(func(time.Time) { s.core.ObserveAgents(asked, totals, free) })
	return nil
}

// agentOffers returns synthetic offers of the agents for each role: of all that they have,
// and, for the agents that make offers, of what they have free. An agent whose resources are
// not valid is left out.
func agentOffers(agents []master.Response_GetAgents_Agent, info scheduler.Info) (totals, free []*placement.Offer) {
	for i := range agents {
		a := &agents[i]
		if offers.CheckAgent(a.AgentInfo.GetID().GetValue(), a.AgentInfo.Hostname, a.AgentInfo.Domain, a.AgentInfo.Attributes) != nil {
			continue // its offers are declined, too
		}
		report := placement.AgentReport{Info: &a.AgentInfo, PID: a.GetPID(), Total: a.TotalResources, Allocated: a.AllocatedResources}
		makesOffers := a.Active && !a.GetDeactivated() && a.DrainInfo == nil
		for _, role := range info.Roles {
			all, rest, err := report.ForRole(role, info.Principal)
			if err != nil {
				continue
			}
			totals = append(totals, all)
			if makesOffers {
				free = append(free, rest)
			}
		}
	}
	return totals, free
}
