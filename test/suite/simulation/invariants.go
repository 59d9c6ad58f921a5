package simulation

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// sizeGrace is the time for which a pool's old size may still be acted upon, because caches lag.
const sizeGrace = 90 * time.Second

// checks compare what happens with the invariants I1 to I10 of docs/faults.md.
type checks struct {
	world *world

	mu                 sync.Mutex
	tasks              map[string]*fakeExecutor // running ones, by task ID
	everRan            map[string]bool          // task IDs that have ever run
	tasksDeclaredGone  map[string]bool          // tasks of agents that were declared gone
	agentsDeclaredGone map[string]bool          // IDs of agents that were declared gone
	deadAgents         map[string]bool          // IDs of agents whose machine has died
	storedIDs          map[string]bool          // framework IDs that were stored
	sizes              map[string][]size
	killAllowed        map[string]bool // tasks that were rightly killed once
	askedOnceMore      map[string]bool // tasks without a record that the master was asked about
	stream             streamState
	disruptions        disruptionState
	calls              int // other than acknowledgements
	writes             int // by operators, other than of their lease
	lastCalls          []string
}

// size is a size that a pool had, until when; zero while it is the current one.
type size struct {
	replicas int
	until    time.Time
}

func newChecks(w *world) *checks {
	return &checks{
		world: w, tasks: map[string]*fakeExecutor{}, everRan: map[string]bool{}, tasksDeclaredGone: map[string]bool{}, agentsDeclaredGone: map[string]bool{}, deadAgents: map[string]bool{},
		storedIDs: map[string]bool{}, sizes: map[string][]size{}, killAllowed: map[string]bool{}, askedOnceMore: map[string]bool{}, stream: newStreamState(),
		disruptions: newDisruptionState(),
	}
}

// objectChanged is called for every write to the API server, under its lock.
func (c *checks) objectChanged(ch change) {
	o := ch.after
	if o == nil {
		o = ch.before
	}
	if ch.kind != kindLease {
		c.world.trace.add("api", "%s: %s %s%s", ch.actor, verb(ch), name(ch.kind, client.ObjectKeyFromObject(o)), describe(ch))
	}
	byOperator := strings.HasPrefix(ch.actor, "operator")
	c.mu.Lock()
	defer c.mu.Unlock()
	if byOperator && ch.kind != kindLease {
		c.writes++
	}
	switch ch.kind {
	case kindFramework:
		c.recordFrameworkID(o.(*v1alpha1.MesosFramework))
	case kindPool:
		c.recordPoolSize(ch)
		c.recordPoolVersion(ch)
	case kindMesosNode:
		c.nodeChanged(ch)
	case kindNode:
		if ch.after == nil && byOperator {
			c.checkNodeDeletion(ch.before.(*corev1.Node))
		}
		if byOperator {
			c.checkByHand(ch)
		}
	case kindPod:
		if byOperator && ch.after == nil {
			c.world.fail("I6: %s deleted pod %s without eviction", ch.actor, o.GetName())
		}
	}
}

func (c *checks) recordFrameworkID(f *v1alpha1.MesosFramework) {
	if id := f.Status.FrameworkID; id != "" {
		c.storedIDs[id] = true
	}
}

// recordPoolSize records the sizes that pools had lately.
func (c *checks) recordPoolSize(ch change) {
	if ch.after == nil {
		return
	}
	p := ch.after.(*v1alpha1.MesosNodePool)
	replicas := 0
	if p.Spec.Replicas != nil && p.DeletionTimestamp.IsZero() {
		replicas = int(*p.Spec.Replicas)
	}
	sizes := c.sizes[p.Name]
	if n := len(sizes); n > 0 {
		if sizes[n-1].replicas == replicas {
			return
		}
		sizes[n-1].until = time.Now()
	}
	c.sizes[p.Name] = append(sizes, size{replicas: replicas})
}

// checkPoolSize checks I7: a pool never has more nodes than its largest size of late, and those that
// are to replace others.
func (c *checks) checkPoolSize(actor string, n *v1alpha1.MesosNode) {
	pool := n.Labels[v1alpha1.LabelPool]
	most := 0
	for _, s := range c.sizes[pool] {
		if s.until.IsZero() || time.Since(s.until) < sizeGrace {
			most = max(most, s.replicas)
		}
	}
	most += c.tally(actor, n).pairs
	if old := n.Annotations[v1alpha1.AnnotationReplaces]; old != "" && c.world.server.peek(kindMesosNode, old) == nil {
		most++ // it ended while the new one was being made
	}
	alive := 0
	for _, o := range c.world.server.tables[kindMesosNode] {
		if o.GetLabels()[v1alpha1.LabelPool] == pool && o.GetDeletionTimestamp().IsZero() {
			alive++
		}
	}
	if alive > most {
		c.world.fail("I7: %s makes %d nodes of %s, which has at most %d", n.Name, alive, pool, most)
	}
}

// checkNodeDeletion checks I4: no Node is deleted while its task may run.
func (c *checks) checkNodeDeletion(n *corev1.Node) {
	id := taskOf(n.Spec.ProviderID)
	if c.tasks[id] != nil && !c.tasksDeclaredGone[id] {
		c.world.fail("I4: Node %s was deleted while task %s runs", n.Name, id)
	}
}

func taskOf(providerID string) string { return providerID[strings.LastIndexByte(providerID, '/')+1:] }

// callReceived is called for every call to the master.
func (c *checks) callReceived(call *schedulerpb.Call) {
	w := c.world
	w.trace.add("master", "%s", describeCall(call))
	w.server.mu.Lock()
	defer w.server.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checkOfferAnswers(call)
	switch call.Type {
	case schedulerpb.Call_ACKNOWLEDGE:
		c.checkAcknowledgement(call.Acknowledge)
		return
	case schedulerpb.Call_SUBSCRIBE:
		c.checkSubscribe(call)
	case schedulerpb.Call_ACCEPT:
		c.checkAccept(call.Accept)
	case schedulerpb.Call_KILL:
		c.checkKill(call.Kill.TaskID.Value)
	case schedulerpb.Call_RECONCILE:
		if len(call.Reconcile.Tasks) == 0 || c.asksOnceMore(call.Reconcile.Tasks) {
			return // implicit reconciliation is periodic
		}
	}
	c.calls++
	c.lastCalls = append(c.lastCalls, describeCall(call))
}

// asksOnceMore reports whether all of the tasks were released by force, and are asked for the first
// time since: by the answer the operator learns, a quarter of an hour later, that nobody waits for
// their ends any more.
func (c *checks) asksOnceMore(asked []schedulerpb.Call_Reconcile_Task) bool {
	for _, t := range asked {
		if id := t.TaskID.Value; c.askedOnceMore[id] || c.record(id) != nil {
			return false
		}
	}
	for _, t := range asked {
		c.askedOnceMore[t.TaskID.Value] = true
	}
	return true
}

// checkSubscribe checks I9: the ID on record is used.
func (c *checks) checkSubscribe(call *schedulerpb.Call) {
	o := c.world.server.peek(kindFramework, frameworkName)
	if o == nil {
		return
	}
	stored := o.(*v1alpha1.MesosFramework).Status.FrameworkID
	if id := call.Subscribe.FrameworkInfo.GetID().GetValue(); stored != "" && id != stored {
		c.world.fail("I9: subscribed with the ID %q, stored is %q", id, stored)
	}
}

// checkAccept checks I2: the intent and the framework's ID are on record before a launch.
func (c *checks) checkAccept(accept *schedulerpb.Call_Accept) {
	for _, op := range accept.Operations {
		for _, task := range op.GetLaunch().GetTaskInfos() {
			id := task.TaskID.Value
			record := c.record(id)
			switch {
			case record == nil || record.Status.Task == nil || record.Status.Task.ID != id:
				c.world.fail("I2: ACCEPT launches %s without an intent on record", id)
			case record.Status.Task.AgentID != task.AgentID.Value:
				c.world.fail("I2: ACCEPT launches %s on agent %s, the intent says %s", id, task.AgentID.Value, record.Status.Task.AgentID)
			case len(c.storedIDs) == 0:
				c.world.fail("I2: ACCEPT launches %s before the framework ID is stored", id)
			}
		}
	}
}

// record returns the MesosNode of a task, nil if there is none. The API server's lock is held.
func (c *checks) record(taskID string) *v1alpha1.MesosNode {
	nodeName, _ := nodemodel.NameOf(taskID)
	if o := c.world.server.peek(kindMesosNode, nodeName); o != nil {
		return o.(*v1alpha1.MesosNode)
	}
	return nil
}

// checkKill checks I5: no task is killed while pods run on its node that were not evicted.
func (c *checks) checkKill(taskID string) {
	n := c.record(taskID)
	if c.killAllowed[taskID] || n == nil || n.Status.Task == nil || n.Status.Task.ID != taskID || scheduler.TaskState(n.Status.Task.State).Terminal() ||
		n.Annotations[v1alpha1.AnnotationForceRelease] == "true" {
		return
	}
	if t, since := n.Spec.Drain.Timeout, n.Status.DrainStartTime; t != nil && since != nil && time.Since(since.Time) >= t.Duration {
		return
	}
	o := c.world.server.peek(kindNode, n.Name)
	c.killAllowed[taskID] = true
	if o == nil || taskOf(o.(*corev1.Node).Spec.ProviderID) != taskID {
		return
	}
	for _, p := range c.world.server.tables[kindPod] {
		pod := p.(*corev1.Pod)
		if pod.Spec.NodeName == n.Name && podHealthy(pod) {
			c.world.fail("I5: KILL of %s while pod %s runs on it", taskID, pod.Name)
		}
	}
}

// taskStarted records that a task runs, and checks I1: a node has at most one task, and no task
// ID is used twice. It returns false if the machine has died.
func (w *world) taskStarted(n *fakeExecutor) bool {
	c, id := w.checks, n.taskID.Value
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.deadAgents[n.agent()] {
		return false
	}
	w.trace.add(id, "runs")
	if c.everRan[id] {
		w.fail("I1: the task ID %s is used twice", id)
	}
	c.everRan[id] = true
	if c.agentsDeclaredGone[n.agent()] {
		c.tasksDeclaredGone[id] = true
	}
	for other, m := range c.tasks {
		if m.launch.NodeName == n.launch.NodeName && !c.tasksDeclaredGone[other] && !c.tasksDeclaredGone[id] {
			w.fail("I1: %s runs, and %s, too", other, id)
		}
	}
	c.tasks[id] = n
	return true
}

// taskEnded records that a task has ended.
func (w *world) taskEnded(n *fakeExecutor, why string) {
	if n == nil {
		return
	}
	id := n.taskID.Value
	w.checks.mu.Lock()
	_, ran := w.checks.tasks[id]
	delete(w.checks.tasks, id)
	w.checks.mu.Unlock()
	if ran {
		w.trace.add(id, "ends: %s", why)
		w.markUnknownLater(n)
	}
}

// taskRuns reports whether the task of a provider ID runs.
func (c *checks) taskRuns(providerID string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tasks[taskOf(providerID)] != nil
}

// runningTasks returns the IDs of the running tasks.
func (c *checks) runningTasks() map[string]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[string]bool{}
	for id := range c.tasks {
		out[id] = true
	}
	return out
}

// declareAgentGone records that an administrator has declared an agent and its tasks gone.
func (c *checks) declareAgentGone(agentID string) {
	c.mu.Lock()
	c.agentsDeclaredGone[agentID] = true
	c.mu.Unlock()
	for _, n := range c.executorsOn(agentID) {
		c.mu.Lock()
		c.tasksDeclaredGone[n.taskID.Value] = true
		c.mu.Unlock()
	}
}

// machineDied ends the tasks of an agent, as a power failure does.
func (c *checks) machineDied(agentID string) {
	c.mu.Lock()
	c.deadAgents[agentID] = true
	c.mu.Unlock()
	for _, n := range c.executorsOn(agentID) {
		c.world.taskEnded(n, "its machine died")
		n.cancel()
	}
}

// executorsOn returns the executors that run on an agent, in the order of their task IDs.
func (c *checks) executorsOn(agentID string) []*fakeExecutor {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []*fakeExecutor
	for _, id := range slices.Sorted(maps.Keys(c.tasks)) {
		if n := c.tasks[id]; n.agent() == agentID {
			out = append(out, n)
		}
	}
	return out
}

func verb(ch change) string {
	switch {
	case ch.before == nil:
		return "created"
	case ch.after == nil:
		return "removed"
	case ch.before.GetDeletionTimestamp().IsZero() && !ch.after.GetDeletionTimestamp().IsZero():
		return "deleted"
	}
	return "changed"
}

// describe returns the main fields of an object, for the trace.
func describe(ch change) string {
	switch o := ch.after.(type) {
	case *v1alpha1.MesosNode:
		text := fmt.Sprintf(" (attempt %d", o.Status.Attempt)
		if t := o.Status.Task; t != nil {
			text += fmt.Sprintf(", %s %s on %s", t.ID, or(t.State, "intended"), t.AgentID)
		}
		for _, c := range o.Status.Conditions {
			text += fmt.Sprintf(", %s %s", c.Type, c.Reason)
		}
		return text + ")"
	case *v1alpha1.MesosNodePool:
		return fmt.Sprintf(" (%d wanted, %d are, %d ready, %d leave)", *o.Spec.Replicas, o.Status.Replicas, o.Status.ReadyReplicas, o.Status.TerminatingReplicas)
	case *v1alpha1.MesosFramework:
		text := " (" + o.Status.FrameworkID
		for _, c := range o.Status.Conditions {
			text += fmt.Sprintf(", %s %s %s", c.Type, c.Status, c.Reason)
		}
		return text + ")"
	case *corev1.Node:
		return fmt.Sprintf(" (%s, ready %t, cordoned %t)", o.Spec.ProviderID, readyNode(o), o.Spec.Unschedulable)
	case *corev1.Pod:
		return fmt.Sprintf(" (%s on %q)", o.Status.Phase, o.Spec.NodeName)
	}
	return ""
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// describeCall describes a call on one line.
func describeCall(call *schedulerpb.Call) string {
	text := call.Type.String()
	switch call.Type {
	case schedulerpb.Call_SUBSCRIBE:
		text += fmt.Sprintf(" as %q, suppressed %v", call.Subscribe.FrameworkInfo.GetID().GetValue(), call.Subscribe.SuppressedRoles)
	case schedulerpb.Call_ACCEPT:
		for _, op := range call.Accept.Operations {
			for _, task := range op.GetLaunch().GetTaskInfos() {
				text += fmt.Sprintf(" %s on %s", task.TaskID.Value, task.AgentID.Value)
			}
		}
	case schedulerpb.Call_KILL:
		text += " " + call.Kill.TaskID.Value
	case schedulerpb.Call_ACKNOWLEDGE:
		text += " " + call.Acknowledge.TaskID.Value
	case schedulerpb.Call_RECONCILE:
		for _, t := range call.Reconcile.Tasks {
			text += " " + t.TaskID.Value
		}
	}
	return text
}
