package session

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/k8sm/k8sm/mesos/scheduler"
)

// maxRedirects is the maximum number of redirects that one request follows. Usually there is
// one, from a master that does not lead to the one that does.
const maxRedirects = 5

// redirectPolicy decides whether a request follows a redirect, and where to.
type redirectPolicy struct {
	visited         []string // hosts that redirected
	withCredentials bool     // the request has an Authorization header
}

// follow returns the address that a response redirects to, or a failure when the redirect
// may not be followed. Masters name an address without a scheme, and a path that ends in
// /api/v1/scheduler, perhaps behind a prefix. Both are taken as they are.
func (p *redirectPolicy) follow(res *http.Response) (*url.URL, error) {
	from := res.Request.URL
	p.visited = append(p.visited, from.Host)
	location := res.Header.Get("Location")
	to, err := from.Parse(location)
	if err != nil || location == "" || to.Host == "" || (to.Scheme != "http" && to.Scheme != "https") {
		return nil, failuref(scheduler.NotAMesosMaster, "%s redirects to %q", from.Host, location)
	}
	to.User = nil // a server must not choose the credentials
	if to.Path == "" || to.Path == "/" {
		to.Path = from.Path
	}
	if p.withCredentials && from.Scheme == "https" && to.Scheme == "http" {
		return nil, failuref(scheduler.ProtocolError, "%s redirects to %s without TLS: the credentials do not follow", from.Host, to.Host)
	}
	if len(p.visited) > maxRedirects || slices.Contains(p.visited, to.Host) {
		return nil, failuref(scheduler.TooManyRedirects, "redirected in circles: %s → %s", strings.Join(p.visited, " → "), to.Host)
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
