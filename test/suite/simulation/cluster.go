package simulation

import (
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/k8sm/k8sm/mesos/mesostest"
)

// mesosCluster is the simulated Mesos cluster.
type mesosCluster struct {
	world   *world
	masters *mesostest.Masters
	// agents are up or will come back; lost ones will not.
	agents, lost         []*mesostest.Agent
	leftAgents           map[string]bool                // IDs of agents that unregistered
	restarted            map[*mesostest.Agent]time.Time // when agents that were restarted come back
	next                 int
	maintenanceCancelled bool // heal has cancelled the scheduled maintenance
}

const masterPort = 5050

func masterIP(i int) string { return fmt.Sprintf("10.0.0.%d", i+1) }

func newMesosCluster(w *world) (*mesosCluster, error) {
	o := mesostest.MasterOptions{
		Observe: w.checks.callReceived, ObserveEvent: w.checks.eventSent, Log: w.trace.logger("mesos"),
		ElectAfter:  w.plan.electAfter,
		AgentReturn: w.plan.agentReturn, RecoveryTime: w.plan.recovery,
	}
	for i := range w.plan.masters {
		o.Listeners = append(o.Listeners, net.Listener(w.network.listen(masterIP(i), masterPort)))
	}
	masters, err := mesostest.NewMasters(w.plan.masters, o)
	if err != nil {
		return nil, err
	}
	c := &mesosCluster{world: w, masters: masters, leftAgents: map[string]bool{}, restarted: map[*mesostest.Agent]time.Time{}}
	for range w.plan.agents {
		if err := c.addAgent(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// addresses returns the masters' addresses for spec.masters.
func (c *mesosCluster) addresses() []string {
	var out []string
	for i := range c.masters.All() {
		out = append(out, address(masterIP(i), masterPort))
	}
	return out
}

// inject changes the injected faults of all masters.
func (c *mesosCluster) inject(f func(*mesostest.Faults)) {
	for _, m := range c.masters.All() {
		m.Inject(f)
	}
}

// leader returns the index of the leading master, -1 if there is none.
func (c *mesosCluster) leader() int {
	for i, m := range c.masters.All() {
		if m == c.masters.Leader() {
			return i
		}
	}
	return -1
}

// addAgent starts an agent with room for as many nodes as the plan says.
func (c *mesosCluster) addAgent() error {
	c.next++
	room := c.world.plan.roomPerAgent
	a, err := c.masters.AddAgent(mesostest.AgentOptions{
		Hostname:  fmt.Sprintf("agent-%d.example", c.next),
		Resources: fmt.Sprintf("cpus:%d;mem:%d;disk:20000;ports:[31000-31100]", 2*room, 2048*room),
		Launcher:  mesostest.Func(c.world.executor),
	})
	if err == nil {
		c.agents = append(c.agents, a)
	}
	return err
}

// replaceAgent moves a random agent to the lost ones, and starts a new agent.
func (c *mesosCluster) replaceAgent(r roll) *mesostest.Agent {
	i := r.below(len(c.agents))
	a := c.agents[i]
	c.agents = append(c.agents[:i:i], c.agents[i+1:]...)
	c.lost = append(c.lost, a)
	if err := c.addAgent(); err != nil {
		c.world.fail("adding an agent: %v", err)
	}
	return a
}

// anyAgent returns a random agent.
func (c *mesosCluster) anyAgent(r roll) *mesostest.Agent { return c.agents[r.below(len(c.agents))] }

// heal ends all faults of Mesos, and marks agents that will not come back as gone, as an
// administrator would.
func (c *mesosCluster) heal() {
	c.inject(func(f *mesostest.Faults) { *f = mesostest.Faults{} })
	for i := range c.masters.All() {
		c.masters.Revive(i)
	}
	if c.masters.Leader() == nil {
		c.masters.Elect(0)
	}
	for _, a := range c.agents {
		a.Resume()
		a.RestoreNetwork(mesostest.NetworkReturn{})
		a.Start()
		a.Reconnect()
	}
	for !c.isWhole() && c.world.wait(10*time.Second) {
		continue
	}
}

// isWhole marks lost agents as gone, which a master accepts once it knows that they are away, and
// reactivates the others. It reports whether all that is done.
func (c *mesosCluster) isWhole() bool {
	leader := c.masters.Leader()
	whole := leader != nil
	if whole && !c.maintenanceCancelled {
		c.maintenanceCancelled = leader.ScheduleMaintenance() == nil
		whole = c.maintenanceCancelled
	}
	whole = c.world.userForceReleases(c.leftAgents) && whole
	for _, a := range c.lost {
		if c.leftAgents[a.ID()] {
			continue
		}
		c.world.checks.declareAgentGone(a.ID()) // it may have come back to a master that did not know of its loss
		whole = leader != nil && leader.MarkAgentGone(a.ID()) && whole
	}
	for _, a := range c.agents {
		switch err := a.Reactivate(); {
		case err == nil:
			c.world.trace.add(a.Hostname(), "reactivated")
		case strings.Contains(err.Error(), "DRAINING"):
			whole = false
		}
	}
	return whole
}

func (c *mesosCluster) close() { _ = c.masters.Close() } // synctest finds goroutines that do not end
