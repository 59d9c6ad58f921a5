package conformance

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

var agentChecks = []check{
	{"agents/capacity", "GET_AGENTS returns each agent's ID, host name and total resources.", []int{36}, checkCapacity},
}

// agentInfo is an agent in the answer to GET_AGENTS.
type agentInfo struct {
	Info struct {
		ID       *id    `json:"id"`
		Hostname string `json:"hostname"`
		Port     int    `json:"port"`
	} `json:"agent_info"`
	PID       string     `json:"pid"`
	Active    bool       `json:"active"`
	Resources []resource `json:"total_resources"`
	Drain     struct {
		State string `json:"state"`
	} `json:"drain_info"`
}

func (p *probe) agents() ([]agentInfo, error) {
	body, err := p.operatorRead(object{"type": "GET_AGENTS"})
	if err != nil {
		return nil, err
	}
	var got struct {
		GetAgents struct {
			Agents []agentInfo `json:"agents"`
		} `json:"get_agents"`
	}
	if err := json.Unmarshal(body, &got); err != nil {
		return nil, fmt.Errorf("reading GET_AGENTS: %w", err)
	}
	return got.GetAgents.Agents, nil
}

func checkCapacity(p *probe) (string, error) {
	agents, err := p.agents()
	if err != nil {
		return "", err
	}
	if len(agents) == 0 {
		return "", skipf("GET_AGENTS shows no agents: no right to view them?")
	}
	for _, a := range agents {
		if a.Info.ID == nil || a.Info.Hostname == "" || len(a.Resources) == 0 {
			return "", fmt.Errorf("of an agent it returns only %+v", a)
		}
	}
	return fmt.Sprintf("%d agents", len(agents)), nil
}

// address returns the URL of an agent's HTTP API.
func (p *probe) address(a agentInfo) *url.URL {
	scheme := p.masters[0].Scheme
	if address, ok := p.Agents[a.Info.Hostname]; ok {
		return &url.URL{Scheme: scheme, Host: address}
	}
	_, address, _ := strings.Cut(a.PID, "@")
	return &url.URL{Scheme: scheme, Host: address}
}

// reachableAgent returns the URL of an agent whose HTTP API can be reached from here.
func (p *probe) reachableAgent() (*url.URL, error) {
	agents, err := p.agents()
	if err != nil {
		return nil, err
	}
	const most = 5
	var errs []error
	for _, a := range agents[:min(most, len(agents))] {
		to := p.address(a)
		if _, err := p.transport.ask(p.ctx, request{to: to.JoinPath(operatorPath), body: object{"type": "GET_HEALTH"}}); err != nil {
			errs = append(errs, err)
			continue
		}
		return to, nil
	}
	return nil, skipf("no agent can be reached from here: %v", errors.Join(errs...))
}
