package conformance

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

var secretChecks = []check{
	{"secrets/master", "None of the master's answers contains TaskInfo.data.", nil, checkMasterSecrets},
	{"secrets/agent", "None of the agent's answers contains TaskInfo.data.", nil, checkAgentSecrets},
}

// withSecret launches a task on an executor, with data and a label, and returns both in the
// form that an answer would contain. The label shows that an answer contains the task.
func (p *probe) withSecret() (secret, label string, o offer, err error) {
	f, err := p.shared()
	if err != nil {
		return "", "", o, err
	}
	plain, label := p.name()+"-secret", p.name()+"-label"
	secret = base64.StdEncoding.EncodeToString([]byte(plain))
	task, o, err := f.launchExecutor(p, sleeper, func(task object) {
		task["data"] = secret
		task["labels"] = object{"labels": []object{{"key": "k8sm-conformance", "value": label}}}
	})
	if err != nil {
		return "", "", o, err
	}
	// The agent has the task as soon as the master can reconcile it.
	return secret, label, o, p.poll("waiting for the master to know the task", func() (bool, error) {
		st, err := f.reconcileTask(p, task, o.AgentID.Value)
		return st.State == "TASK_STAGING", err
	})
}

// expectHidden makes the calls and returns an error if an answer contains the secret.
func (p *probe) expectHidden(at *url.URL, secret, label string, calls ...string) (string, error) {
	var shown, refused []string
	for _, call := range calls {
		a, err := p.transport.ask(p.ctx, request{to: at.JoinPath(operatorPath), body: object{"type": call}})
		switch {
		case err != nil:
			return "", err
		case a.status != http.StatusOK:
			refused = append(refused, fmt.Sprintf("%s (%d)", call, a.status))
		case strings.Contains(string(a.body), secret):
			return "", fmt.Errorf("%s shows the data of the task", call)
		case strings.Contains(string(a.body), label):
			shown = append(shown, call)
		}
	}
	if !slices.Contains(shown, "GET_TASKS") {
		return "", skipf("GET_TASKS does not show our own task; refused were: %s", strings.Join(refused, ", "))
	}
	return strings.Join(calls, ", "), nil
}

func checkMasterSecrets(p *probe) (string, error) {
	secret, label, _, err := p.withSecret()
	if err != nil {
		return "", err
	}
	leader, _, err := p.transport.leader(p.ctx, p.masters)
	if err != nil {
		return "", err
	}
	return p.expectHidden(leader, secret, label, "GET_TASKS", "GET_EXECUTORS", "GET_STATE")
}

func checkAgentSecrets(p *probe) (string, error) {
	secret, label, o, err := p.withSecret()
	if err != nil {
		return "", err
	}
	agents, err := p.agents()
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(agents, func(a agentInfo) bool { return a.Info.ID != nil && *a.Info.ID == o.AgentID })
	if i < 0 {
		return "", skipf("GET_AGENTS does not show %s: no right to view agents?", o.Hostname)
	}
	to := p.address(agents[i])
	if _, err := p.transport.ask(p.ctx, request{to: to.JoinPath(operatorPath), body: object{"type": "GET_HEALTH"}}); err != nil {
		return "", skipf("the agent cannot be reached from here: %v", err)
	}
	return p.expectHidden(to, secret, label, "GET_TASKS", "GET_EXECUTORS", "GET_STATE", "GET_CONTAINERS")
}
