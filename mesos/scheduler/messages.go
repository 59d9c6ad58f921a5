package scheduler

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"

	"github.com/k8sm/k8sm/mesos/placement"
)

// capabilities that we live up to.
var capabilities = []mesos.FrameworkInfo_Capability{
	{Type: mesos.FrameworkInfo_Capability_MULTI_ROLE},
	{Type: mesos.FrameworkInfo_Capability_PARTITION_AWARE},
	{Type: mesos.FrameworkInfo_Capability_RESERVATION_REFINEMENT},
	{Type: mesos.FrameworkInfo_Capability_REGION_AWARE},
	{Type: mesos.FrameworkInfo_Capability_TASK_KILLING_STATE},
}

func optional[T comparable](x T) *T {
	var zero T
	if x == zero {
		return nil
	}
	return &x
}

func (c *Core) subscribeCall() *Call {
	call := calls.Subscribe(c.frameworkInfo())
	if c.info.ID != "" {
		calls.SubscribeTo(c.info.ID)(call)
	}
	call.Subscribe.SuppressedRoles = c.suppressedRoles()
	return &Call{Call: call, constraints: c.said.constraints}
}

func (c *Core) updateCall(t terms) *Call {
	return &Call{
		Call: &schedulerpb.Call{Type: schedulerpb.Call_UPDATE_FRAMEWORK, UpdateFramework: &schedulerpb.Call_UpdateFramework{
			FrameworkInfo: *c.frameworkInfo(), SuppressedRoles: c.suppressedRoles(),
		}},
		constraints: t.constraints,
	}
}

// suppressedRoles go with every call that says as what we are registered: what it does
// not repeat is forgotten.
func (c *Core) suppressedRoles() []string {
	var out []string
	for _, name := range c.info.Roles {
		if c.roles[name].suppressed {
			out = append(out, name)
		}
	}
	return out
}

func (c *Core) frameworkInfo() *mesos.FrameworkInfo {
	i := c.info
	timeout, checkpoint := i.FailoverTimeout.Seconds(), true
	if timeout <= 0 {
		timeout = (7 * 24 * time.Hour).Seconds() // Mesos' own default kills all tasks at a disconnect
	}
	info := &mesos.FrameworkInfo{
		User:            i.User,
		Name:            i.Name,
		FailoverTimeout: &timeout,
		Checkpoint:      &checkpoint,
		Roles:           i.Roles,
		Hostname:        optional(i.Hostname),
		Principal:       optional(i.Principal),
		WebUiURL:        optional(i.WebUIURL),
		Capabilities:    capabilities,
	}
	if i.ID != "" {
		info.ID = &mesos.FrameworkID{Value: i.ID}
	}
	return info
}

// taskInfo makes a task with an executor of its own, both with the intent's ID.
func (c *Core) taskInfo(in *intent) (mesos.TaskInfo, error) {
	p := &in.payload
	overhead, rest, err := placement.SplitResources(in.resources, p.Overhead)
	if err != nil {
		return mesos.TaskInfo{}, fmt.Errorf("dividing the resources between executor and task: %w", err)
	}
	grace := &mesos.DurationInfo{Nanoseconds: p.KillGrace.Nanoseconds()}
	uris := make([]mesos.CommandInfo_URI, len(p.URIs))
	for i, u := range p.URIs {
		extract := false
		uris[i] = mesos.CommandInfo_URI{Value: u.Value, Executable: &u.Executable, Extract: &extract}
	}
	shell := true
	return mesos.TaskInfo{
		Name:      p.Name,
		TaskID:    mesos.TaskID{Value: in.TaskID},
		AgentID:   mesos.AgentID{Value: in.AgentID},
		Resources: rest,
		Data:      p.Data,
		Labels:    labelsOf(p.Labels),
		KillPolicy: &mesos.KillPolicy{
			GracePeriod: grace,
		},
		Executor: &mesos.ExecutorInfo{
			Type:                mesos.ExecutorInfo_CUSTOM,
			ExecutorID:          mesos.ExecutorID{Value: in.TaskID},
			FrameworkID:         &mesos.FrameworkID{Value: c.info.ID},
			Name:                optional(p.Name),
			Command:             &mesos.CommandInfo{Shell: &shell, Value: &p.Command, URIs: uris},
			Resources:           overhead,
			ShutdownGracePeriod: grace,
		},
	}, nil
}

func labelsOf(m map[string]string) *mesos.Labels {
	if len(m) == 0 {
		return nil
	}
	ls := &mesos.Labels{}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		v := m[k]
		ls.Labels = append(ls.Labels, mesos.Label{Key: k, Value: &v})
	}
	return ls
}

func acceptCall(offerIDs []string, infos []mesos.TaskInfo, refuse time.Duration) *schedulerpb.Call {
	// Not calls.Accept: it takes the offers' order from a map.
	call := &schedulerpb.Call{Type: schedulerpb.Call_ACCEPT, Accept: &schedulerpb.Call_Accept{
		OfferIDs:   offerIDsOf(offerIDs),
		Operations: []mesos.Offer_Operation{calls.OpLaunch(infos...)},
	}}
	calls.RefuseSeconds(refuse)(call)
	return call
}

func declineCall(offerIDs []string, refuse time.Duration) *schedulerpb.Call {
	call := calls.Decline(offerIDsOf(offerIDs)...)
	calls.RefuseSeconds(refuse)(call)
	return call
}

func offerIDsOf(ids []string) []mesos.OfferID {
	out := make([]mesos.OfferID, len(ids))
	for i, id := range ids {
		out[i].Value = id
	}
	return out
}

// reconcileCall asks for tasks in the order given. (calls.ReconcileTasks takes a map.)
func reconcileCall(ts []*task) *schedulerpb.Call {
	r := &schedulerpb.Call_Reconcile{}
	for _, t := range ts {
		rt := schedulerpb.Call_Reconcile_Task{TaskID: mesos.TaskID{Value: t.id}}
		if t.agentID != "" {
			rt.AgentID = &mesos.AgentID{Value: t.agentID}
		}
		r.Tasks = append(r.Tasks, rt)
	}
	return &schedulerpb.Call{Type: schedulerpb.Call_RECONCILE, Reconcile: r}
}

// statusOf reads a status. What was not sent is empty: the library's getters would
// answer with the first value of an enumeration.
func statusOf(s *mesos.TaskStatus) TaskStatus {
	st := TaskStatus{
		TaskID:  s.TaskID.Value,
		AgentID: s.GetAgentID().GetValue(),
		Message: s.GetMessage(),
		UUID:    s.UUID,
		Data:    s.Data,
	}
	if s.State != nil {
		st.State = TaskState(s.State.String())
	}
	if s.Reason != nil {
		st.Reason = s.Reason.String()
	}
	if s.Source != nil {
		st.Source = s.Source.String()
	}
	if t := s.GetTimestamp(); t > 0 && t < timestampMost {
		sec, frac := math.Modf(t)
		st.Time = time.Unix(int64(sec), int64(frac*1e9)).UTC()
	}
	return st
}

// timestampMost is the end of the year 9999: what lies beyond is nonsense, and cannot be
// written.
const timestampMost = 253402300800
