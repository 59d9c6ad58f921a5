package mesostest

import (
	"testing"
	"time"
)

func TestDefaultsOfMasters(t *testing.T) {
	o := MasterOptions{}.withDefaults()
	for name, test := range map[string]struct{ got, want any }{
		"Address":                {o.Address, "127.0.0.1:0"},
		"Version":                {o.Version, "1.11.1"},
		"AllocationInterval":     {o.AllocationInterval, time.Second},
		"HeartbeatInterval":      {o.HeartbeatInterval, 15 * time.Second},
		"UpdateRetryInterval":    {o.UpdateRetryInterval, 10 * time.Second},
		"AgentTimeout":           {o.AgentTimeout, 75 * time.Second},
		"AgentReturn":            {o.AgentReturn, time.Second},
		"AgentReregisterTimeout": {o.AgentReregisterTimeout, 10 * time.Minute},
		"OfferTimeout":           {o.OfferTimeout, time.Duration(0)},
		"ElectAfter":             {o.ElectAfter, time.Duration(0)},
		"RecoveryTime":           {o.RecoveryTime, time.Duration(0)},
	} {
		if test.got != test.want {
			t.Errorf("%s: got %v, want %v", name, test.got, test.want)
		}
	}
	if o.Now == nil {
		t.Error("there is no clock")
	}
}

func TestDefaultsOfAgents(t *testing.T) {
	o := AgentOptions{}.withDefaults()
	for name, test := range map[string]struct{ got, want any }{
		"Resources":                     {o.Resources, "cpus:4;mem:8192;disk:20000;ports:[31000-32000]"},
		"ExecutorRegistrationTimeout":   {o.ExecutorRegistrationTimeout, time.Minute},
		"ExecutorShutdownGracePeriod":   {o.ExecutorShutdownGracePeriod, 5 * time.Second},
		"ExecutorReregistrationTimeout": {o.ExecutorReregistrationTimeout, 2 * time.Second},
		"RecoveryTimeout":               {o.RecoveryTimeout, 15 * time.Minute},
		"Launcher":                      {o.Launcher, Launcher(ProcessLauncher{})},
	} {
		if test.got != test.want {
			t.Errorf("%s: got %v, want %v", name, test.got, test.want)
		}
	}
}

func TestOptionsThatAreSetStay(t *testing.T) {
	m := MasterOptions{Version: "1.9.0", AgentTimeout: time.Hour}.withDefaults()
	if m.Version != "1.9.0" || m.AgentTimeout != time.Hour {
		t.Errorf("got %s, %s", m.Version, m.AgentTimeout)
	}
	a := AgentOptions{Resources: "cpus:1", RecoveryTimeout: time.Second}.withDefaults()
	if a.Resources != "cpus:1" || a.RecoveryTimeout != time.Second {
		t.Errorf("got %s, %s", a.Resources, a.RecoveryTimeout)
	}
}

// Agents that do not listen have names and addresses of their own, in order of start.
func TestNamesOfAgents(t *testing.T) {
	m := startMaster(t, MasterOptions{})
	for _, want := range []struct{ hostname, ip string }{
		{"agent-1.example", "198.18.0.1"}, {"agent-2.example", "198.18.0.2"},
	} {
		a := startAgent(t, m, AgentOptions{Launcher: Func(AutoRun)})
		if a.Hostname() != want.hostname || a.ip != want.ip || a.port != 5051 {
			t.Errorf("got %s, %s, %d, want %v", a.Hostname(), a.ip, a.port, want)
		}
	}
	named := startAgent(t, m, AgentOptions{Launcher: Func(AutoRun), Hostname: "host", IP: "10.0.0.1"})
	if named.Hostname() != "host" || named.ip != "10.0.0.1" {
		t.Errorf("got %s, %s", named.Hostname(), named.ip)
	}
	for number, want := range map[int]string{0: "198.18.0.1", 254: "198.18.0.255", 255: "198.18.1.0", 65535: "198.19.0.0", 131070: "198.19.255.255"} {
		a := &Agent{}
		a.setIdentity(number)
		if a.ip != want {
			t.Errorf("agent %d has the address %s, want %s", number, a.ip, want)
		}
	}
}

func TestVersionsThatKnowOfferConstraints(t *testing.T) {
	for version, want := range map[string]bool{
		"1.11.1": true, "1.11.0": true, "1.12.0": true, "2.0.0": true,
		"1.10.0": false, "1.9.0": false, "0.28.0": false, "unknown": true,
	} {
		m := &Master{options: MasterOptions{Version: version}}
		if got := m.knowsConstraints(); got != want {
			t.Errorf("%s: got %t, want %t", version, got, want)
		}
	}
}
