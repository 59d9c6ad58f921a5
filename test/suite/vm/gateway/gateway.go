// Package gateway holds what the virtual machine and the test outside it agree on: addresses,
// ports and the answer to a script.
package gateway

// Address is the machine's address in its own network. The ports are those that listen there.
const (
	Address    = "10.0.2.15"
	Port       = 80
	MasterPort = 5050
	AgentPort  = 5051
)

// Loopback is the address under which the machine reaches the host's loopback.
const Loopback = "10.0.2.2"

// CgroupRoot is the folder below which the agent creates the cgroups of its containers.
const CgroupRoot = "mesos"

// Answer is the answer to a script.
type Answer struct {
	Output string `json:"output"`
	// Error is set when the script failed.
	Error string `json:"error,omitempty"`
}
