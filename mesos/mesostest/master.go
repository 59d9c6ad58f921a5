package mesostest

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/events"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/eventstream"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/httpapi"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/naming"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/netns"
)

// Master is a Mesos master with its allocator. Alone it is its cluster's leader for
// ever; of [Masters] one may lead, and all share what the cluster is.
type Master struct {
	*cluster
	options  MasterOptions
	ip       string
	port     int
	listener net.Listener
	server   *http.Server
	process  masterProcess

	// Guarded by the cluster's lock.
	id          string // of this process: a new one with each
	started     time.Time
	elected     time.Time
	recovering  bool
	faults      Faults
	unfrozen    chan struct{} // closed at the end of being frozen; nil if it is not
	calls       map[string]int
	connections map[*eventstream.Stream]struct{} // schedulers' streams that are being served
}

// NewMaster starts a master that leads.
func NewMaster(o MasterOptions) (*Master, error) {
	c := newCluster(o)
	m, err := c.startMaster(o)
	if err != nil {
		return nil, err
	}
	c.leader, c.presumedLeader = m, m
	c.start()
	return m, nil
}

// startMaster makes one of the cluster's masters, which does not lead.
func (c *cluster) startMaster(o MasterOptions) (*Master, error) {
	o = o.withDefaults()
	listener, ip, port, err := listen(o.Listener, o.Address, "")
	if err != nil {
		return nil, fmt.Errorf("starting master: %w", err)
	}
	setDefault(&o.Hostname, ip)
	m := &Master{
		cluster:     c,
		options:     o,
		ip:          ip,
		port:        port,
		listener:    listener,
		faults:      o.Faults,
		calls:       map[string]int{},
		connections: map[*eventstream.Stream]struct{}{},
	}
	m.startProcess()
	m.applyFrozen()
	m.server = &http.Server{
		Handler:   http.HandlerFunc(m.serveHTTP),
		ConnState: m.process.connState,
		ErrorLog:  httpapi.DiscardLog,
	}
	c.masters = append(c.masters, m)
	return m, nil
}

// startProcess starts the process of the master, for the first or another time.
func (m *Master) startProcess() {
	m.id, m.started, m.elected = naming.NewUUID().String(), m.options.Now(), m.options.Now()
}

// listen takes the listener, or opens one at the address in the network namespace.
func listen(given net.Listener, address, netNS string) (l net.Listener, ip string, port int, err error) {
	if l = given; l == nil {
		if l, err = netns.Listen(netNS, address); err != nil {
			return nil, "", 0, err
		}
	}
	host, service, err := net.SplitHostPort(l.Addr().String())
	if err != nil { // not TCP: a listener in memory
		return l, "127.0.0.1", 5050, nil
	}
	port, err = strconv.Atoi(service)
	return l, host, port, err
}

// now as seconds since the epoch, as statuses have it.
func (c *cluster) now() *float64 {
	seconds := float64(c.options.Now().UnixNano()) / 1e9
	return &seconds
}

// Addr is host:port of the master.
func (m *Master) Addr() string { return net.JoinHostPort(m.ip, strconv.Itoa(m.port)) }

// URL of the master, http://host:port.
func (m *Master) URL() string { return "http://" + m.Addr() }

// publicAddr is host:port as frameworks get it.
func (m *Master) publicAddr() string {
	return net.JoinHostPort(m.options.Hostname, strconv.Itoa(m.port))
}

// ID of the master's process: another one after its restart.
func (m *Master) ID() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.id
}

// Close ends the master and its whole cluster: all agents with all that they
// started, all streams, all masters. It returns when nothing of them is left. The
// error lists what could not be removed.
func (m *Master) Close() error { return m.close() }

// stopServer waits for calls that are being answered, but not for long.
func stopServer(s *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = s.Shutdown(ctx)
	_ = s.Close()
}

// Agents that are registered, disconnected or unreachable, in order of their start.
func (m *Master) Agents() []*Agent {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.agents)
}

// Calls returns how many scheduler calls of each type (as "ACCEPT") this master has
// accepted so far.
func (m *Master) Calls() map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.calls)
}

// CloseStreams breaks the connections of all subscribed schedulers.
func (m *Master) CloseStreams() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for s := range m.connections {
		s.Abort()
	}
}

// RemoveFramework removes a framework as the operator's TEARDOWN does.
func (m *Master) RemoveFramework(id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, ok := m.frameworks[id]
	if !ok {
		return fmt.Errorf("removing framework %q: the master does not know it", id)
	}
	f.remove()
	return nil
}

// serveStream serves a scheduler's stream until it ends.
func (m *Master) serveStream(ctx context.Context, w http.ResponseWriter, mediaType string, s *eventstream.Stream) {
	m.mu.Lock()
	if m.closed {
		s.Abort()
	}
	m.connections[s] = struct{}{}
	m.mu.Unlock()
	defer m.forgetConnection(s)
	out := eventstream.Writer{
		Response: w, MediaType: mediaType, Replace: m.malformedRecord,
		Hold: func() { m.awaitUnfrozen(ctx) },
	}
	s.Serve(ctx, out, func() { m.sendHeartbeat(s) }, m.options.HeartbeatInterval)
}

// sendHeartbeat sends a heartbeat, unless it gets lost.
func (m *Master) sendHeartbeat(s *eventstream.Stream) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if drop := m.faults.DropEvents; drop == nil || !drop(events.Heartbeat.Type.String()) {
		s.Send(events.Heartbeat)
	}
}

func (m *Master) forgetConnection(s *eventstream.Stream) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.connections, s)
}
