package nodepool

import (
	"context"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/node"
	"github.com/k8sm/k8sm/mesos/placement"
)

const (
	// surveyEvery is how often Mesos is asked for its agents, for one pool.
	surveyEvery = time.Minute
	// surveyTimeout bounds the question: a master that hangs does not hold a worker.
	surveyTimeout = 5 * time.Second
)

// surveys remember what agents there are, so that Mesos is seldom asked.
type surveys struct {
	agents Agents

	mu    sync.Mutex
	pools map[string]survey
}

type survey struct {
	at     time.Time
	agents []Agent
	ok     bool
}

func newSurveys(agents Agents) *surveys {
	return &surveys{agents: agents, pools: map[string]survey{}}
}

// ask returns the largest agents of the pool's cluster, and whether they are known.
func (s *surveys) ask(ctx context.Context, pool *v1alpha1.MesosNodePool, now time.Time) ([]Agent, bool) {
	s.mu.Lock()
	last, known := s.pools[pool.Name]
	s.mu.Unlock()
	if known && now.Sub(last.at) < surveyEvery {
		return last.agents, last.ok
	}
	ctx, cancel := context.WithTimeout(ctx, surveyTimeout)
	defer cancel()
	agents, err := s.agents.LargestAgents(ctx, pool.Spec.FrameworkRef.Name)
	if err != nil {
		log.FromContext(ctx).V(1).Info("Asking Mesos for its agents failed", "error", err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pools[pool.Name] = survey{at: now, agents: agents, ok: err == nil}
	return agents, err == nil
}

// forget drops a pool that is gone.
func (s *surveys) forget(pool string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pools, pool)
}

// resources are what a node asks of an agent.
func resources(n *v1alpha1.MesosNode) placement.Resources {
	return node.Resources(n.Spec.Template.Spec.Resources)
}
