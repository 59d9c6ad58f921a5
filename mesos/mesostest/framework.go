package mesostest

import (
	"fmt"
	"math"
	"slices"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/allocation"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/events"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/eventstream"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/frameworkinfo"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/mesoserror"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/offerconstraints"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/resource"
)

// framework is what the master knows of a framework.
type framework struct {
	cluster      *cluster
	id           string
	number       int // in order of their coming to the leader
	info         mesos.FrameworkInfo
	stream       *eventstream.Stream // nil while disconnected
	suppressed   map[string]bool
	constraints  offerconstraints.Constraints
	filters      map[*Agent]allocation.Filters
	offers       map[string]*offer
	tasks        map[string]*task
	unreachable  map[string]*task
	finished     []*task
	allocated    map[string]resource.Quantities // by role: used and offered
	offersOfRole map[string]int                 // ever made
	failover     *time.Timer
	recovered    bool // known from agents after an election; it has not subscribed since

	registered, reregistered, unregistered time.Time
}

// maxCompleted bounds the removed frameworks that a master remembers.
const maxCompleted = 50

// maxFinished bounds the finished tasks that a framework is remembered for.
const maxFinished = 1000

func (f *framework) hasCapability(of mesos.FrameworkInfo_Capability_Type) bool {
	return frameworkinfo.HasCapability(&f.info, of)
}

func (f *framework) roles() []string { return frameworkinfo.Roles(&f.info) }

// send queues an event for the framework; while it is disconnected it is lost.
func (f *framework) send(event *schedulerpb.Event) {
	if f.stream == nil {
		return
	}
	if drop := f.cluster.leader.faults.DropEvents; drop != nil && drop(event.Type.String()) {
		return
	}
	if observe := f.cluster.options.ObserveEvent; observe != nil && event.Type != schedulerpb.Event_HEARTBEAT {
		observe(event)
	}
	f.stream.Send(event)
}

// subscribe registers a framework, or its next scheduler. An error is for the
// framework to read, as an ERROR event.
func (m *Master) subscribe(c *offerconstraints.Call, principal string, s *eventstream.Stream) (*framework, error) {
	m.lockAsLeader()
	defer m.mu.Unlock()
	call, info := c.Subscribe, *c.Subscribe.FrameworkInfo
	if principal != "" {
		info.Principal = &principal
	}
	if err := m.validateFramework(&info, call.SuppressedRoles); err != nil {
		return nil, err
	}
	constraints, err := c.Constraints.Compile()
	if err != nil {
		return nil, err
	}
	m.calls[schedulerpb.Call_SUBSCRIBE.String()]++
	f, known := m.frameworks[info.GetID().GetValue()]
	if !known {
		f = m.addFramework(info)
		f.suppressed, f.constraints = setOf(call.SuppressedRoles), constraints
	} else if err := f.update(info, call.SuppressedRoles, constraints); err != nil {
		return nil, err
	}
	wasConnected := f.stream != nil
	f.failOver()
	if f.recovered {
		f.recovered = false
		f.registered, f.reregistered = m.options.Now(), m.options.Now()
	}
	f.stream = s
	m.log.Info("Subscribed framework", "framework", f.id, "name", info.Name, "known", known)
	f.send(events.Subscribed(f.id, m.options.HeartbeatInterval.Seconds(), m.info()))
	f.send(events.Heartbeat)
	if !wasConnected { // otherwise its offers are only free again at the next pass
		m.allocator.allocate()
	}
	f.updateAgents()
	f.resendUpdates()
	return f, nil
}

// updateAgents sends the new FrameworkInfo to the agents that have tasks or executors of
// the framework.
func (f *framework) updateAgents() {
	info := f.info
	for _, a := range f.cluster.agents {
		a.deliver(func() {
			if own, ok := a.frameworks[f.id]; ok {
				own.info = info
			}
		})
	}
}

func (c *cluster) validateFramework(info *mesos.FrameworkInfo, suppressed []string) error {
	if err := frameworkinfo.Validate(info); err != nil {
		return err
	}
	for _, role := range suppressed {
		if !slices.Contains(frameworkinfo.Roles(info), role) {
			return mesoserror.Errorf("Suppressed role '%s' is not contained in the list of roles", role)
		}
	}
	if c.isCompleted(info.GetID().GetValue()) {
		return mesoserror.Errorf("Framework has been removed")
	}
	return nil
}

func (c *cluster) isCompleted(frameworkID string) bool {
	return slices.ContainsFunc(c.completed, func(f *framework) bool { return f.id == frameworkID })
}

// addFramework takes any ID that the framework brings, known or not.
func (c *cluster) addFramework(info mesos.FrameworkInfo) *framework {
	if info.GetID().GetValue() == "" {
		info.ID = &mesos.FrameworkID{Value: fmt.Sprintf("%s-%04d", c.leader.id, c.nextFramework)}
		c.nextFramework++
	}
	if info.FailoverTimeout == nil {
		info.FailoverTimeout = new(float64)
	}
	if info.Checkpoint == nil {
		info.Checkpoint = new(bool)
	}
	now := c.options.Now()
	c.lastFramework++
	f := &framework{
		cluster:      c,
		id:           info.ID.Value,
		number:       c.lastFramework,
		info:         info,
		filters:      map[*Agent]allocation.Filters{},
		offers:       map[string]*offer{},
		tasks:        map[string]*task{},
		unreachable:  map[string]*task{},
		allocated:    map[string]resource.Quantities{},
		offersOfRole: map[string]int{},
		suppressed:   map[string]bool{},
		registered:   now,
		reregistered: now,
	}
	c.frameworks[f.id] = f
	return f
}

// update takes over what a framework may change. User and checkpoint stay as they
// were, silently. The filters of roles that it gave up, and of roles that are no longer
// suppressed, are dropped.
func (f *framework) update(info mesos.FrameworkInfo, suppressed []string, c offerconstraints.Constraints) error {
	if info.GetPrincipal() != f.info.GetPrincipal() {
		return mesoserror.Errorf("Changing framework's principal is not allowed.")
	}
	info.User, info.Checkpoint = f.info.User, f.info.Checkpoint
	if info.FailoverTimeout == nil {
		info.FailoverTimeout = new(float64)
	}
	before := f.suppressed
	for _, role := range f.roles() {
		if !slices.Contains(frameworkinfo.Roles(&info), role) || before[role] && !slices.Contains(suppressed, role) {
			f.dropFilters(role)
		}
	}
	f.info, f.suppressed, f.constraints = info, setOf(suppressed), c
	return nil
}

func (f *framework) dropFilters(role string) {
	for _, filters := range f.filters {
		filters.Drop(role)
	}
}

func setOf(names []string) map[string]bool {
	set := map[string]bool{}
	for _, name := range names {
		set[name] = true
	}
	return set
}

// failOver ends the older scheduler's stream, and makes all its offers invalid. Those
// of roles that are no longer the framework's are rescinded first.
func (f *framework) failOver() {
	f.stopFailover()
	for _, o := range valuesByKey(f.offers) {
		if !slices.Contains(f.roles(), o.role) {
			f.send(events.Rescind(o.id))
		}
	}
	f.recoverOffers()
	if f.stream != nil {
		f.send(events.Error("Framework failed over"))
		f.stream.End()
		f.stream = nil
		f.reregistered = f.cluster.options.Now()
	}
}

// disconnected is called when a scheduler's stream has ended, whoever ended it.
func (f *framework) disconnected(s *eventstream.Stream) {
	f.cluster.mu.Lock()
	defer f.cluster.mu.Unlock()
	s.Abort()
	if f.stream != s || f.cluster.closed {
		return // failed over or removed meanwhile
	}
	f.cluster.log.Info("Lost framework", "framework", f.id)
	f.stream = nil
	f.recoverOffers()
	clear(f.filters)
	timeout := f.failoverTimeout()
	if timeout == 0 {
		f.remove()
		return
	}
	f.failover = f.cluster.after(timeout, func() {
		if f.stream == nil && f.cluster.frameworks[f.id] == f {
			f.remove()
		}
	})
}

func (f *framework) stopFailover() {
	if f.failover != nil {
		f.failover.Stop()
		f.failover = nil
	}
}

func (f *framework) failoverTimeout() time.Duration {
	seconds := f.info.GetFailoverTimeout()
	if math.IsNaN(seconds) || seconds <= 0 {
		return 0
	}
	return time.Duration(min(seconds, math.MaxInt64/2/float64(time.Second)) * float64(time.Second))
}

// remove ends a framework for good: its scheduler gets no updates, its
// executors get SHUTDOWN, its resources are free at once.
func (f *framework) remove() {
	f.cluster.log.Info("Removed framework", "framework", f.id)
	f.stopFailover()
	f.recoverOffers()
	for _, t := range valuesByKey(f.tasks) {
		t.state = mesos.TASK_KILLED
		t.remove()
	}
	for _, a := range f.cluster.agents {
		a.record.recoverExecutors(f)
		a.forgetOperations(func(o *operation) bool { return o.framework == f.id })
		a.deliver(func() { a.shutdownFramework(f.id) })
	}
	if f.stream != nil {
		f.stream.End()
		f.stream = nil
	}
	f.unregistered = f.cluster.options.Now()
	delete(f.cluster.frameworks, f.id)
	if f.cluster.completed = append(f.cluster.completed, f); len(f.cluster.completed) > maxCompleted {
		f.cluster.completed = f.cluster.completed[1:]
	}
}

// updateInfo is stricter than a new SUBSCRIBE.
func (f *framework) updateInfo(c *offerconstraints.Call) error {
	call, info := c.UpdateFramework, c.UpdateFramework.FrameworkInfo
	if info.Principal == nil {
		info.Principal = f.info.Principal
	}
	if err := f.cluster.validateFramework(&info, call.SuppressedRoles); err != nil {
		return mesoserror.Errorf("Supplied FrameworkInfo is not valid: %v", err)
	}
	if err := f.validateChange(info); err != nil {
		return mesoserror.Errorf("FrameworkInfo update is not valid: %v", err)
	}
	constraints, err := c.Constraints.Compile()
	if err != nil {
		return mesoserror.Errorf("'UpdateFramework.offer_constraints' are not valid: %v", err)
	}
	if err := f.update(info, call.SuppressedRoles, constraints); err != nil {
		return mesoserror.Errorf("FrameworkInfo update is not valid: %v", err)
	}
	for _, o := range valuesByKey(f.offers) {
		if !slices.Contains(f.roles(), o.role) {
			o.rescind()
		}
	}
	f.updateAgents()
	return nil // new roles have to wait for the next pass of the allocator
}

func (f *framework) validateChange(info mesos.FrameworkInfo) error {
	if info.User != f.info.User {
		return mesoserror.Errorf("Updating 'FrameworkInfo.user' is unsupported; attempted to update from '%s' to '%s'",
			f.info.User, info.User)
	}
	if info.GetCheckpoint() != f.info.GetCheckpoint() {
		return mesoserror.Errorf("Updating 'FrameworkInfo.checkpoint' is unsupported; attempted to update from '%t' to '%t'",
			f.info.GetCheckpoint(), info.GetCheckpoint())
	}
	return nil
}
