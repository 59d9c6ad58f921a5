package mesostest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/go-logr/logr"
)

// Master is a Mesos master with its allocator, and the cluster of its agents.
//
// One lock guards it and all its agents. Under it nothing blocks: events are
// queued, containers are started and destroyed by goroutines that do not hold it.
type Master struct {
	options  MasterOptions
	log      logr.Logger
	id       string
	ip       string
	port     int
	started  time.Time
	listener net.Listener
	server   *http.Server

	allocateNow chan struct{}
	done        chan struct{}
	wg          sync.WaitGroup

	mu            sync.Mutex
	closed        bool
	faults        Faults
	calls         map[string]int
	frameworks    map[string]*framework
	completed     []*framework // removed, oldest first; their IDs are never taken again
	agents        []*Agent     // registered, disconnected or unreachable, in order of start
	agentsByID    map[string]*Agent
	gone          map[string]bool // IDs of agents that an operator marked gone
	offers        map[string]*offer
	total         quantities // of registered agents
	nextFramework int
	nextAgent     int
	nextOffer     int
	connections   map[*stream]struct{} // schedulers' streams that are being served
	agentsToClose []*Agent             // all that were ever started
}

// NewMaster starts a master.
func NewMaster(o MasterOptions) (*Master, error) {
	o = o.withDefaults()
	listener, ip, port, err := listen(o.Listener, o.Address, "")
	if err != nil {
		return nil, fmt.Errorf("starting master: %w", err)
	}
	setDefault(&o.Hostname, ip)
	m := &Master{
		options:     o,
		log:         o.Log,
		id:          newUUID().String(),
		ip:          ip,
		port:        port,
		started:     o.Now(),
		listener:    listener,
		allocateNow: make(chan struct{}, 1),
		done:        make(chan struct{}),
		faults:      o.Faults,
		calls:       map[string]int{},
		frameworks:  map[string]*framework{},
		agentsByID:  map[string]*Agent{},
		gone:        map[string]bool{},
		offers:      map[string]*offer{},
		total:       quantitiesOf(),
		connections: map[*stream]struct{}{},
	}
	m.server = &http.Server{Handler: http.HandlerFunc(m.serveHTTP), ErrorLog: discardLog}
	m.goes(func() { _ = m.server.Serve(listener) })
	m.goes(m.allocateForEver)
	return m, nil
}

// listen takes the listener, or opens one at the address in the network namespace.
func listen(given net.Listener, address, netNS string) (l net.Listener, ip string, port int, err error) {
	if l = given; l == nil {
		if l, err = listenIn(netNS, address); err != nil {
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

// goes starts a goroutine that Close waits for.
func (m *Master) goes(f func()) {
	m.wg.Add(1)
	go func() {
		defer m.wg.Done()
		f()
	}()
}

// after runs f under the lock when d has passed, unless the master is closed.
func (m *Master) after(d time.Duration, f func()) *time.Timer {
	return time.AfterFunc(d, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if !m.closed {
			f()
		}
	})
}

// now as seconds since the epoch, as statuses have it.
func (m *Master) now() *float64 {
	seconds := float64(m.options.Now().UnixNano()) / 1e9
	return &seconds
}

// Addr is host:port of the master.
func (m *Master) Addr() string { return net.JoinHostPort(m.ip, strconv.Itoa(m.port)) }

// URL of the master, http://host:port.
func (m *Master) URL() string { return "http://" + m.Addr() }

// ID of the master.
func (m *Master) ID() string { return m.id }

// Close ends all agents with all that they started, all streams and the master. It
// returns when nothing of them is left, or says what it could not remove.
func (m *Master) Close() error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil
	}
	m.closed = true
	agents := slices.Clone(m.agentsToClose)
	for s := range m.connections {
		s.abort()
	}
	close(m.done)
	m.mu.Unlock()

	errs := closeAll(agents)
	stopServer(m.server)
	m.wg.Wait()
	return errors.Join(errs...)
}

// stopServer waits for calls that are being answered, but not for long.
func stopServer(s *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = s.Shutdown(ctx)
	_ = s.Close()
}

// closeAll closes agents side by side: each may have to wait for its processes.
func closeAll(agents []*Agent) []error {
	errs := make([]error, len(agents))
	var wg sync.WaitGroup
	for i, a := range agents {
		wg.Go(func() { errs[i] = a.Close() })
	}
	wg.Wait()
	return errs
}

// Agents that are registered, disconnected or unreachable, in order of their start.
func (m *Master) Agents() []*Agent {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.agents)
}

// Calls says how many scheduler calls of each type (as "ACCEPT") were accepted so far.
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
		s.abort()
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
	m.removeFramework(f)
	return nil
}

// serveStream serves a scheduler's stream until it ends.
func (m *Master) serveStream(ctx context.Context, w http.ResponseWriter, mediaType string, s *stream) {
	m.mu.Lock()
	if m.closed {
		s.abort()
	}
	m.connections[s] = struct{}{}
	m.mu.Unlock()
	defer m.forgetConnection(s)
	out := recordWriter{w: w, mediaType: mediaType, replace: m.malformedRecord}
	s.serve(ctx, out, heartbeatEvent, m.options.HeartbeatInterval)
}

func (m *Master) forgetConnection(s *stream) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.connections, s)
}
