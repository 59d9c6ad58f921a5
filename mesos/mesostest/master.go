package mesostest

// Master is a Mesos master with its allocator, and the cluster of its agents.
type Master struct {
	options MasterOptions
}

// NewMaster starts a master.
func NewMaster(o MasterOptions) (*Master, error) { return nil, nil }

// Addr is host:port of the master.
func (m *Master) Addr() string { return "" }

// URL of the master, http://host:port.
func (m *Master) URL() string { return "" }

// ID of the master, which changes when it fails over.
func (m *Master) ID() string { return "" }

// Close ends all agents with all that they started, all streams and the master.
func (m *Master) Close() error { return nil }

// AddAgent starts an agent and registers it.
func (m *Master) AddAgent(o AgentOptions) (*Agent, error) { return nil, nil }

// Agents that are registered or unreachable, in order of their start.
func (m *Master) Agents() []*Agent { return nil }

// Inject changes the faults of the master.
func (m *Master) Inject(change func(*Faults)) {}

// CloseStreams breaks the connections of all subscribed schedulers.
func (m *Master) CloseStreams() {}

// RemoveFramework removes a framework as TEARDOWN does.
func (m *Master) RemoveFramework(id string) error { return nil }

// Calls says how many scheduler calls of each type (as "ACCEPT") were well-formed
// and accepted so far.
func (m *Master) Calls() map[string]int { return nil }
