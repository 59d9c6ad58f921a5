package conformance

import (
	"fmt"
	"net/http"
	"net/url"
)

// What k8sm does without, at the price that others can do what it does.
var accessChecks = []check{
	{"access/frameworks", "The master refuses frameworks without credentials.", nil, checkAnonymousFrameworks},
	{"access/operators", "The master refuses calls of the operator API without credentials.", nil, checkAnonymousOperators},
	{"access/executors", "Agents refuse executors without credentials.", nil, checkAnonymousExecutors},
}

// expectRefused sends what is no call, without credentials. Flag is the flag of Mesos that
// has it refused.
func (p *probe) expectRefused(to *url.URL, flag string) (string, error) {
	a, err := p.transport.ask(p.ctx, request{to: to, body: "{}", anonymous: true})
	switch {
	case err != nil:
		return "", err
	case a.status == http.StatusUnauthorized || a.status == http.StatusForbidden:
		return a.String(), nil
	case a.status == http.StatusBadRequest:
		return "", warnError(fmt.Sprintf("%s serves them: whoever reaches it can take over nodes and read their tokens; set %s, see docs/security.md", to.Host, flag))
	}
	return "", skipf("%s answered %s", to.Host, a)
}

func checkAnonymousFrameworks(p *probe) (string, error) {
	leader, _, err := p.transport.leader(p.ctx, p.masters)
	if err != nil {
		return "", err
	}
	return p.expectRefused(leader.JoinPath(schedulerPath), "--authenticate_http_frameworks")
}

func checkAnonymousOperators(p *probe) (string, error) {
	leader, _, err := p.transport.leader(p.ctx, p.masters)
	if err != nil {
		return "", err
	}
	return p.expectRefused(leader.JoinPath(operatorPath), "--authenticate_http_readwrite")
}

func checkAnonymousExecutors(p *probe) (string, error) {
	agent, err := p.reachableAgent()
	if err != nil {
		return "", err
	}
	return p.expectRefused(agent.JoinPath(executorPath), "--authenticate_http_executors, with --jwt_secret_key,")
}
