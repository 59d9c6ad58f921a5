package mesostest

import (
	"slices"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/allocator"
	maintenancepb "github.com/mesos/mesos-go/api/v1/lib/maintenance"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/maintenance"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/mesoserror"
)

// supervisorDelay is the time after which a supervisor has started an agent again whose
// machine is no longer down.
const supervisorDelay = time.Second

// MaintenanceWindow is when the machines of agents will not be there.
type MaintenanceWindow struct {
	Start time.Time
	// Duration, 0 for a window without end.
	Duration time.Duration
	Agents   []*Agent
}

// ScheduleMaintenance is the operator's UPDATE_MAINTENANCE_SCHEDULE: the windows take
// the place of the schedule that was, none end it. All offers of all agents are
// rescinded, and come again, with their unavailability where there is one; frameworks
// that have offers or tasks of such agents get inverse offers.
func (m *Master) ScheduleMaintenance(windows ...MaintenanceWindow) error {
	schedule := maintenancepb.Schedule{}
	for _, w := range windows {
		window := maintenancepb.Window{
			MachineIDs:     machinesOf(w.Agents),
			Unavailability: mesos.Unavailability{Start: mesos.TimeInfo{Nanoseconds: w.Start.UnixNano()}},
		}
		if w.Duration != 0 {
			window.Unavailability.Duration = &mesos.DurationInfo{Nanoseconds: w.Duration.Nanoseconds()}
		}
		schedule.Windows = append(schedule.Windows, window)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.maintenance.setSchedule(schedule)
}

// StartMaintenance is the operator's START_MAINTENANCE: the agents' machines, which
// must be in the schedule, are down. The agents are removed with all their tasks,
// even before their window begins, and cannot register before StopMaintenance.
func (m *Master) StartMaintenance(agents ...*Agent) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.maintenance.start(machinesOf(agents))
}

// StopMaintenance is the operator's STOP_MAINTENANCE: the machines are no longer
// down, nor in the schedule, and a second later their agents are back.
func (m *Master) StopMaintenance(agents ...*Agent) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.maintenance.stop(machinesOf(agents))
}

func machinesOf(agents []*Agent) []mesos.MachineID {
	var ids []mesos.MachineID
	for _, a := range agents {
		ids = append(ids, mesos.MachineID{Hostname: &a.options.Hostname, IP: &a.ip})
	}
	return ids
}

// machine that the agent is on.
func (a *Agent) machine() maintenance.Machine { return maintenance.MachineOf(a.options.Hostname, a.ip) }

// maintenanceState carries out the maintenance that operators planned. The plan is part of
// the registry.
type maintenanceState struct {
	cluster *cluster
	plan    maintenance.Plan
}

// unavailability of the agent; nil if there is none.
func (s *maintenanceState) unavailability(a *Agent) *mesos.Unavailability {
	return s.plan.Unavailability(a.machine())
}

// setSchedule replaces the schedule. Offers of all agents are rescinded, also of agents
// for which nothing changes.
func (s *maintenanceState) setSchedule(schedule maintenancepb.Schedule) error {
	if err := s.plan.Update(schedule); err != nil {
		return err
	}
	for _, a := range s.cluster.agents {
		a.record.rescindAll()
	}
	s.cluster.allocator.runSoon()
	return nil
}

// rescindAll takes back all offers and inverse offers of the agent, and forgets what
// frameworks answered: none of them knows of the agent's new unavailability.
func (r *agentRecord) rescindAll() {
	for _, o := range valuesByKey(r.offers) {
		o.rescind()
	}
	r.rescindInverseOffers()
	r.inverseOffers = nil
}

// hasAgent reports whether any agent is on the machine.
func (s *maintenanceState) hasAgent(m maintenance.Machine) bool {
	return slices.ContainsFunc(s.cluster.agents, func(a *Agent) bool { return a.machine() == m })
}

func (s *maintenanceState) start(ids []mesos.MachineID) error {
	machines, err := s.plan.Start(ids, s.hasAgent)
	if err != nil {
		return err
	}
	for _, m := range machines {
		for _, a := range slices.Clone(s.cluster.agents) {
			if a.machine() == m && a.record.state != agentUnreachable {
				a.record.remove("Operator initiated 'Machine DOWN'")
				a.shutDownAll()
			}
		}
	}
	return nil
}

func (s *maintenanceState) stop(ids []mesos.MachineID) error {
	machines, err := s.plan.Stop(ids, s.hasAgent)
	if err != nil {
		return err
	}
	for _, m := range machines {
		for _, a := range s.cluster.agentsToClose {
			if a.machine() == m {
				s.cluster.after(supervisorDelay, a.record.restartAfterMaintenance)
			}
		}
	}
	return nil
}

// restartAfterMaintenance starts the process of an agent whose machine was down, unless
// anything else happened to it since.
func (r *agentRecord) restartAfterMaintenance() {
	if r.state == agentRemoved && r.agent.processState == processRunning {
		r.agent.link.down = false
		r.registerAgain()
	}
}

// checkNotScheduled returns an error for an agent that is to be maintained: it cannot be
// drained.
func (r *agentRecord) checkNotScheduled() error {
	if m := r.agent.machine(); r.cluster.maintenance.plan.IsScheduled(m) {
		return mesoserror.Errorf("Agent %s is part of a maintenance schedule under Machine %s", r.id, m)
	}
	return nil
}

// status lists the machines that drain and the machines that are down.
func (s *maintenanceState) status() maintenancepb.ClusterStatus {
	return s.plan.Status(func(m maintenance.Machine) []allocator.InverseOfferStatus {
		var answers []allocator.InverseOfferStatus
		for _, a := range s.cluster.agents {
			if a.machine() == m {
				answers = append(answers, a.record.inverseOfferStatuses()...)
			}
		}
		return answers
	})
}
