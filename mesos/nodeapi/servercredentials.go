package nodeapi

import (
	"errors"
	"net/url"
	"strings"
)

// ServerCredentials are sent to one server, and to no other.
type ServerCredentials struct {
	// Server is scheme://host or scheme://host:port.
	Server string `json:"server"`
	// Authorization is the value of the HTTP header. Never log it.
	Authorization string `json:"authorization"`
	// Insecure permits to send the credentials without TLS.
	Insecure bool `json:"insecure,omitempty"`
}

// defaultPorts has the ports of URLs that name none.
var defaultPorts = map[string]string{"http": "80", "https": "443"}

// Match reports whether the credentials are for a URL: the server is the same, and has TLS unless
// that is not asked for.
func (c *ServerCredentials) Match(u *url.URL) bool {
	server, err := url.Parse(c.Server)
	if err != nil || u.Scheme != server.Scheme {
		return false
	}
	isPermitted := u.Scheme == "https" || u.Scheme == "http" && c.Insecure
	return isPermitted && strings.EqualFold(u.Hostname(), server.Hostname()) && portOf(u) == portOf(server)
}

func portOf(u *url.URL) string {
	if port := u.Port(); port != "" {
		return port
	}
	return defaultPorts[u.Scheme]
}

// validate returns errors that do not quote the credentials.
func (c *ServerCredentials) validate() error {
	if c == nil {
		return nil
	}
	u, err := url.Parse(c.Server)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Path != "" || !c.Match(u):
		return errors.New("mirrorCredentials name no server with TLS, nor one without that is permitted")
	case c.Authorization == "" || strings.ContainsFunc(c.Authorization, func(r rune) bool { return r < ' ' || r > '~' }):
		return errors.New("mirrorCredentials hold no value of an HTTP header")
	}
	return nil
}
