package conformance

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

var disruptionChecks = []check{
	{"agents/drain", "DRAIN_AGENT kills the agent's tasks, sets its state to DRAINED, and ends its offers until REACTIVATE_AGENT.", []int{43}, checkDrain},
	{"agents/maintenance", "A maintenance schedule appears as the unavailability of offers until it is removed.", []int{44}, checkMaintenance},
}

// operatorWrite makes a call of the operator API that changes the cluster. It must be
// answered by 200 or 202.
func (p *probe) operatorWrite(call object) error {
	leader, _, err := p.transport.leader(p.cluster.ctx, p.masters)
	if err != nil {
		return err
	}
	a, err := p.transport.ask(p.cluster.ctx, request{to: leader.JoinPath(operatorPath), body: call})
	switch {
	case err != nil:
		return err
	case a.status == http.StatusForbidden || a.status == http.StatusUnauthorized:
		return skipf("the operator API answers %s", a)
	case a.status != http.StatusOK && a.status != http.StatusAccepted:
		return fmt.Errorf("%s was answered %s", call["type"], a)
	}
	return nil
}

// idleOffer returns an offer of an agent without tasks and executors of any framework, and
// the framework that it was made to, which only this check uses.
func (p *probe) idleOffer() (f *schedulerClient, o offer, err error) {
	if !p.Disruptive {
		return nil, o, skipf("it affects other users of the cluster: it runs only with DISRUPTIVE=1")
	}
	busy, err := p.busyAgents()
	if err != nil {
		return nil, o, err
	}
	if f, err = p.framework(frameworkSpec{suppressed: true}); err != nil {
		return nil, o, err
	}
	o, err = f.offerOf(p, "an offer of an agent on which nothing runs", func(o *offer) bool {
		return !busy[o.AgentID] && fits(o, 1) && len(o.Unavailability) == 0
	})
	return f, o, err
}

// busyAgents returns the agents that run tasks or executors which this principal may view.
func (p *probe) busyAgents() (map[id]bool, error) {
	body, err := p.operatorRead(object{"type": "GET_STATE"})
	if err != nil {
		return nil, err
	}
	var got struct {
		GetState struct {
			GetTasks struct {
				Tasks []status `json:"tasks"`
			} `json:"get_tasks"`
			GetExecutors struct {
				Executors []struct {
					AgentID id `json:"agent_id"`
				} `json:"executors"`
			} `json:"get_executors"`
		} `json:"get_state"`
	}
	if err := json.Unmarshal(body, &got); err != nil {
		return nil, fmt.Errorf("reading GET_STATE: %w", err)
	}
	busy := map[id]bool{}
	for _, t := range got.GetState.GetTasks.Tasks {
		busy[*t.AgentID] = true
	}
	for _, x := range got.GetState.GetExecutors.Executors {
		busy[x.AgentID] = true
	}
	return busy, nil
}

func checkDrain(p *probe) (seen string, err error) {
	f, o, err := p.idleOffer()
	if err != nil {
		return "", err
	}
	task, info := f.taskOn(o, sleeper)
	if err := f.launch(p, info, o.ID); err != nil {
		return "", err
	}
	if _, err := f.awaitState(p, task, "TASK_RUNNING"); err != nil {
		return "", err
	}
	if err := p.operatorWrite(object{"type": "DRAIN_AGENT", "drain_agent": object{"agent_id": o.AgentID, "max_grace_period": object{"seconds": 5}}}); err != nil {
		return "", err
	}
	defer func() {
		err = errors.Join(err, p.operatorWrite(object{"type": "REACTIVATE_AGENT", "reactivate_agent": object{"agent_id": o.AgentID}}))
	}()
	st, err := f.awaitState(p, task, "TASK_KILLED")
	if err != nil {
		return "", err
	}
	if st.Reason != "REASON_AGENT_DRAINING" {
		return "", fmt.Errorf("the task is %s", st)
	}
	if err := p.poll("waiting for the agent to be DRAINED", func() (bool, error) { return p.drained(o.AgentID) }); err != nil {
		return "", err
	}
	if err := f.accepted(p.ctx, "REVIVE", nil); err != nil {
		return "", err
	}
	return o.Hostname, expectNone(p, f, "an offer of the drained agent", func() (string, bool) {
		i := slices.IndexFunc(f.held, func(n offer) bool { return n.AgentID == o.AgentID })
		if i < 0 {
			return "", false
		}
		return f.held[i].ID.Value, true
	})
}

func (p *probe) drained(agent id) (bool, error) {
	agents, err := p.agents()
	if err != nil {
		return false, err
	}
	i := slices.IndexFunc(agents, func(a agentInfo) bool { return a.Info.ID != nil && *a.Info.ID == agent })
	return i >= 0 && agents[i].Drain.State == "DRAINED", nil
}

// checkMaintenance schedules a window tomorrow for one agent. It is skipped if there is a
// schedule already, which it would replace.
func checkMaintenance(p *probe) (seen string, err error) {
	f, o, err := p.idleOffer()
	if err != nil {
		return "", err
	}
	body, err := p.operatorRead(object{"type": "GET_MAINTENANCE_SCHEDULE"})
	if err != nil {
		return "", err
	}
	if strings.Contains(string(body), `"windows"`) && !strings.Contains(string(body), `"windows":[]`) {
		return "", skipf("there is a maintenance schedule already")
	}
	if o.URL == nil {
		return "", errors.New("the offer has no url with the agent's IP address")
	}
	window := object{
		"machine_ids":    []object{{"hostname": o.Hostname, "ip": o.URL.Address.IP}},
		"unavailability": object{"start": object{"nanoseconds": time.Now().Add(24 * time.Hour).UnixNano()}},
	}
	if err := p.schedule(window); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, p.schedule()) }()
	if err := f.decline(p.ctx, 0, o.ID); err != nil {
		return "", err
	}
	_, err = await(p.ctx, f, p.Patience, "an offer of "+o.Hostname+" with unavailability", func() (int, bool) {
		return 0, slices.ContainsFunc(f.held, func(n offer) bool { return n.AgentID == o.AgentID && len(n.Unavailability) > 0 })
	})
	return o.Hostname, err
}

func (p *probe) schedule(windows ...object) error {
	if windows == nil {
		windows = []object{}
	}
	return p.operatorWrite(object{"type": "UPDATE_MAINTENANCE_SCHEDULE", "update_maintenance_schedule": object{"schedule": object{"windows": windows}}})
}
