package conformance

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Options are the cluster, the credentials, the selection of checks, and their timeouts.
type Options struct {
	// Masters are host:port, http://host:port or https://host:port of all or some masters.
	Masters []string
	// Agents are addresses, host:port by the agent's host name, of agents that cannot be
	// reached at the address that the master returns.
	Agents map[string]string
	// Principal and Secret to authenticate with; empty for none.
	Principal, Secret string
	// TLS for https:// addresses; nil for the system's authorities.
	TLS *tls.Config
	// Role to get offers in. Default k8sm-conformance.
	Role string
	// User that tasks run as on the agents. Default root.
	User string
	// Patience is the maximum time to wait for an expected event. Default 30 s.
	Patience time.Duration
	// Quiet is the time without an event after which a check concludes that none comes. It
	// must be several times the master's allocation interval. Default 5 s.
	Quiet time.Duration
	// Disruptive allows checks that affect other users: an agent without tasks is drained
	// and reactivated, and maintenance is scheduled for it.
	Disruptive bool
	// Only runs the checks whose names match; nil for all.
	Only *regexp.Regexp
}

func (o Options) withDefaults() Options {
	if o.Role == "" {
		o.Role = "k8sm-conformance"
	}
	if o.User == "" {
		o.User = "root"
	}
	if o.Patience == 0 {
		o.Patience = 30 * time.Second
	}
	if o.Quiet == 0 {
		o.Quiet = 5 * time.Second
	}
	return o
}

// parseMasters reads the addresses of the masters.
func parseMasters(list []string) ([]*url.URL, error) {
	if len(list) == 0 {
		return nil, errors.New("no master is named")
	}
	out := make([]*url.URL, 0, len(list))
	for _, m := range list {
		address := m
		if !strings.Contains(address, "://") {
			address = "http://" + address
		}
		u, err := url.Parse(address)
		if err != nil {
			return nil, fmt.Errorf("reading master %q: %w", m, err)
		}
		if (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.Port() == "" {
			return nil, fmt.Errorf("reading master %q: want host:port, http://host:port or https://host:port", m)
		}
		out = append(out, &url.URL{Scheme: u.Scheme, Host: u.Host})
	}
	return out, nil
}
