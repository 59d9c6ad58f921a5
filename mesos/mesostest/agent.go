package mesostest

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/cgroup"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/httpapi"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/offerconstraints"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/resource"
)

// closeTimeout bounds the wait for the containers of an agent that is closed.
const closeTimeout = 30 * time.Second

// Agent is a Mesos agent: a machine with resources, and the containers on it.
type Agent struct {
	cluster    *cluster
	options    AgentOptions
	attributes []mesos.Attribute
	ip         string
	port       int
	listener   net.Listener // nil without an executor API
	server     *http.Server
	tempDir    string // to be removed, or empty

	api    executorAPI
	record agentRecord
	link   link

	// The agent's own.
	agentProcess
	drainConfig   *mesos.DrainConfig // nil unless it drains
	closed        bool
	frameworks    map[string]*agentFramework
	containers    sync.WaitGroup
	cleanupErrors []error      // of destroying containers
	operations    []*operation // whose end no framework has acknowledged
}

// AddAgent starts an agent and registers it.
func (m *Master) AddAgent(o AgentOptions) (*Agent, error) {
	o = o.withDefaults()
	total, err := resource.Parse(o.Resources)
	if err != nil {
		return nil, fmt.Errorf("starting agent: %w", err)
	}
	attributes, err := resource.ParseAttributes(o.Attributes)
	if err != nil {
		return nil, fmt.Errorf("starting agent: %w", err)
	}
	a := &Agent{
		cluster:    m.cluster,
		options:    o,
		attributes: attributes,
		frameworks: map[string]*agentFramework{},
	}
	a.record.cluster, a.record.agent, a.api.agent = m.cluster, a, a
	if err := a.listen(); err != nil {
		return nil, fmt.Errorf("starting agent: %w", err)
	}
	if err := a.makeWorkDir(); err != nil {
		a.stopServing()
		return nil, fmt.Errorf("starting agent: %w", err)
	}
	if err := a.record.register(total); err != nil {
		a.stopServing()
		a.removeWorkDir()
		return nil, fmt.Errorf("starting agent: %w", err)
	}
	if a.listener != nil {
		a.server = &http.Server{Handler: http.HandlerFunc(a.api.serveHTTP), ErrorLog: httpapi.DiscardLog}
		m.spawn(func() { _ = a.server.Serve(a.listener) })
	}
	return a, nil
}

// listen opens the executor API, unless all executors are in this process.
func (a *Agent) listen() (err error) {
	o := &a.options
	_, inProcess := o.Launcher.(Func)
	if inProcess && o.Listener == nil && o.Address == "" {
		return nil
	}
	setDefault(&o.Address, "127.0.0.1:0")
	var ip string
	a.listener, ip, a.port, err = listen(o.Listener, o.Address, o.NetNS)
	setDefault(&o.IP, ip)
	if err == nil && o.TLS != nil {
		a.listener = tls.NewListener(a.listener, o.TLS)
	}
	return err
}

// makeWorkDir makes the work directory, a temporary one unless it is given.
// Functions need none.
func (a *Agent) makeWorkDir() (err error) {
	if _, inProcess := a.options.Launcher.(Func); inProcess {
		setDefault(&a.options.WorkDir, filepath.Join(os.TempDir(), "mesostest"))
		return nil
	}
	if a.options.WorkDir == "" {
		a.options.WorkDir, err = os.MkdirTemp("", "mesostest-")
		a.tempDir = a.options.WorkDir
		return err
	}
	if a.options.WorkDir, err = filepath.Abs(a.options.WorkDir); err != nil {
		return err
	}
	return os.MkdirAll(a.options.WorkDir, 0o755)
}

func (a *Agent) removeWorkDir() {
	if a.tempDir != "" {
		_ = os.RemoveAll(a.tempDir)
	}
}

func (a *Agent) stopServing() {
	if a.server != nil {
		stopServer(a.server)
	}
	if a.listener != nil {
		_ = a.listener.Close()
	}
}

// setIdentity gives an agent its number, and names to one that has none.
func (a *Agent) setIdentity(number int) {
	a.record.number = number
	setDefault(&a.options.Hostname, fmt.Sprintf("agent-%d.example", number+1))
	if a.options.IP == "" {
		n := number + 1
		a.options.IP = fmt.Sprintf("198.%d.%d.%d", 18+n>>16&1, n>>8&255, n&255)
	}
	a.ip = a.options.IP
	setDefault(&a.port, 5051)
}

// ID that a master gave to the agent; empty before.
func (a *Agent) ID() string {
	a.cluster.mu.Lock()
	defer a.cluster.mu.Unlock()
	return a.record.id
}

// Hostname of the agent.
func (a *Agent) Hostname() string { return a.options.Hostname }

// Addr is host:port of the agent's executor API; empty when it has none.
func (a *Agent) Addr() string {
	if a.listener == nil {
		return ""
	}
	return net.JoinHostPort(a.ip, strconv.Itoa(a.port))
}

// WorkDir is the directory that holds the sandboxes.
func (a *Agent) WorkDir() string { return a.options.WorkDir }

// Containers is the number of containers that run or are being started or ended.
func (a *Agent) Containers() int {
	a.cluster.mu.Lock()
	defer a.cluster.mu.Unlock()
	n := 0
	for _, f := range a.frameworks {
		n += len(f.executors)
	}
	return n
}

// Close ends the agent with all its containers, at once, and the master forgets it,
// as after SIGUSR1: tasks are lost, offers rescinded. It returns when nothing is
// left. The error lists what could not be removed.
func (a *Agent) Close() error {
	a.cluster.mu.Lock()
	if a.closed {
		a.cluster.mu.Unlock()
		return nil
	}
	a.closed = true
	a.record.unregister()
	a.link.down = true
	for _, f := range a.frameworks {
		for _, x := range f.executors {
			x.destroy()
		}
	}
	a.cluster.mu.Unlock()

	err := a.awaitContainers()
	a.stopServing()
	a.removeWorkDir()
	if l, ok := a.options.Launcher.(ProcessLauncher); ok {
		cgroup.RemoveRoot(l.CgroupRoot)
	}
	return err
}

func (a *Agent) awaitContainers() error {
	done := make(chan struct{})
	go func() {
		a.containers.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(closeTimeout):
		return fmt.Errorf("closing agent %s: containers still run after %s", a.options.Hostname, closeTimeout)
	}
	a.cluster.mu.Lock()
	defer a.cluster.mu.Unlock()
	return errors.Join(a.cleanupErrors...)
}

// url of the agent as offers have it.
func (a *Agent) url() *mesos.URL {
	path := "/slave(1)"
	return &mesos.URL{Scheme: "http", Path: &path, Address: mesos.Address{
		Hostname: &a.options.Hostname,
		IP:       &a.ip,
		Port:     int32(a.port),
	}}
}

// pid of the agent, as libprocess names it.
func (a *Agent) pid() string { return "slave(1)@" + net.JoinHostPort(a.ip, strconv.Itoa(a.port)) }

// info of the agent as executors get it.
func (a *Agent) info() mesos.AgentInfo {
	port := int32(a.port)
	return mesos.AgentInfo{
		ID:         &mesos.AgentID{Value: a.record.id},
		Hostname:   a.options.Hostname,
		Port:       &port,
		Resources:  a.record.configured.Messages("", false),
		Attributes: a.attributes,
		Domain:     a.options.Domain.info(),
	}
}

func (d Domain) info() *mesos.DomainInfo {
	if d.Region == "" {
		return nil
	}
	return &mesos.DomainInfo{FaultDomain: &mesos.DomainInfo_FaultDomain{
		Region: mesos.DomainInfo_FaultDomain_RegionInfo{Name: d.Region},
		Zone:   mesos.DomainInfo_FaultDomain_ZoneInfo{Name: d.Zone},
	}}
}

// link is the connection between an agent and the master. What passes it runs
// under the master's lock, in order.
type link struct {
	down    bool // what passes is lost
	cut     bool // the same, but for calls that wait in late
	paused  bool // what passes is held
	held    []func()
	late    []func()
	changes int // counts what happened to the connection; older timers mean nothing
}

func (l *link) send(f func()) {
	switch {
	case l.down || l.cut:
	case l.paused:
		l.held = append(l.held, f)
	default:
		f()
	}
}

// deliver hands something from the master to the agent.
func (a *Agent) deliver(f func()) {
	if a.record.state != agentRecovered { // the master has no connection to it
		a.link.send(f)
	}
}

// deliverLate is deliver for calls that a cut network delays.
func (a *Agent) deliverLate(f func()) {
	if a.link.cut && !a.link.down && a.record.state != agentRecovered {
		a.link.late = append(a.link.late, f)
		return
	}
	a.deliver(f)
}

// report hands something from the agent to the master, which takes nothing from
// agents that are not registered.
func (a *Agent) report(f func()) {
	a.link.send(func() {
		if a.record.state != agentRemoved && a.record.state != agentRecovered {
			f()
		}
	})
}

// Pause makes the agent hold back everything that it sends and gets, without the
// master noticing, until Resume.
func (a *Agent) Pause() {
	a.cluster.mu.Lock()
	defer a.cluster.mu.Unlock()
	a.link.paused = true
}

// Resume ends a Pause: what was held passes, in its order.
func (a *Agent) Resume() {
	a.cluster.mu.Lock()
	defer a.cluster.mu.Unlock()
	held := a.link.held
	a.link.paused, a.link.held = false, nil
	for _, f := range held {
		a.link.send(f)
	}
}

// serveHTTP serves the agent's own API.
func (p *executorAPI) serveHTTP(w http.ResponseWriter, r *http.Request) {
	if p.isDown() {
		panic(http.ErrAbortHandler) // the connection breaks
	}
	path := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/slave(1)"), "/")
	switch path {
	case "/health":
	case pathExecutor:
		p.serveExecutor(w, r)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (p *executorAPI) isDown() bool {
	p.agent.cluster.mu.Lock()
	defer p.agent.cluster.mu.Unlock()
	return p.agent.processState == processDown
}

// executorIDs of the framework on this agent, sorted.
func (r *agentRecord) executorIDs(frameworkID string) []mesos.ExecutorID {
	var ids []mesos.ExecutorID
	for id := range r.executors[frameworkID] {
		ids = append(ids, mesos.ExecutorID{Value: id})
	}
	slices.SortFunc(ids, func(x, y mesos.ExecutorID) int { return strings.Compare(x.Value, y.Value) })
	return ids
}

// candidate is the agent as offer constraints see it.
func (a *Agent) candidate() *offerconstraints.Agent {
	return &offerconstraints.Agent{
		Hostname:   a.options.Hostname,
		Region:     a.options.Domain.Region,
		Zone:       a.options.Domain.Zone,
		Attributes: a.attributes,
	}
}
