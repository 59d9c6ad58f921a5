package mesostest

import (
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/resource"
)

// cluster is what the masters of a cluster share: the lock, the agents, who leads,
// and what the leader knows. A real leader has the latter in its memory; here it is
// forgotten when the leader ends.
//
// One lock guards it, all masters and all agents. Under it nothing blocks: events
// are queued, containers are started and destroyed by goroutines that do not hold it.
type cluster struct {
	options MasterOptions // which all masters have, but for the address
	log     logr.Logger

	allocator offerAllocator
	done      chan struct{}
	wg        sync.WaitGroup
	masters   []*Master // in order of their making; never changed once they serve

	mu             sync.Mutex
	closed         bool
	leader         *Master // nil: none
	presumedLeader *Master // the leader by what the masters know, even if it has died; nil if none
	electionTimer  *time.Timer
	allDead        bool     // at the last election no master was alive
	agentsToClose  []*Agent // all that were ever started

	registry
	leaderMemory
}

// registry is what outlives a leader: real masters keep it in a replicated log.
type registry struct {
	goneAgents  map[string]bool // IDs of agents that an operator marked gone
	maintenance maintenanceState
	quota       quotaState
}

// leaderMemory is what a leader has in its memory.
type leaderMemory struct {
	frameworks    map[string]*framework
	completed     []*framework // removed, oldest first; their IDs are never taken again
	agents        []*Agent     // registered, disconnected or unreachable, in order of start
	recovered     []*Agent     // in the registry, but not yet back since the last election
	agentsByID    map[string]*Agent
	offers        map[string]*offer
	total         resource.Quantities // of registered agents
	offersOfRole  map[string]int      // ever made
	nextFramework int                 // number of the next ID
	lastFramework int                 // frameworks that the leader has known
	nextAgent     int
	nextOffer     int
}

func newLeaderMemory() leaderMemory {
	return leaderMemory{
		frameworks:   map[string]*framework{},
		agentsByID:   map[string]*Agent{},
		offers:       map[string]*offer{},
		total:        resource.QuantitiesOf(),
		offersOfRole: map[string]int{},
	}
}

func newCluster(o MasterOptions) *cluster {
	c := &cluster{
		options:      o.withDefaults(),
		log:          o.Log,
		done:         make(chan struct{}),
		registry:     registry{goneAgents: map[string]bool{}},
		leaderMemory: newLeaderMemory(),
	}
	c.allocator = offerAllocator{cluster: c, wake: make(chan struct{}, 1)}
	c.quota.cluster, c.maintenance.cluster = c, c
	return c
}

// start makes the masters serve, and the allocator of any of them run.
func (c *cluster) start() {
	for _, m := range c.masters {
		c.spawn(func() { _ = m.server.Serve(m.listener) })
	}
	c.spawn(c.allocator.run)
}

// spawn starts a goroutine that close waits for.
func (c *cluster) spawn(f func()) {
	c.wg.Add(1)
	go func() {
		defer c.wg.Done()
		f()
	}()
}

// after runs f under the lock when d has passed, unless the cluster is closed.
func (c *cluster) after(d time.Duration, f func()) *time.Timer {
	return time.AfterFunc(d, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.closed {
			f()
		}
	})
}

func (c *cluster) close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	agents := slices.Clone(c.agentsToClose)
	for _, m := range c.masters {
		m.abortStreams()
	}
	close(c.done)
	c.mu.Unlock()

	errs := closeAll(agents)
	for _, m := range c.masters {
		stopServer(m.server)
	}
	c.wg.Wait()
	return errors.Join(errs...)
}

// closeAll closes agents side by side: each may have to wait for its processes.
func closeAll(agents []*Agent) []error {
	errs := make([]error, len(agents))
	var wg sync.WaitGroup
	for i, a := range agents {
		wg.Go(func() { errs[i] = a.Close() })
	}
	wg.Wait()
	return errs
}

// lockAsLeader takes the lock for a call. A call to a process that has ended
// meanwhile is not executed, and never answered.
func (m *Master) lockAsLeader() {
	m.mu.Lock()
	if m.leader != m {
		m.mu.Unlock()
		panic(http.ErrAbortHandler)
	}
}
