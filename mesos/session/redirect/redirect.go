// Package redirect decides whether a call to a master follows a redirect, and where to. It sends
// nothing. mesos/session asks it about each redirect of a call.
package redirect

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/k8sm/k8sm/mesos/scheduler"
	"github.com/k8sm/k8sm/mesos/session/failure"
)

// MaxHops is the maximum number of redirects that one call follows. Usually there is one, from
// a master that does not lead to the one that does.
const MaxHops = 5

// maxQuote is the number of bytes of an address that a message shows: a server may redirect to
// an address of any length.
const maxQuote = 200

// Policy decides for one call. The zero value is for a call without credentials.
type Policy struct {
	// WithCredentials: the call has an Authorization header.
	WithCredentials bool
	// HasOwnCA: certificates are checked with authorities that were configured for these
	// masters, so that no other server has a certificate that is accepted.
	HasOwnCA bool
	// Masters are the hosts (host:port) that the configuration names.
	Masters []string

	visited []string // hosts that redirected
}

// Follow returns the address that a response redirects to, or a failure when the redirect may
// not be followed. Masters name an address without a scheme, and a path that ends in
// /api/v1/scheduler, perhaps behind a prefix. Both are taken as they are.
//
// No redirect leaves TLS. Who can answer in place of a master without TLS would read all
// calls, with the bootstrap tokens in them, and could launch what it likes.
func (p *Policy) Follow(res *http.Response) (*url.URL, error) {
	from := res.Request.URL
	p.visited = append(p.visited, from.Host)
	location := res.Header.Get("Location")
	to, err := from.Parse(location)
	if err != nil || location == "" || to.Host == "" || (to.Scheme != "http" && to.Scheme != "https") {
		return nil, failure.New(scheduler.NotAMesosMaster, "%s redirects to %.*q", from.Host, maxQuote, location)
	}
	to.User = nil // a server must not choose the credentials
	if to.Path == "" || to.Path == "/" {
		to.Path = from.Path
	}
	switch {
	case from.Scheme == "https" && to.Scheme == "http":
		return nil, failure.New(scheduler.ProtocolError,
			"%s redirects to %.*s without TLS, which is not followed: enable TLS on all masters", from.Host, maxQuote, to.Host)
	case p.WithCredentials && to.Scheme == "https" && !p.isTrusted(from, to):
		return nil, failure.New(scheduler.ProtocolError,
			"%s redirects to %.*s, to which the credentials do not follow: any server can have a certificate that the system's authorities signed. "+
				`Add it to spec.masters, or set spec.tls with the masters' own authority in the key "ca.crt" of its secret`, from.Host, maxQuote, to.Host)
	case len(p.visited) > MaxHops || slices.Contains(p.visited, to.Host):
		return nil, failure.New(scheduler.TooManyRedirects, "redirected in circles: %s → %.*s", strings.Join(p.visited, " → "), maxQuote, to.Host)
	}
	return to, nil
}

// isTrusted reports whether a server that answers with a valid certificate may have the
// credentials.
func (p *Policy) isTrusted(from, to *url.URL) bool {
	return p.HasOwnCA || slices.Contains(p.Masters, to.Host) || isSameDomain(from.Hostname(), to.Hostname())
}

// isSameDomain reports whether two host names differ in their first label at most.
func isSameDomain(a, b string) bool {
	if strings.EqualFold(a, b) {
		return true
	}
	if net.ParseIP(a) != nil || net.ParseIP(b) != nil {
		return false
	}
	_, domainA, _ := strings.Cut(a, ".")
	_, domainB, _ := strings.Cut(b, ".")
	return strings.Contains(domainA, ".") && strings.EqualFold(domainA, domainB)
}

// Is reports whether a status is a redirect.
func Is(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}
