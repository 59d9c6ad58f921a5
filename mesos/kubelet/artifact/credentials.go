package artifact

import (
	"net/http"

	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// Authorize has the cache send credentials to the server that they are for, and to no other. Nil
// sends none. It is called before the first Fetch.
func (c *Cache) Authorize(credentials *nodeapi.ServerCredentials) {
	if credentials != nil {
		c.Client.Transport = &authorizer{next: c.Client.Transport, credentials: credentials}
	}
}

// authorizer adds credentials to each request by its own URL. They are not in the request that
// the client sees, because the client would take them along to other servers: it follows
// redirects to another port of a host, and to hosts below it, with all headers.
type authorizer struct {
	next        http.RoundTripper
	credentials *nodeapi.ServerCredentials
}

func (a *authorizer) RoundTrip(request *http.Request) (*http.Response, error) {
	if a.credentials.Match(request.URL) {
		request = request.Clone(request.Context())
		request.Header.Set("Authorization", a.credentials.Authorization)
	}
	return a.next.RoundTrip(request)
}
