package conformance

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

var masterChecks = []check{
	{"master/version", "GET_VERSION returns version 1.9 or later.", nil, checkVersion},
	{"master/redirect", "A master that does not lead answers 307 with an address that has no scheme and ends in the path asked for, or 503.", []int{1, 2}, checkRedirect},
	{"master/unauthenticated", "A call without credentials, where they are needed, is answered 401.", []int{13}, checkUnauthenticated},
}

func checkVersion(p *probe) (string, error) {
	_, a, err := p.transport.leader(p.ctx, p.masters)
	if err != nil {
		return "", err
	}
	version := versionIn(a.body)
	if !atLeast(version, 1, 9) {
		return "", fmt.Errorf("GET_VERSION was answered %s", a)
	}
	return version, nil
}

// atLeast compares a version, 1.11.0 or 1.11.0-0.7.0.
func atLeast(version string, major, minor int) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return false
	}
	a, err1 := strconv.Atoi(parts[0])
	b, err2 := strconv.Atoi(parts[1])
	return err1 == nil && err2 == nil && (a > major || a == major && b >= minor)
}

func checkRedirect(p *probe) (string, error) {
	var seen []string
	for _, m := range p.masters {
		// For a leader this is a malformed call. Other masters do not read the body.
		a, err := p.transport.ask(p.ctx, request{to: m.JoinPath(schedulerPath), body: "{}"})
		if err != nil {
			return "", err
		}
		switch location := a.header.Get("Location"); {
		case a.status == http.StatusBadRequest: // leads
		case a.status == http.StatusServiceUnavailable:
			seen = append(seen, m.Host+": "+a.String())
		case a.status != http.StatusTemporaryRedirect:
			return "", fmt.Errorf("%s answers %s", m.Host, a)
		case !strings.HasPrefix(location, "//") || !strings.HasSuffix(location, schedulerPath):
			return "", fmt.Errorf("%s redirects to %q", m.Host, location)
		default:
			seen = append(seen, m.Host+" → "+location)
		}
	}
	if len(seen) == 0 {
		return "", skipf("only the leading master was named: name another one, too")
	}
	return strings.Join(seen, ", "), nil
}

func checkUnauthenticated(p *probe) (string, error) {
	if p.Principal == "" {
		return "", skipf("no credentials were given")
	}
	leader, _, err := p.transport.leader(p.ctx, p.masters)
	if err != nil {
		return "", err
	}
	// A malformed call has no effect if the master accepts anonymous calls.
	a, err := p.transport.ask(p.ctx, request{to: leader.JoinPath(schedulerPath), body: "{}", anonymous: true})
	switch {
	case err != nil:
		return "", err
	case a.status == http.StatusBadRequest:
		return "", skipf("the master accepts frameworks that do not authenticate")
	case a.status != http.StatusUnauthorized:
		return "", fmt.Errorf("it was answered %s", a)
	}
	return a.String(), nil
}
