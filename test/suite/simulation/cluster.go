package simulation

import (
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/k8sm/k8sm/mesos/mesostest"
)

// mesosCluster is the Mesos of the world.
type mesosCluster struct {
	world   *world
	masters *mesostest.Masters
	// agents that are there or will be back; lost are those that will not.
	agents, lost []*mesostest.Agent
	left         map[string]bool                // IDs of agents that said farewell
	starts       map[*mesostest.Agent]time.Time // of agents that were restarted
	next         int
	unplanned    bool // in calm, the maintenance that was planned is off
}

const masterPort = 5050

func masterIP(i int) string { return fmt.Sprintf("10.0.0.%d", i+1) }

func newMesosCluster(w *world) (*mesosCluster, error) {
	o := mesostest.MasterOptions{
		Observe: w.checks.called, ObserveEvent: w.checks.told, Log: w.trace.logger("mesos"),
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
	c := &mesosCluster{world: w, masters: masters, left: map[string]bool{}, starts: map[*mesostest.Agent]time.Time{}}
	for range w.plan.agents {
		if err := c.addAgent(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// addresses of the masters, as the user writes them.
func (c *mesosCluster) addresses() []string {
	var out []string
	for i := range c.masters.All() {
		out = append(out, address(masterIP(i), masterPort))
	}
	return out
}

// inject changes the faults of all masters.
func (c *mesosCluster) inject(f func(*mesostest.Faults)) {
	for _, m := range c.masters.All() {
		m.Inject(f)
	}
}

// leader is the number of the master that leads, -1 if none does.
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

// take removes an agent that a roll chooses from those that will be there, and has
// another begin in its place.
func (c *mesosCluster) take(r roll) *mesostest.Agent {
	i := r.below(len(c.agents))
	a := c.agents[i]
	c.agents = append(c.agents[:i:i], c.agents[i+1:]...)
	c.lost = append(c.lost, a)
	if err := c.addAgent(); err != nil {
		c.world.fail("adding an agent: %v", err)
	}
	return a
}

// some agent that a roll chooses.
func (c *mesosCluster) some(r roll) *mesostest.Agent { return c.agents[r.below(len(c.agents))] }

// heal ends all that is wrong with Mesos, and has a person say which agents will not
// be back.
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
		a.Start()
		a.Reconnect()
	}
	for !c.isWhole() && c.world.wait(10*time.Second) {
		continue
	}
}

// isWhole tells whether lost agents are marked gone, which a master does once it knows
// them to be away, and all others are in use. It does what it can for that.
func (c *mesosCluster) isWhole() bool {
	leader := c.masters.Leader()
	whole := leader != nil
	if whole && !c.unplanned {
		c.unplanned = leader.ScheduleMaintenance() == nil
		whole = c.unplanned
	}
	whole = c.world.userForces(c.left) && whole
	for _, a := range c.lost {
		if c.left[a.ID()] {
			continue
		}
		c.world.checks.forgive(a.ID()) // it may have come back to a master that had not heard
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

func (c *mesosCluster) close() { _ = c.masters.Close() } // what does not end is seen by the bubble
