package mesostest

import (
	"net/http"
	"slices"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/master"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/frameworkinfo"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/httpapi"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/mesoserror"
)

// operatorDecisions of an agent is what an operator decided of it. The master keeps it
// in its registry, apart from what it sees of the agent itself.
type operatorDecisions struct {
	deactivated  bool
	draining     *mesos.DrainInfo // nil unless draining or drained
	drainStarted time.Time
}

// NoMaxGrace is a Drain that leaves tasks the grace periods that they have.
const NoMaxGrace time.Duration = -1

// Drain is the operator's DRAIN_AGENT: offers of the agent stop and its tasks are
// killed, with a grace of maxGrace at most. The agent is drained when their last
// updates are acknowledged, and then, with markGone, gone. It takes no task before
// its last executor has ended, even after Reactivate.
func (a *Agent) Drain(maxGrace time.Duration, markGone bool) {
	config := mesos.DrainConfig{MarkGone: &markGone}
	if maxGrace >= 0 {
		config.MaxGracePeriod = &mesos.DurationInfo{Nanoseconds: maxGrace.Nanoseconds()}
	}
	a.cluster.mu.Lock()
	defer a.cluster.mu.Unlock()
	a.record.drain(config)
}

// Deactivate is the operator's DEACTIVATE_AGENT: offers of the agent stop, its tasks
// run on.
func (a *Agent) Deactivate() {
	a.cluster.mu.Lock()
	defer a.cluster.mu.Unlock()
	a.record.deactivate()
}

// Reactivate is the operator's REACTIVATE_AGENT: it ends Deactivate, and Drain when
// the agent is drained. An agent that is neither is an error.
func (a *Agent) Reactivate() error {
	a.cluster.mu.Lock()
	defer a.cluster.mu.Unlock()
	return a.record.reactivate()
}

// Drained reports whether a Drain of the agent has come to its end.
func (a *Agent) Drained() bool {
	a.cluster.mu.Lock()
	defer a.cluster.mu.Unlock()
	return a.record.draining != nil && a.record.draining.State == mesos.DrainState_DRAINED
}

func (r *agentRecord) drain(config mesos.DrainConfig) {
	r.draining = &mesos.DrainInfo{State: mesos.DrainState_DRAINING, Config: config}
	r.deactivate()
	if r.state == agentUnreachable || r.state == agentRemoved {
		return // it is drained when it returns
	}
	r.drainStarted = r.cluster.options.Now()
	r.agent.deliver(func() { r.agent.drain(config) })
	r.checkDrained()
}

func (r *agentRecord) deactivate() {
	r.deactivated = true
	for _, o := range valuesByKey(r.offers) {
		o.rescind()
	}
	r.rescindInverseOffers()
}

func (r *agentRecord) reactivate() error {
	if !r.deactivated {
		return mesoserror.Errorf("Agent is not deactivated")
	}
	if r.draining != nil && r.draining.State == mesos.DrainState_DRAINING {
		return mesoserror.Errorf("Agent is still in the DRAINING state")
	}
	r.operatorDecisions = operatorDecisions{}
	return nil
}

// checkDrained ends a drain when the agent has no task any more of which the master
// knows, with or without an executor.
func (r *agentRecord) checkDrained() {
	present := r.state == agentActive || r.state == agentDisconnected
	if !present || r.draining == nil || r.draining.State == mesos.DrainState_DRAINED || len(r.tasks) > 0 {
		return
	}
	if r.draining.Config.GetMarkGone() {
		r.markGone()
		return
	}
	r.draining.State = mesos.DrainState_DRAINED
}

// resumeDrain sends a drain, whether it has ended or not, to an agent that is back: the
// agent may not know of it.
func (r *agentRecord) resumeDrain() {
	if r.draining == nil {
		return
	}
	config := r.draining.Config
	r.agent.deliver(func() { r.agent.drain(config) })
	r.checkDrained()
}

// drain makes the agent itself kill all tasks and take none. With nothing to drain
// it is done already.
func (a *Agent) drain(config mesos.DrainConfig) {
	if len(a.frameworks) == 0 {
		return
	}
	a.drainConfig = &config
	for _, f := range a.sortedFrameworks() {
		for _, x := range f.sortedExecutors() {
			for _, t := range slices.Clone(x.tasks) {
				a.kill(f.id, t.id(), gracePolicy(&config, t.info.KillPolicy))
			}
		}
	}
}

// gracePolicy is the kill policy to override a task's own with, if it allows more.
func gracePolicy(config *mesos.DrainConfig, own *mesos.KillPolicy) *mesos.KillPolicy {
	limit := config.MaxGracePeriod
	if limit == nil {
		return nil
	}
	if grace := own.GetGracePeriod(); grace != nil && grace.Nanoseconds <= limit.Nanoseconds {
		return nil
	}
	return &mesos.KillPolicy{GracePeriod: limit}
}

// checkDrained ends the agent's own drain when nothing is left on it, be it an executor
// without tasks.
func (a *Agent) checkDrained() {
	if len(a.frameworks) == 0 {
		a.drainConfig = nil
	}
}

// dropTasksWhileDraining refuses tasks that came though the agent drains.
func (f *agentFramework) dropTasksWhileDraining(tasks []*agentTask) {
	first := &tasks[0].info
	id := executorIDOf(first)
	refused := &executorState{agent: f.agent, framework: f, info: mesos.ExecutorInfo{ExecutorID: mesos.ExecutorID{Value: id}}}
	for _, t := range tasks {
		t.executor = refused
		t.end(mesos.TASK_DROPPED, mesos.REASON_AGENT_DRAINING, "Task was received while agent was already draining")
	}
	if first.Executor != nil && f.executors[id] == nil {
		f.agent.report(func() { f.agent.record.executorExited(f.id, id, -1) })
	}
}

// setDrainReason gives the drain as the reason for the end of a task that is killed. On an
// agent that is to be marked gone the task is gone, too.
func (f *agentFramework) setDrainReason(status *mesos.TaskStatus) {
	if state := status.GetState(); f.agent.drainConfig == nil || state != mesos.TASK_KILLING && state != mesos.TASK_KILLED {
		return
	}
	status.Reason = mesos.REASON_AGENT_DRAINING.Enum()
	if f.agent.drainConfig.GetMarkGone() && frameworkinfo.HasCapability(&f.info, mesos.FrameworkInfo_Capability_PARTITION_AWARE) {
		status.State = mesos.TASK_GONE_BY_OPERATOR.Enum()
	}
}

// administer answers operators' calls that change agents or their machines, if it is
// such a call.
func (m *Master) administer(w http.ResponseWriter, call *master.Call) bool {
	m.lockAsLeader()
	defer m.mu.Unlock()
	var err error
	switch call.Type {
	case master.Call_DRAIN_AGENT, master.Call_DEACTIVATE_AGENT, master.Call_REACTIVATE_AGENT:
		err = m.administerAgent(call)
	case master.Call_UPDATE_MAINTENANCE_SCHEDULE:
		err = m.maintenance.setSchedule(call.UpdateMaintenanceSchedule.Schedule)
	case master.Call_START_MAINTENANCE:
		err = m.maintenance.start(call.StartMaintenance.Machines)
	case master.Call_STOP_MAINTENANCE:
		err = m.maintenance.stop(call.StopMaintenance.Machines)
	case master.Call_UPDATE_QUOTA:
		err = m.quota.update(call.UpdateQuota)
	case master.Call_UPDATE_WEIGHTS:
		err = m.quota.updateWeights(call.UpdateWeights.WeightInfos)
	default:
		return false
	}
	if err != nil {
		httpapi.Refuse(w, http.StatusBadRequest, "%v", err)
	}
	return true
}

func (m *Master) administerAgent(call *master.Call) error {
	a, known := m.agentsByID[agentOf(call)]
	switch {
	case !known && call.Type == master.Call_REACTIVATE_AGENT:
		return mesoserror.Errorf("Agent is not deactivated")
	case !known:
		return mesoserror.Errorf("Unknown agent")
	case call.Type == master.Call_DEACTIVATE_AGENT:
		a.record.deactivate()
		return nil
	case call.Type == master.Call_REACTIVATE_AGENT:
		return a.record.reactivate()
	}
	if err := a.record.checkNotScheduled(); err != nil {
		return err
	}
	markGone := call.DrainAgent.GetMarkGone()
	config := mesos.DrainConfig{MarkGone: &markGone}
	// It is a google.protobuf.Duration: of {"nanoseconds": n}, which looks like Mesos'
	// own DurationInfo, nothing is taken, and no grace is left.
	if d := call.DrainAgent.MaxGracePeriod; d != nil {
		config.MaxGracePeriod = &mesos.DurationInfo{Nanoseconds: d.Seconds*int64(time.Second) + int64(d.Nanos)}
	}
	a.record.drain(config)
	return nil
}
