package session

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/k8sm/k8sm/mesos/detector"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

const (
	schedulerPath = "/api/v1/scheduler"
	operatorPath  = "/api/v1"
	// maxRedirects is how many redirects are followed: one to the leader is the rule.
	maxRedirects = 5
)

// parseMasters reads the list of masters, or where they register.
func parseMasters(list []string) ([]*url.URL, *detector.Ensemble, error) {
	if i := slices.IndexFunc(list, isZooKeeperURL); i >= 0 {
		if len(list) > 1 {
			return nil, nil, errors.New("an address that begins with zk:// stands alone: ZooKeeper tells the masters")
		}
		e, err := detector.Parse(list[i])
		if err != nil {
			return nil, nil, fmt.Errorf("reading the address of ZooKeeper: %w", err)
		}
		return nil, &e, nil
	}
	masters, err := parseMasterList(list)
	return masters, nil, err
}

func isZooKeeperURL(m string) bool { return strings.HasPrefix(m, detector.Scheme) }

func parseMasterList(list []string) ([]*url.URL, error) {
	if len(list) == 0 {
		return nil, errors.New("no master is named")
	}
	out := make([]*url.URL, 0, len(list))
	for _, m := range list {
		u, err := parseMaster(m)
		if err != nil {
			return nil, fmt.Errorf("reading master %q: %w", m, err)
		}
		out = append(out, u)
	}
	return out, nil
}

func parseMaster(m string) (*url.URL, error) {
	if !strings.Contains(m, "://") {
		m = "http://" + m
	}
	u, err := url.Parse(m)
	switch {
	case err != nil:
		return nil, err
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("scheme %s is none of http, https and zk", u.Scheme)
	case u.Hostname() == "" || u.Port() == "":
		return nil, errors.New("want host:port")
	case u.User != nil:
		return nil, errors.New("credentials do not belong into an address")
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

// redirectPolicy follows redirects from one master, in bounds.
type redirectPolicy struct {
	seen    []string
	secrets bool // an Authorization header goes along
}

// next is where a redirect leads. Masters give an address without a scheme, and one
// that ends in /api/v1/scheduler behind a prefix; both are theirs to choose.
func (it *redirectPolicy) next(res *http.Response) (*url.URL, error) {
	from := res.Request.URL
	it.seen = append(it.seen, from.Host)
	location := res.Header.Get("Location")
	to, err := from.Parse(location)
	if err != nil || location == "" || to.Host == "" || (to.Scheme != "http" && to.Scheme != "https") {
		return nil, failuref(scheduler.NotAMesosMaster, "%s redirects to %q", from.Host, location)
	}
	to.User = nil // credentials are ours to choose
	if to.Path == "" || to.Path == "/" {
		to.Path = from.Path
	}
	if it.secrets && from.Scheme == "https" && to.Scheme == "http" {
		return nil, failuref(scheduler.ProtocolError, "%s redirects to %s without TLS: the credentials do not follow", from.Host, to.Host)
	}
	if len(it.seen) > maxRedirects || slices.Contains(it.seen, to.Host) {
		return nil, failuref(scheduler.TooManyRedirects, "redirected in circles: %s → %s", strings.Join(it.seen, " → "), to.Host)
	}
	return to, nil
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}
