// Package door is what a virtual machine and the test outside of it have to agree on.
package door

// Address of the machine in its own network, and what listens there.
const (
	Address    = "10.0.2.15"
	Port       = 80
	MasterPort = 5050
	AgentPort  = 5051
)

// Loopback is where the machine finds that of the host.
const Loopback = "10.0.2.2"

// CgroupRoot is the agent's.
const CgroupRoot = "mesos"

// Answer to a script.
type Answer struct {
	Output string `json:"output"`
	// Error says how the script ended, if not well.
	Error string `json:"error,omitempty"`
}
