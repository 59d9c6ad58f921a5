// Package maintenance keeps the maintenance that operators planned: which machines are in
// the schedule, which drain and which are down.
//
// It knows no agents and sends nothing. Its caller acts on the machines that it returns.
package maintenance

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"strings"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/allocator"
	maintenancepb "github.com/mesos/mesos-go/api/v1/lib/maintenance"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/mesoserror"
)

// Machine names a machine. Both parts count: an agent is on a machine that has its
// hostname and its address.
type Machine struct{ hostname, ip string }

// MachineOf returns the machine with the hostname, in upper or lower case, and the IP.
func MachineOf(hostname, ip string) Machine { return Machine{strings.ToLower(hostname), ip} }

func machineOf(id mesos.MachineID) Machine { return MachineOf(id.GetHostname(), id.GetIP()) }

// String is the machine in JSON, as Mesos writes it in messages.
func (m Machine) String() string {
	text, _ := json.Marshal(struct {
		Hostname string `json:"hostname,omitempty"`
		IP       string `json:"ip,omitempty"`
	}{m.hostname, m.ip})
	return string(text)
}

func (m Machine) id() mesos.MachineID { return mesos.MachineID{Hostname: &m.hostname, IP: &m.ip} }

type mode int

const (
	modeUp mode = iota
	modeDraining
	modeDown
)

// machinePlan is what is planned for a machine that is in the schedule, or was.
type machinePlan struct {
	mode           mode
	unavailability *mesos.Unavailability
}

// Plan is the schedule, and the machines that were ever in it. The zero value plans
// nothing.
type Plan struct {
	windows  []maintenancepb.Window
	machines map[Machine]*machinePlan
}

// HasWindows reports whether any maintenance is scheduled.
func (p *Plan) HasWindows() bool { return len(p.windows) > 0 }

// Windows of the schedule. The caller must not change them.
func (p *Plan) Windows() []maintenancepb.Window { return p.windows }

// Unavailability of the machine; nil if none is planned.
func (p *Plan) Unavailability(m Machine) *mesos.Unavailability {
	if planned := p.machines[m]; planned != nil {
		return planned.unavailability
	}
	return nil
}

// IsDown reports whether an operator has brought the machine down.
func (p *Plan) IsDown(m Machine) bool {
	planned := p.machines[m]
	return planned != nil && planned.mode == modeDown
}

// IsScheduled reports whether the machine drains for maintenance or is down.
func (p *Plan) IsScheduled(m Machine) bool {
	planned := p.machines[m]
	return planned != nil && planned.mode != modeUp
}

// Update replaces the schedule. Machines that are no longer in it are up; the error, in
// Mesos' words, leaves everything as it was.
func (p *Plan) Update(schedule maintenancepb.Schedule) error {
	unavailabilities, err := p.validate(schedule)
	if err != nil {
		return err
	}
	if p.machines == nil {
		p.machines = map[Machine]*machinePlan{}
	}
	for m, planned := range p.machines {
		if unavailabilities[m] == nil {
			planned.mode, planned.unavailability = modeUp, nil
		}
	}
	for m, unavailability := range unavailabilities {
		if p.machines[m] == nil {
			p.machines[m] = &machinePlan{}
		}
		p.machines[m].mode = max(p.machines[m].mode, modeDraining)
		p.machines[m].unavailability = unavailability
	}
	p.windows = schedule.Windows
	return nil
}

// validate also returns the unavailability of each machine in the schedule.
func (p *Plan) validate(schedule maintenancepb.Schedule) (map[Machine]*mesos.Unavailability, error) {
	unavailabilities := map[Machine]*mesos.Unavailability{}
	for i := range schedule.Windows {
		w := &schedule.Windows[i]
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
			m := machineOf(id)
			if unavailabilities[m] != nil {
				return nil, mesoserror.Errorf("Machine '%s' appears more than once in the schedule", m)
			}
			unavailabilities[m] = &w.Unavailability
		}
	}
	for m, planned := range p.machines {
		if planned.mode == modeDown && unavailabilities[m] == nil {
			return nil, mesoserror.Errorf("Machine '%s' is deactivated and cannot be removed from the schedule", m)
		}
	}
	return unavailabilities, nil
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

// Start brings machines down that drain, and returns them. Whether any agent is on a
// machine decides which error an unknown machine gets.
func (p *Plan) Start(ids []mesos.MachineID, hasAgent func(Machine) bool) ([]Machine, error) {
	machines, err := p.inMode(ids, modeDraining, "DRAINING mode and cannot be brought down", hasAgent)
	if err != nil {
		return nil, err
	}
	for _, m := range machines {
		p.machines[m].mode = modeDown
	}
	return machines, nil
}

// Stop brings machines up that are down, takes them out of the schedule, and returns
// them.
func (p *Plan) Stop(ids []mesos.MachineID, hasAgent func(Machine) bool) ([]Machine, error) {
	machines, err := p.inMode(ids, modeDown, "DOWN mode and cannot be brought up", hasAgent)
	if err != nil {
		return nil, err
	}
	isStopped := func(id mesos.MachineID) bool { return slices.Contains(machines, machineOf(id)) }
	windows := []maintenancepb.Window{} // a new list: readers keep the old one
	for _, w := range p.windows {
		if w.MachineIDs = slices.DeleteFunc(slices.Clone(w.MachineIDs), isStopped); len(w.MachineIDs) > 0 {
			windows = append(windows, w)
		}
	}
	p.windows = windows
	for _, m := range machines {
		p.machines[m].mode, p.machines[m].unavailability = modeUp, nil
	}
	return machines, nil
}

// inMode returns the machines, which must be different ones and in the mode.
func (p *Plan) inMode(ids []mesos.MachineID, want mode, not string, hasAgent func(Machine) bool) ([]Machine, error) {
	if len(ids) == 0 {
		return nil, mesoserror.Errorf("List of machines is empty")
	}
	var machines []Machine
	for _, id := range ids {
		if err := validateMachine(id); err != nil {
			return nil, err
		}
		m := machineOf(id)
		if slices.Contains(machines, m) {
			return nil, mesoserror.Errorf("Machine '%s' appears more than once in the schedule", m)
		}
		machines = append(machines, m)
	}
	for _, m := range machines {
		planned := p.machines[m]
		switch {
		case planned == nil && !hasAgent(m):
			return nil, mesoserror.Errorf("Machine '%s' is not part of a maintenance schedule", m)
		case planned == nil || planned.mode != want:
			return nil, mesoserror.Errorf("Machine '%s' is not in %s", m, not)
		}
	}
	return machines, nil
}

// Status lists the machines that drain, with the answers of frameworks to their inverse
// offers, and the machines that are down.
func (p *Plan) Status(answers func(Machine) []allocator.InverseOfferStatus) maintenancepb.ClusterStatus {
	status := maintenancepb.ClusterStatus{}
	byName := func(a, b Machine) int { return cmp.Compare(a.String(), b.String()) }
	for _, m := range slices.SortedFunc(maps.Keys(p.machines), byName) {
		switch p.machines[m].mode {
		case modeDraining:
			status.DrainingMachines = append(status.DrainingMachines, maintenancepb.ClusterStatus_DrainingMachine{
				ID: m.id(), Statuses: answers(m),
			})
		case modeDown:
			status.DownMachines = append(status.DownMachines, m.id())
		}
	}
	return status
}
