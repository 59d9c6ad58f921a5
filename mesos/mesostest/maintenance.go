package mesostest

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/maintenance"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/mesoserror"
)

// supervision is how long it takes until what supervises an agent has started it
// again, when its machine is no longer down.
const supervision = time.Second

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
	schedule := maintenance.Schedule{}
	for _, w := range windows {
		window := maintenance.Window{
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
	return m.schedule(schedule)
}

// StartMaintenance is the operator's START_MAINTENANCE: the agents' machines, which
// must be in the schedule, are down. The agents are removed with all their tasks,
// whatever time there was, and cannot register before StopMaintenance.
func (m *Master) StartMaintenance(agents ...*Agent) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.startMaintenance(machinesOf(agents))
}

// StopMaintenance is the operator's STOP_MAINTENANCE: the machines are no longer
// down, nor in the schedule, and a second later their agents are back.
func (m *Master) StopMaintenance(agents ...*Agent) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stopMaintenance(machinesOf(agents))
}

func machinesOf(agents []*Agent) []mesos.MachineID {
	var ids []mesos.MachineID
	for _, a := range agents {
		ids = append(ids, mesos.MachineID{Hostname: &a.options.Hostname, IP: &a.ip})
	}
	return ids
}

// machineKey names a machine. Both parts count: an agent is on a machine that has its
// hostname and its address.
type machineKey struct{ hostname, ip string }

func keyOf(id mesos.MachineID) machineKey {
	return machineKey{strings.ToLower(id.GetHostname()), id.GetIP()}
}

func (k machineKey) String() string {
	text, _ := json.Marshal(struct {
		Hostname string `json:"hostname,omitempty"`
		IP       string `json:"ip,omitempty"`
	}{k.hostname, k.ip})
	return string(text)
}

type machineMode int

const (
	machineUp machineMode = iota
	machineDraining
	machineDown
)

// machine that is in the schedule, or was.
type machine struct {
	id             mesos.MachineID
	mode           machineMode
	unavailability *mesos.Unavailability
}

// plans are the maintenance that operators planned. They are part of the registry.
type plans struct {
	windows  []maintenance.Window
	machines map[machineKey]*machine
}

// machineOf the agent; nil if it was never in a schedule.
func (p *plans) machineOf(a *Agent) *machine {
	if len(p.machines) == 0 {
		return nil
	}
	return p.machines[machineKey{strings.ToLower(a.options.Hostname), a.ip}]
}

// unavailability of the agent; nil if there is none.
func (p *plans) unavailability(a *Agent) *mesos.Unavailability {
	if machine := p.machineOf(a); machine != nil {
		return machine.unavailability
	}
	return nil
}

func (p *plans) isDown(a *Agent) bool {
	machine := p.machineOf(a)
	return machine != nil && machine.mode == machineDown
}

// schedule takes the place of the old one.
func (m *Master) schedule(s maintenance.Schedule) error {
	planned, err := m.validateSchedule(s)
	if err != nil {
		return err
	}
	if m.machines == nil {
		m.machines = map[machineKey]*machine{}
	}
	for key, machine := range m.machines {
		if planned[key] == nil {
			machine.mode, machine.unavailability = machineUp, nil
		}
	}
	for key, unavailability := range planned {
		if m.machines[key] == nil {
			m.machines[key] = &machine{id: mesos.MachineID{Hostname: &key.hostname, IP: &key.ip}}
		}
		machine := m.machines[key]
		machine.mode = max(machine.mode, machineDraining)
		machine.unavailability = unavailability
	}
	m.windows = s.Windows
	for _, a := range m.agents { // also of those for which nothing changes
		m.announce(a)
	}
	m.allocateSoon()
	return nil
}

// announce takes back what does not know of the agent's new unavailability.
func (m *Master) announce(a *Agent) {
	for _, o := range valuesByKey(a.offers) {
		m.rescind(o)
	}
	m.rescindInverse(a)
	a.inversions = nil
}

// validateSchedule also sorts the windows by machine.
func (m *Master) validateSchedule(s maintenance.Schedule) (map[machineKey]*mesos.Unavailability, error) {
	planned := map[machineKey]*mesos.Unavailability{}
	for i := range s.Windows {
		w := &s.Windows[i]
		if len(w.MachineIDs) == 0 {
			return nil, mesoserror.Errorf("List of machines in the maintenance window is empty")
		}
		if w.Unavailability.GetDuration().GetNanoseconds() < 0 {
			return nil, mesoserror.Errorf("Unavailability 'duration' is negative")
		}
		for _, id := range w.MachineIDs {
			if err := validateMachine(id); err != nil {
				return nil, err
			}
			key := keyOf(id)
			if planned[key] != nil {
				return nil, mesoserror.Errorf("Machine '%s' appears more than once in the schedule", key)
			}
			planned[key] = &w.Unavailability
		}
	}
	for key, machine := range m.machines {
		if machine.mode == machineDown && planned[key] == nil {
			return nil, mesoserror.Errorf("Machine '%s' is deactivated and cannot be removed from the schedule", key)
		}
	}
	return planned, nil
}

func validateMachine(id mesos.MachineID) error {
	if id.GetHostname() == "" && id.GetIP() == "" {
		return mesoserror.Errorf("Both 'hostname' and 'ip' for a machine are empty")
	}
	if ip := id.GetIP(); ip != "" {
		if parsed, err := netip.ParseAddr(ip); err != nil || !parsed.Is4() {
			return mesoserror.Errorf("Failed to parse the IP")
		}
	}
	return nil
}

// validateMachines wants a list of different machines that are in that mode.
func (m *Master) validateMachines(ids []mesos.MachineID, mode machineMode, not string) error {
	if len(ids) == 0 {
		return mesoserror.Errorf("List of machines is empty")
	}
	seen := map[machineKey]bool{}
	for _, id := range ids {
		if err := validateMachine(id); err != nil {
			return err
		}
		if key := keyOf(id); seen[key] {
			return mesoserror.Errorf("Machine '%s' appears more than once in the schedule", key)
		}
		seen[keyOf(id)] = true
	}
	for _, id := range ids {
		key := keyOf(id)
		machine := m.machines[key]
		switch {
		case machine == nil && !m.hosts(key):
			return mesoserror.Errorf("Machine '%s' is not part of a maintenance schedule", key)
		case machine == nil || machine.mode != mode:
			return mesoserror.Errorf("Machine '%s' is not in %s", key, not)
		}
	}
	return nil
}

// hosts says whether any agent is on the machine.
func (m *Master) hosts(key machineKey) bool {
	return slices.ContainsFunc(m.agents, func(a *Agent) bool {
		return key == machineKey{strings.ToLower(a.options.Hostname), a.ip}
	})
}

func (m *Master) startMaintenance(ids []mesos.MachineID) error {
	if err := m.validateMachines(ids, machineDraining, "DRAINING mode and cannot be brought down"); err != nil {
		return err
	}
	for _, id := range ids {
		machine := m.machines[keyOf(id)]
		machine.mode = machineDown
		for _, a := range slices.Clone(m.agents) {
			if m.machineOf(a) == machine && a.state != agentUnreachable {
				m.remove(a, "Operator initiated 'Machine DOWN'")
				a.leave()
			}
		}
	}
	return nil
}

func (m *Master) stopMaintenance(ids []mesos.MachineID) error {
	if err := m.validateMachines(ids, machineDown, "DOWN mode and cannot be brought up"); err != nil {
		return err
	}
	windows := slices.Clone(m.windows) // what was read of them stays as it was
	for _, id := range ids {
		key := keyOf(id)
		machine := m.machines[key]
		machine.mode, machine.unavailability = machineUp, nil
		for i := range windows {
			w := &windows[i]
			w.MachineIDs = slices.DeleteFunc(slices.Clone(w.MachineIDs), func(id mesos.MachineID) bool { return keyOf(id) == key })
		}
		for _, a := range m.agentsToClose {
			if m.machineOf(a) == machine {
				m.after(supervision, func() { m.reappear(a) })
			}
		}
	}
	m.windows = slices.DeleteFunc(windows, func(w maintenance.Window) bool { return len(w.MachineIDs) == 0 })
	return nil
}

// reappear starts the process of an agent whose machine was down, unless anything
// else happened to it since.
func (m *Master) reappear(a *Agent) {
	if a.state == agentRemoved && a.life == lifeRunning {
		a.link.down = false
		m.comeBack(a)
	}
}

// partOfSchedule is the refusal to drain an agent that is to be maintained.
func (m *Master) partOfSchedule(a *Agent) error {
	if machine := m.machineOf(a); machine != nil && machine.mode != machineUp {
		return mesoserror.Errorf("Agent %s is part of a maintenance schedule under Machine %s", a.id, keyOf(machine.id))
	}
	return nil
}

// maintenanceStatus is which machines drain and which are down.
func (m *Master) maintenanceStatus() maintenance.ClusterStatus {
	status := maintenance.ClusterStatus{}
	byName := map[string]*machine{}
	for key, machine := range m.machines {
		byName[fmt.Sprint(key)] = machine
	}
	for _, machine := range valuesByKey(byName) {
		switch machine.mode {
		case machineDraining:
			draining := maintenance.ClusterStatus_DrainingMachine{ID: machine.id}
			for _, a := range m.agents {
				if m.machineOf(a) == machine {
					draining.Statuses = append(draining.Statuses, m.inverseStatuses(a)...)
				}
			}
			status.DrainingMachines = append(status.DrainingMachines, draining)
		case machineDown:
			status.DownMachines = append(status.DownMachines, machine.id)
		}
	}
	return status
}
