package mesostest

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/eventstream"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/mesoserror"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/naming"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/offerconstraints"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/resource"
)

// framework is what the master knows of a framework.
type framework struct {
	id           string
	number       int // in order of their coming to the leader
	info         mesos.FrameworkInfo
	stream       *eventstream.Stream // nil while disconnected
	suppressed   map[string]bool
	constraints  offerconstraints.Constraints
	filters      map[*Agent]map[string][]filter // by role
	offers       map[string]*offer
	tasks        map[string]*task
	unreachable  map[string]*task
	finished     []*task
	allocated    map[string]resource.Quantities // by role: used and offered
	offersOfRole map[string]int                 // ever made
	failover     *time.Timer
	recovered    bool // told of by agents after an election; it has not subscribed since

	registered, reregistered, unregistered time.Time
}

// maxCompleted bounds the removed frameworks that a master remembers.
const maxCompleted = 50

// maxFinished bounds the finished tasks that a framework is remembered for.
const maxFinished = 1000

func (f *framework) capable(of mesos.FrameworkInfo_Capability_Type) bool { return capable(&f.info, of) }

func capable(info *mesos.FrameworkInfo, of mesos.FrameworkInfo_Capability_Type) bool {
	return slices.ContainsFunc(info.Capabilities, func(c mesos.FrameworkInfo_Capability) bool { return c.Type == of })
}

func (f *framework) roles() []string { return rolesOf(&f.info) }

func rolesOf(info *mesos.FrameworkInfo) []string {
	for _, c := range info.Capabilities {
		if c.Type == mesos.FrameworkInfo_Capability_MULTI_ROLE {
			return info.Roles
		}
	}
	return []string{info.GetRole()}
}

// send queues an event for the framework; while it is disconnected it is lost.
func (m *Master) send(f *framework, event *schedulerpb.Event) {
	if f.stream == nil {
		return
	}
	if drop := m.leader.faults.DropEvents; drop != nil && drop(event.Type.String()) {
		return
	}
	if observe := m.options.ObserveEvent; observe != nil && event.Type != schedulerpb.Event_HEARTBEAT {
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
	m.failOver(f)
	if f.recovered {
		f.recovered = false
		f.registered, f.reregistered = m.options.Now(), m.options.Now()
	}
	f.stream = s
	m.log.Info("Subscribed framework", "framework", f.id, "name", info.Name, "known", known)
	m.send(f, subscribedEvent(f.id, m.options.HeartbeatInterval.Seconds(), m.info()))
	m.send(f, heartbeatEvent)
	if !wasConnected { // otherwise its offers are only free again at the next pass
		m.allocate()
	}
	m.tellAgents(f)
	m.resendUpdates(f)
	return f, nil
}

// tellAgents hands what is new of the framework to the agents that have anything of it.
func (m *Master) tellAgents(f *framework) {
	info := f.info
	for _, a := range m.agents {
		a.deliver(func() {
			if own, ok := a.frameworks[f.id]; ok {
				own.info = info
			}
		})
	}
}

func (m *Master) validateFramework(info *mesos.FrameworkInfo, suppressed []string) error {
	if info.ID != nil && info.ID.Value != "" {
		if err := naming.ValidateID(info.ID.Value); err != nil {
			return err
		}
	}
	if err := validateRoles(info); err != nil {
		return err
	}
	for _, role := range suppressed {
		if !slices.Contains(rolesOf(info), role) {
			return mesoserror.Errorf("Suppressed role '%s' is not contained in the list of roles", role)
		}
	}
	if m.isCompleted(info.GetID().GetValue()) {
		return mesoserror.Errorf("Framework has been removed")
	}
	return nil
}

func validateRoles(info *mesos.FrameworkInfo) error {
	multiRole := slices.ContainsFunc(info.Capabilities, func(c mesos.FrameworkInfo_Capability) bool {
		return c.Type == mesos.FrameworkInfo_Capability_MULTI_ROLE
	})
	switch {
	case multiRole && info.Role != nil:
		return mesoserror.Errorf("'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable")
	case !multiRole && len(info.Roles) > 0:
		return mesoserror.Errorf("'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable")
	}
	var duplicates []string
	for i, role := range info.Roles {
		if slices.Contains(info.Roles[:i], role) && !slices.Contains(duplicates, role) {
			duplicates = append(duplicates, role)
		}
	}
	if len(duplicates) > 0 {
		return mesoserror.Errorf("'FrameworkInfo.roles' contains duplicate items: { %s }", strings.Join(duplicates, ", "))
	}
	for _, role := range info.Roles {
		if err := naming.ValidateRole(role); err != nil {
			return mesoserror.Errorf("'FrameworkInfo.roles' contains invalid role: %v", err)
		}
	}
	if info.Role != nil {
		if err := naming.ValidateRole(*info.Role); err != nil {
			return mesoserror.Errorf("'FrameworkInfo.role' is not a valid role: %v", err)
		}
	}
	return nil
}

func (m *Master) isCompleted(frameworkID string) bool {
	return slices.ContainsFunc(m.completed, func(f *framework) bool { return f.id == frameworkID })
}

// addFramework takes any ID that the framework brings, known or not.
func (m *Master) addFramework(info mesos.FrameworkInfo) *framework {
	if info.GetID().GetValue() == "" {
		info.ID = &mesos.FrameworkID{Value: fmt.Sprintf("%s-%04d", m.leader.id, m.nextFramework)}
		m.nextFramework++
	}
	if info.FailoverTimeout == nil {
		info.FailoverTimeout = new(float64)
	}
	if info.Checkpoint == nil {
		info.Checkpoint = new(bool)
	}
	now := m.options.Now()
	m.lastFramework++
	f := &framework{
		id:           info.ID.Value,
		number:       m.lastFramework,
		info:         info,
		filters:      map[*Agent]map[string][]filter{},
		offers:       map[string]*offer{},
		tasks:        map[string]*task{},
		unreachable:  map[string]*task{},
		allocated:    map[string]resource.Quantities{},
		offersOfRole: map[string]int{},
		suppressed:   map[string]bool{},
		registered:   now,
		reregistered: now,
	}
	m.frameworks[f.id] = f
	return f
}

// update takes over what a framework may change. User and checkpoint stay as they
// were, silently. Roles that it has no more, and those that are suppressed no more,
// are rid of their filters.
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
		if !slices.Contains(rolesOf(&info), role) || before[role] && !slices.Contains(suppressed, role) {
			f.dropFilters(role)
		}
	}
	f.info, f.suppressed, f.constraints = info, setOf(suppressed), c
	return nil
}

func (f *framework) dropFilters(role string) {
	for _, filters := range f.filters {
		delete(filters, role)
	}
}

func setOf(names []string) map[string]bool {
	set := map[string]bool{}
	for _, name := range names {
		set[name] = true
	}
	return set
}

// failOver ends the older scheduler's stream, and makes all its offers void. Those
// of roles that are no longer the framework's are rescinded first.
func (m *Master) failOver(f *framework) {
	f.stopFailover()
	for _, o := range valuesByKey(f.offers) {
		if !slices.Contains(f.roles(), o.role) {
			m.send(f, rescindEvent(o.id))
		}
	}
	m.recoverOffers(f)
	if f.stream != nil {
		m.send(f, errorEvent("Framework failed over"))
		f.stream.End()
		f.stream = nil
		f.reregistered = m.options.Now()
	}
}

// disconnected is called when a scheduler's stream has ended, whoever ended it.
func (m *Master) disconnected(f *framework, s *eventstream.Stream) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s.Abort()
	if f.stream != s || m.closed {
		return // failed over or removed meanwhile
	}
	m.log.Info("Lost framework", "framework", f.id)
	f.stream = nil
	m.recoverOffers(f)
	clear(f.filters)
	timeout := f.failoverTimeout()
	if timeout == 0 {
		m.removeFramework(f)
		return
	}
	f.failover = m.after(timeout, func() {
		if f.stream == nil && m.frameworks[f.id] == f {
			m.removeFramework(f)
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

// removeFramework ends a framework for good: no update tells its scheduler, its
// executors get SHUTDOWN, its resources are free at once.
func (m *Master) removeFramework(f *framework) {
	m.log.Info("Removed framework", "framework", f.id)
	f.stopFailover()
	m.recoverOffers(f)
	for _, t := range valuesByKey(f.tasks) {
		t.state = mesos.TASK_KILLED
		m.removeTask(t)
	}
	for _, a := range m.agents {
		m.recoverExecutors(a, f)
		a.forgetOperations(func(o *operation) bool { return o.framework == f.id })
		a.deliver(func() { a.shutdownFramework(f.id) })
	}
	if f.stream != nil {
		f.stream.End()
		f.stream = nil
	}
	f.unregistered = m.options.Now()
	delete(m.frameworks, f.id)
	if m.completed = append(m.completed, f); len(m.completed) > maxCompleted {
		m.completed = m.completed[1:]
	}
}

// updateFramework is stricter than a new SUBSCRIBE.
func (m *Master) updateFramework(f *framework, c *offerconstraints.Call) error {
	call, info := c.UpdateFramework, c.UpdateFramework.FrameworkInfo
	if info.Principal == nil {
		info.Principal = f.info.Principal
	}
	if err := m.validateFramework(&info, call.SuppressedRoles); err != nil {
		return mesoserror.Errorf("Supplied FrameworkInfo is not valid: %v", err)
	}
	if err := f.refuseChange(info); err != nil {
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
			m.rescind(o)
		}
	}
	m.tellAgents(f)
	return nil // new roles have to wait for the next pass of the allocator
}

func (f *framework) refuseChange(info mesos.FrameworkInfo) error {
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
