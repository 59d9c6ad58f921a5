package session

import (
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/master"

	"github.com/k8sm/k8sm/mesos/scheduler/quota"
)

// quotaInterval is the least time between two questions for the quotas of roles.
const quotaInterval = 30 * time.Second

// surveyQuotas asks the master for the quotas of the framework's roles, unless that was done
// lately. It is called only while something waits, so that a cluster at rest gets no requests.
// Session.mu is held.
func (s *Session) surveyQuotas() {
	now := s.cfg.Clock()
	if now.Before(s.quotasNext) || !s.core.State().Reconciled {
		return
	}
	s.quotasNext = now.Add(quotaInterval)
	s.spawn(func() {
		quotas, err := s.queryQuotas()
		if err != nil {
			// A principal may be forbidden to see quotas. Then nothing is known of them.
			s.log.V(1).Info("Asking the master for quotas failed", "reason", err.Error())
			return
		}
		s.withCore(func(time.Time) { s.core.SetQuotas(quotas) })
	})
}

// queryQuotas asks for the agents only if a quota has a limit: that answer is long.
func (s *Session) queryQuotas() (map[string]quota.Headroom, error) {
	answer, err := s.queryMaster(s.ctx, master.Call_GET_QUOTA)
	if err != nil {
		return nil, err
	}
	configs, roles := answer.GetGetQuota().GetStatus().Configs, s.wantedInfo().Roles
	if len(quota.Of(roles, configs, nil)) == 0 {
		return nil, nil
	}
	if answer, err = s.queryMaster(s.ctx, master.Call_GET_AGENTS); err != nil {
		return nil, err
	}
	return quota.Of(roles, configs, answer.GetGetAgents().GetAgents()), nil
}
