package mesostest

import (
	"fmt"
	"slices"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/codec"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/mesoserror"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/naming"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/resource"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/taskcheck"
)

// offerAcceptance is an ACCEPT that is being executed: one agent's offers of one role, and what
// of them is left.
type offerAcceptance struct {
	framework *framework
	agent     *Agent
	role      string
	left      resource.Quantities
}

// accept executes the operations of an ACCEPT on its offers. One invalid offer
// spoils all: no task is launched, and the valid ones are void, too.
func (f *framework) accept(call *schedulerpb.Call_Accept) {
	offers, err := f.findOffers(call.OfferIDs)
	if err != nil {
		for _, o := range offers {
			o.recover()
		}
		f.dropTasks(call.Operations, mesos.REASON_INVALID_OFFERS, "Task launched with invalid offers: "+err.Error())
		for i := range call.Operations {
			if op := &call.Operations[i]; tasksOf(op) == nil {
				f.refuseOperation(op, "Operation attempted with invalid offers: "+err.Error())
			}
		}
		return
	}
	if len(offers) == 0 {
		return
	}
	a := &offerAcceptance{framework: f, agent: offers[0].agent, role: offers[0].role, left: resource.QuantitiesOf()}
	for _, o := range offers {
		o.withdraw()
		a.left.Add(o.resources)
	}
	for i := range call.Operations {
		a.operate(&call.Operations[i])
	}
	a.agent.record.free.Add(a.left)
	f.addFilter(a.agent, a.role, a.left, call.Filters)
}

// findOffers returns the offers that are there, even with an error.
func (f *framework) findOffers(ids []mesos.OfferID) (offers []*offer, err error) {
	fail := func(format string, args ...any) {
		if err == nil {
			err = fmt.Errorf(format, args...)
		}
	}
	for _, id := range ids {
		o, ok := f.offers[id.Value]
		switch {
		case !ok:
			fail("Offer %s is no longer valid", id.Value)
			continue
		case slices.Contains(offers, o):
			fail("Duplicate offer %s in offer list", id.Value)
			continue
		case len(offers) > 0 && o.agent != offers[0].agent:
			fail("Aggregated offers must belong to one single agent. Offer %s uses agent %s and agent %s",
				id.Value, o.agent.record.id, offers[0].agent.record.id)
		case len(offers) > 0 && o.role != offers[0].role:
			fail("Aggregated offers must be allocated to the same role. Offer %s uses role '%s' but another is using role '%s'",
				id.Value, o.role, offers[0].role)
		}
		offers = append(offers, o)
	}
	return offers, err
}

// tasksOf lists the tasks of an operation.
func tasksOf(op *mesos.Offer_Operation) []mesos.TaskInfo {
	switch op.Type {
	case mesos.Offer_Operation_LAUNCH:
		if op.Launch != nil {
			return op.Launch.TaskInfos
		}
	case mesos.Offer_Operation_LAUNCH_GROUP:
		if op.LaunchGroup != nil {
			return op.LaunchGroup.TaskGroup.Tasks
		}
	}
	return nil
}

// dropTasks sends TASK_DROPPED for tasks that never started.
func (f *framework) dropTasks(operations []mesos.Offer_Operation, reason mesos.TaskStatus_Reason, message string) {
	for i := range operations {
		for _, t := range tasksOf(&operations[i]) {
			f.sendNotice(refusal(&t, mesos.TASK_DROPPED, reason, message))
		}
	}
}

// refusal is a notice about a task that is not launched.
func refusal(t *mesos.TaskInfo, state mesos.TaskState, reason mesos.TaskStatus_Reason, message string) notice {
	return notice{taskID: t.TaskID.Value, agentID: &t.AgentID, state: state, reason: reason, message: message}
}

// operate executes an operation of an ACCEPT.
func (a *offerAcceptance) operate(op *mesos.Offer_Operation) {
	tasks := tasksOf(op)
	if tasks == nil {
		a.convertOffered(op)
		return
	}
	if op.ID != nil {
		for i := range tasks {
			a.framework.sendNotice(refusal(&tasks[i], mesos.TASK_ERROR, mesos.REASON_TASK_INVALID,
				fmt.Sprintf("The `id` field cannot be set on %s operations", op.Type)))
		}
		return
	}
	if err := validateResources(op); err != nil {
		a.refuseTasks(op, err)
		return
	}
	for i := range tasks {
		fillAllocation(tasks[i].Resources, a.role)
		if tasks[i].Executor != nil {
			a.fillExecutor(tasks[i].Executor)
		}
	}
	if op.Type == mesos.Offer_Operation_LAUNCH_GROUP && op.LaunchGroup != nil {
		a.launchGroup(op.LaunchGroup)
		return
	}
	for i := range tasks {
		if err := a.validateTask(&tasks[i]); err != nil {
			a.framework.sendNotice(refusal(&tasks[i], mesos.TASK_ERROR, mesos.REASON_TASK_INVALID, err.Error()))
			continue
		}
		a.launch(tasks[i:i+1], false)
	}
}

// validateResources checks the form of all resources of a launch.
func validateResources(op *mesos.Offer_Operation) error {
	if op.LaunchGroup != nil {
		if err := taskcheck.Resources(op.LaunchGroup.Executor.Resources); err != nil {
			return err
		}
	}
	tasks := tasksOf(op)
	for i := range tasks {
		if err := taskcheck.Resources(tasks[i].Resources); err != nil {
			return err
		}
		if err := taskcheck.Resources(tasks[i].Executor.GetResources()); err != nil {
			return err
		}
	}
	return nil
}

// refuseTasks sends TASK_ERROR for all tasks of a launch.
func (a *offerAcceptance) refuseTasks(op *mesos.Offer_Operation, err error) {
	reason := mesos.REASON_TASK_INVALID
	if op.Type == mesos.Offer_Operation_LAUNCH_GROUP {
		reason = mesos.REASON_TASK_GROUP_INVALID
	}
	tasks := tasksOf(op)
	for i := range tasks {
		a.framework.sendNotice(refusal(&tasks[i], mesos.TASK_ERROR, reason, err.Error()))
	}
}

// launchGroup launches all tasks of a group, or none.
func (a *offerAcceptance) launchGroup(group *mesos.Offer_Operation_LaunchGroup) {
	a.fillExecutor(&group.Executor)
	tasks := group.TaskGroup.Tasks
	err := a.validateGroup(group)
	for i := range tasks {
		if err != nil {
			a.framework.sendNotice(refusal(&tasks[i], mesos.TASK_ERROR, mesos.REASON_TASK_GROUP_INVALID, err.Error()))
			continue
		}
		tasks[i].Executor = &group.Executor
	}
	if err == nil {
		a.launch(tasks, true)
	}
}

func (a *offerAcceptance) fillExecutor(x *mesos.ExecutorInfo) {
	fillAllocation(x.Resources, a.role)
	if x.FrameworkID == nil {
		x.FrameworkID = &mesos.FrameworkID{Value: a.framework.id}
	}
	if x.Type == mesos.ExecutorInfo_UNKNOWN {
		x.Type = mesos.ExecutorInfo_CUSTOM
	}
	fillCommand(x.Command)
}

// fillCommand sets the defaults that a master hands on.
func fillCommand(c *mesos.CommandInfo) {
	if c == nil {
		return
	}
	if c.Shell == nil {
		shell := true
		c.Shell = &shell
	}
	if c.Environment != nil {
		for i := range c.Environment.Variables {
			if v := &c.Environment.Variables[i]; v.Type == nil {
				v.Type = mesos.Environment_Variable_VALUE.Enum()
			}
		}
	}
}

func fillAllocation(resources []mesos.Resource, role string) {
	for i := range resources {
		if resources[i].AllocationInfo == nil {
			resources[i].AllocationInfo = &mesos.Resource_AllocationInfo{Role: &role}
		}
	}
}

// launch hands valid tasks of one executor to the agent.
func (a *offerAcceptance) launch(infos []mesos.TaskInfo, group bool) {
	f, agent := a.framework, a.agent
	for _, info := range infos {
		need := resource.QuantitiesOf(info.Resources...)
		if x := info.Executor; x != nil && agent.record.executorUsage(f.id, x.ExecutorID.Value) == nil {
			own := resource.QuantitiesOf(x.Resources...)
			agent.record.addExecutor(f.id, x, a.role, own)
			a.left.Subtract(own)
			f.allocate(a.role, own)
		}
		a.left.Subtract(need)
		f.allocate(a.role, need)
		f.addTask(agent, info, a.role, need)
	}
	framework := f.info
	agent.deliver(func() { agent.run(framework, infos, group) })
}

// validateTask makes the checks of Mesos in their order, with its error messages.
func (a *offerAcceptance) validateTask(t *mesos.TaskInfo) error {
	if err := a.validateTaskFields(t); err != nil {
		return err
	}
	if (t.Command == nil) == (t.Executor == nil) {
		return mesoserror.Errorf("Task should have at least one (but not both) of CommandInfo or ExecutorInfo present")
	}
	required := slices.Clone(t.Resources)
	if t.Executor != nil {
		if err := a.validateExecutor(t.Executor); err != nil {
			return err
		}
		if err := taskcheck.LaunchExecutor(t.Executor); err != nil {
			return err
		}
		if a.agent.record.executorUsage(a.framework.id, t.Executor.ExecutorID.Value) == nil {
			required = append(required, t.Executor.Resources...)
		}
	}
	if err := taskcheck.TaskWithExecutor(t); err != nil {
		return err
	}
	if err := a.validateUsage(required, "task and its executor is"); err != nil {
		return err
	}
	return taskcheck.NotNested(t)
}

// validateTaskFields checks a task without its executor.
func (a *offerAcceptance) validateTaskFields(t *mesos.TaskInfo) error {
	id := t.TaskID.Value
	if err := naming.ValidateID(id); err != nil {
		return err
	}
	if _, ok := a.framework.tasks[id]; ok {
		return mesoserror.Errorf("Task has duplicate ID: %s", id)
	}
	if _, ok := a.framework.unreachable[id]; ok {
		return mesoserror.Errorf("Task reuses the ID of an unreachable task: %s", id)
	}
	if t.AgentID.Value != a.agent.record.id {
		return mesoserror.Errorf("Task uses invalid agent %s while agent %s is expected", t.AgentID.Value, a.agent.record.id)
	}
	return taskcheck.Task(t)
}

// validateExecutor checks an executor. Each ExecutorInfo of one ID must be the same.
func (a *offerAcceptance) validateExecutor(x *mesos.ExecutorInfo) error {
	if err := taskcheck.Executor(x); err != nil {
		return err
	}
	if x.FrameworkID.Value != a.framework.id {
		return mesoserror.Errorf("ExecutorInfo has an invalid FrameworkID (Actual: %s vs Expected: %s)", x.FrameworkID.Value, a.framework.id)
	}
	if err := taskcheck.ExecutorResources(x); err != nil {
		return err
	}
	if known := a.agent.record.executorUsage(a.framework.id, x.ExecutorID.Value); known != nil && !known.info.Equal(x) {
		const line = "------------------------------------------------------------"
		was, _ := codec.EncodeJSON(known.info)
		is, _ := codec.EncodeJSON(x)
		return mesoserror.Errorf("ExecutorInfo is not compatible with existing ExecutorInfo with same ExecutorID.\n%s\n"+
			"Existing ExecutorInfo:\n%s\n%s\nExecutorInfo:\n%s\n", line, was, line, is)
	}
	return nil
}

// validateUsage checks that resources are offered, to the same role. The subject of its error
// includes the verb.
func (a *offerAcceptance) validateUsage(required []mesos.Resource, subject string) error {
	fits := a.left.Contains(resource.QuantitiesOf(required...))
	for _, r := range required {
		fits = fits && r.AllocationInfo.GetRole() == a.role
	}
	if !fits {
		return mesoserror.Errorf("Total resources %s required by %s more than available %s",
			resource.Describe(required), subject, resource.Describe(a.left.Messages(a.role, false)))
	}
	return nil
}

func (a *offerAcceptance) validateGroup(group *mesos.Offer_Operation_LaunchGroup) error {
	x := &group.Executor
	for i := range group.TaskGroup.Tasks {
		t := &group.TaskGroup.Tasks[i]
		err := a.validateTaskFields(t)
		if err == nil {
			err = taskcheck.Nested(t)
		}
		if err != nil {
			return mesoserror.Errorf("Task '%s' is invalid: %v", t.TaskID.Value, err)
		}
	}
	if err := a.validateExecutor(x); err != nil {
		return err
	}
	if err := taskcheck.GroupExecutor(x, group.TaskGroup.Tasks); err != nil {
		return err
	}
	var required []mesos.Resource
	if a.agent.record.executorUsage(a.framework.id, x.ExecutorID.Value) == nil {
		required = slices.Clone(x.Resources)
	}
	for i := range group.TaskGroup.Tasks {
		required = append(required, group.TaskGroup.Tasks[i].Resources...)
	}
	if err := a.validateUsage(required, "task group and its executor are"); err != nil {
		return err
	}
	return taskcheck.GroupCgroups(x, group.TaskGroup.Tasks)
}
