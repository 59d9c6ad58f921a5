package mesostest

// Agent is a Mesos agent: a machine with resources, and the containers on it.
type Agent struct{}

type executorState struct{}

// ID that the master gave to the agent.
func (a *Agent) ID() string { return "" }

// Hostname of the agent.
func (a *Agent) Hostname() string { return "" }

// Addr is host:port of the agent's executor API; empty when it has none.
func (a *Agent) Addr() string { return "" }

// Close ends the agent with all its containers, and the master forgets it, as after
// SIGUSR1: tasks are lost, offers rescinded.
func (a *Agent) Close() error { return nil }

// Disconnect cuts the agent off from the master: its offers are rescinded at once,
// and after the master's AgentTimeout it is unreachable. Its containers run on.
func (a *Agent) Disconnect() {}

// MarkUnreachable is Disconnect with the AgentTimeout already over.
func (a *Agent) MarkUnreachable() {}

// Reconnect ends a Disconnect: the agent registers again, with its tasks.
func (a *Agent) Reconnect() {}

// Pause makes the agent hold back everything that it sends and gets, without the
// master noticing, until Resume.
func (a *Agent) Pause() {}

// Resume ends a Pause.
func (a *Agent) Resume() {}
