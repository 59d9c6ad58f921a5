package maintenance_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/allocator"
	maintenancepb "github.com/mesos/mesos-go/api/v1/lib/maintenance"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/maintenance"
)

func id(hostname, ip string) mesos.MachineID {
	var out mesos.MachineID
	if hostname != "" {
		out.Hostname = &hostname
	}
	if ip != "" {
		out.IP = &ip
	}
	return out
}

// host is a machine, by the number of its name and address.
func host(n string) mesos.MachineID { return id("host-"+n, "10.0.0."+n) }

func machine(n string) maintenance.Machine { return maintenance.MachineOf("host-"+n, "10.0.0."+n) }

func window(start int64, machines ...mesos.MachineID) maintenancepb.Window {
	return maintenancepb.Window{
		MachineIDs:     machines,
		Unavailability: mesos.Unavailability{Start: mesos.TimeInfo{Nanoseconds: start}},
	}
}

func schedule(windows ...maintenancepb.Window) maintenancepb.Schedule {
	return maintenancepb.Schedule{Windows: windows}
}

func machinePlan(t *testing.T, windows ...maintenancepb.Window) *maintenance.Plan {
	t.Helper()
	p := &maintenance.Plan{}
	if err := p.Update(schedule(windows...)); err != nil {
		t.Fatal(err)
	}
	return p
}

func everywhere(maintenance.Machine) bool { return true }
func nowhere(maintenance.Machine) bool    { return false }

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	got := ""
	if err != nil {
		got = err.Error()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}

func TestNothingIsPlannedAtFirst(t *testing.T) {
	var p maintenance.Plan
	m := machine("1")
	if p.HasWindows() || p.IsDown(m) || p.IsScheduled(m) || p.Unavailability(m) != nil {
		t.Error("a new plan plans something")
	}
}

func TestMachinesAreNamedByHostAndAddress(t *testing.T) {
	p := machinePlan(t, window(1, id("Host-1", "10.0.0.1")))
	for name, test := range map[string]struct {
		hostname, ip string
		want         bool
	}{
		"as in the schedule": {"Host-1", "10.0.0.1", true},
		"in another case":    {"hOST-1", "10.0.0.1", true},
		"another address":    {"host-1", "10.0.0.2", false},
		"another name":       {"host-2", "10.0.0.1", false},
		"no address":         {"host-1", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := p.IsScheduled(maintenance.MachineOf(test.hostname, test.ip)); got != test.want {
				t.Errorf("got %t, want %t", got, test.want)
			}
		})
	}
}

func TestMachinesAreWrittenInJSON(t *testing.T) {
	for want, m := range map[string]maintenance.Machine{
		`{"hostname":"host-1","ip":"10.0.0.1"}`: machine("1"),
		`{"hostname":"host"}`:                   maintenance.MachineOf("host", ""),
		`{"ip":"10.0.0.1"}`:                     maintenance.MachineOf("", "10.0.0.1"),
	} {
		if got := m.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestSchedulesThatAreRefused(t *testing.T) {
	negative := window(1, host("1"))
	negative.Unavailability.Duration = &mesos.DurationInfo{Nanoseconds: -1}
	for name, test := range map[string]struct {
		windows []maintenancepb.Window
		want    string
	}{
		"a window without machines":  {[]maintenancepb.Window{window(1)}, "List of machines in the maintenance window is empty"},
		"a negative duration":        {[]maintenancepb.Window{negative}, "Unavailability 'duration' is negative"},
		"a machine without any name": {[]maintenancepb.Window{window(1, id("", ""))}, "Both 'hostname' and 'ip' for a machine are empty"},
		"an invalid address":         {[]maintenancepb.Window{window(1, id("h", "10.0.0"))}, "Failed to parse the IP"},
		"an address of version 6":    {[]maintenancepb.Window{window(1, id("h", "::1"))}, "Failed to parse the IP"},
		"a machine twice in a window": {
			[]maintenancepb.Window{window(1, host("1"), host("1"))},
			`Machine '{"hostname":"host-1","ip":"10.0.0.1"}' appears more than once in the schedule`,
		},
		"a machine in two windows": {
			[]maintenancepb.Window{window(1, host("1")), window(2, host("1"))},
			`Machine '{"hostname":"host-1","ip":"10.0.0.1"}' appears more than once in the schedule`,
		},
		"a machine twice, in another case": {
			[]maintenancepb.Window{window(1, id("h", ""), id("H", ""))},
			`Machine '{"hostname":"h"}' appears more than once in the schedule`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := machinePlan(t, window(7, host("9")))
			wantError(t, p.Update(schedule(test.windows...)), test.want)
			if u := p.Unavailability(machine("9")); u == nil || u.Start.Nanoseconds != 7 {
				t.Errorf("the schedule before is gone: %v", u)
			}
		})
	}
}

func TestANewScheduleReplacesTheOldOne(t *testing.T) {
	p := machinePlan(t, window(1, host("1"), host("2")))
	if err := p.Update(schedule(window(5, host("2")), window(6, host("3")))); err != nil {
		t.Fatal(err)
	}
	for n, want := range map[string]int64{"1": 0, "2": 5, "3": 6} {
		var got int64
		if u := p.Unavailability(machine(n)); u != nil {
			got = u.Start.Nanoseconds
		}
		if got != want || p.IsScheduled(machine(n)) != (want > 0) {
			t.Errorf("machine %s: unavailable from %d, want %d", n, got, want)
		}
	}
	if len(p.Windows()) != 2 {
		t.Errorf("there are %d windows, want 2", len(p.Windows()))
	}
	if err := p.Update(schedule()); err != nil {
		t.Fatal(err)
	}
	if p.HasWindows() || p.IsScheduled(machine("2")) {
		t.Error("an empty schedule leaves something planned")
	}
}

func TestMachinesGoDownAndComeUp(t *testing.T) {
	p := machinePlan(t, window(1, host("1"), host("2")), window(2, host("3")))
	got, err := p.Start([]mesos.MachineID{host("3"), host("1")}, everywhere)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]maintenance.Machine{machine("3"), machine("1")}, got, cmp.AllowUnexported(maintenance.Machine{})); diff != "" {
		t.Errorf("machines that went down (-want +got):\n%s", diff)
	}
	for n, want := range map[string]bool{"1": true, "2": false, "3": true} {
		if p.IsDown(machine(n)) != want {
			t.Errorf("machine %s is down: got %t", n, !want)
		}
	}
	read := p.Windows()
	if _, err := p.Stop([]mesos.MachineID{host("1"), host("3")}, everywhere); err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{"1", "3"} {
		if p.IsDown(machine(n)) || p.IsScheduled(machine(n)) || p.Unavailability(machine(n)) != nil {
			t.Errorf("machine %s is not simply up", n)
		}
	}
	if !p.IsScheduled(machine("2")) {
		t.Error("the machine that did not go down is out of the schedule")
	}
	if windows := p.Windows(); len(windows) != 1 || len(windows[0].MachineIDs) != 1 || windows[0].MachineIDs[0].GetHostname() != "host-2" {
		t.Errorf("got windows %v", windows)
	}
	if len(read) != 2 || len(read[0].MachineIDs) != 2 {
		t.Errorf("the windows that were read before have changed: %v", read)
	}
}

func TestWindowEndsWithItsLastMachine(t *testing.T) {
	p := machinePlan(t, window(1, host("1")))
	if _, err := p.Start([]mesos.MachineID{host("1")}, everywhere); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Stop([]mesos.MachineID{host("1")}, everywhere); err != nil {
		t.Fatal(err)
	}
	if p.HasWindows() || p.Windows() == nil {
		t.Errorf("got %#v: no window is left, and the list is one that is written", p.Windows())
	}
}

func TestCallsThatAreRefused(t *testing.T) {
	const one = `Machine '{"hostname":"host-1","ip":"10.0.0.1"}' `
	down := func(t *testing.T, p *maintenance.Plan) {
		if _, err := p.Start([]mesos.MachineID{host("1")}, everywhere); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		ids         []mesos.MachineID
		agents      func(maintenance.Machine) bool
		prepare     func(*testing.T, *maintenance.Plan)
		start, stop string
	}{
		"no machines": {nil, everywhere, nil, "List of machines is empty", "List of machines is empty"},
		"a machine without any name": {
			[]mesos.MachineID{id("", "")}, everywhere, nil,
			"Both 'hostname' and 'ip' for a machine are empty", "Both 'hostname' and 'ip' for a machine are empty",
		},
		"a machine twice": {
			[]mesos.MachineID{host("1"), host("1")}, everywhere, nil,
			one + "appears more than once in the schedule", one + "appears more than once in the schedule",
		},
		"an unknown machine": {
			[]mesos.MachineID{host("7")}, nowhere, nil,
			`Machine '{"hostname":"host-7","ip":"10.0.0.7"}' is not part of a maintenance schedule`,
			`Machine '{"hostname":"host-7","ip":"10.0.0.7"}' is not part of a maintenance schedule`,
		},
		"a machine with an agent that is not in the schedule": {
			[]mesos.MachineID{host("7")}, everywhere, nil,
			`Machine '{"hostname":"host-7","ip":"10.0.0.7"}' is not in DRAINING mode and cannot be brought down`,
			`Machine '{"hostname":"host-7","ip":"10.0.0.7"}' is not in DOWN mode and cannot be brought up`,
		},
		"a machine that drains": {[]mesos.MachineID{host("1")}, everywhere, nil, "", one + "is not in DOWN mode and cannot be brought up"},
		"a machine that is down": {
			[]mesos.MachineID{host("1")}, everywhere, down,
			one + "is not in DRAINING mode and cannot be brought down", "",
		},
		"one of two that is down": {
			[]mesos.MachineID{host("2"), host("1")}, everywhere, down,
			one + "is not in DRAINING mode and cannot be brought down",
			`Machine '{"hostname":"host-2","ip":"10.0.0.2"}' is not in DOWN mode and cannot be brought up`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, call := range []struct {
				name string
				want string
				make func(*maintenance.Plan) ([]maintenance.Machine, error)
			}{
				{"start", test.start, func(p *maintenance.Plan) ([]maintenance.Machine, error) { return p.Start(test.ids, test.agents) }},
				{"stop", test.stop, func(p *maintenance.Plan) ([]maintenance.Machine, error) { return p.Stop(test.ids, test.agents) }},
			} {
				t.Run(call.name, func(t *testing.T) {
					p := machinePlan(t, window(1, host("1"), host("2")))
					if test.prepare != nil {
						test.prepare(t, p)
					}
					machines, err := call.make(p)
					wantError(t, err, call.want)
					if err != nil && (machines != nil || p.IsDown(machine("2"))) {
						t.Error("a call that is refused has changed something")
					}
				})
			}
		})
	}
}

func TestAMachineThatIsDownStaysInTheSchedule(t *testing.T) {
	p := machinePlan(t, window(1, host("1")))
	if _, err := p.Start([]mesos.MachineID{host("1")}, everywhere); err != nil {
		t.Fatal(err)
	}
	wantError(t, p.Update(schedule(window(2, host("2")))),
		`Machine '{"hostname":"host-1","ip":"10.0.0.1"}' is deactivated and cannot be removed from the schedule`)
	if err := p.Update(schedule(window(2, host("2"), host("1")))); err != nil {
		t.Fatal(err)
	}
	if !p.IsDown(machine("1")) {
		t.Error("a new schedule has brought the machine up")
	}
}

func TestStatus(t *testing.T) {
	p := machinePlan(t, window(1, host("3"), host("2"), host("1")))
	if _, err := p.Start([]mesos.MachineID{host("2")}, everywhere); err != nil {
		t.Fatal(err)
	}
	var asked []maintenance.Machine
	status := p.Status(func(m maintenance.Machine) []allocator.InverseOfferStatus {
		asked = append(asked, m)
		if m == machine("3") {
			return []allocator.InverseOfferStatus{{FrameworkID: mesos.FrameworkID{Value: "f"}}}
		}
		return nil
	})
	if len(status.DownMachines) != 1 || status.DownMachines[0].GetHostname() != "host-2" || status.DownMachines[0].GetIP() != "10.0.0.2" {
		t.Errorf("down: got %v", status.DownMachines)
	}
	var draining []string
	for _, m := range status.DrainingMachines {
		draining = append(draining, m.ID.GetHostname())
	}
	if diff := cmp.Diff([]string{"host-1", "host-3"}, draining); diff != "" {
		t.Errorf("draining, by name (-want +got):\n%s", diff)
	}
	if len(status.DrainingMachines) == 2 && (len(status.DrainingMachines[0].Statuses) != 0 || len(status.DrainingMachines[1].Statuses) != 1) {
		t.Errorf("answers are with the wrong machine: %v", status.DrainingMachines)
	}
	if len(asked) != 2 {
		t.Errorf("answers were wanted for %v", asked)
	}
}
