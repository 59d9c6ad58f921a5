package failure

import (
	"io"
	"net/http"
	"strings"

	"github.com/k8sm/k8sm/mesos/scheduler"
)

// MaxBody is the number of bytes that are read of a response that is an error.
const MaxBody = 4 << 10

// maxExcerpt is the number of bytes of such a response that a message shows.
const maxExcerpt = 200

// Excerpt returns the beginning of a response's body as one line. Without a body it returns
// the name of the status.
func Excerpt(res *http.Response) string {
	b, _ := io.ReadAll(io.LimitReader(res.Body, MaxBody)) // what could be read is shown
	text := strings.ToValidUTF8(string(b), "\uFFFD")      // the API server accepts no other in a condition
	s := strings.Join(strings.Fields(text), " ")
	if len(s) > maxExcerpt {
		s = strings.ToValidUTF8(s[:maxExcerpt], "") + "…" // the cut may be within a character
	}
	if s == "" {
		return http.StatusText(res.StatusCode)
	}
	return s
}

// OfResponse returns what the status of a response means for the subscription.
func OfResponse(res *http.Response) *Failure {
	url, text := res.Request.URL, Excerpt(res)
	switch res.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		f := Unauthorized(url.Host, res.StatusCode, text)
		f.Message = withAdvice(f.Message, unauthorizedAdvice(res))
		return f
	case http.StatusServiceUnavailable:
		return New(scheduler.NoLeader, "%s: %s", url.Host, text)
	case http.StatusBadRequest:
		return New(scheduler.Refused, "%s refuses the subscription: %s", url.Host, text)
	case http.StatusBadGateway, http.StatusGatewayTimeout, http.StatusInternalServerError:
		return New(scheduler.MasterUnreachable, "%s answers %d %s", url.Host, res.StatusCode, text)
	}
	return New(scheduler.NotAMesosMaster, "%s answers %d to %s: %s", url.Host, res.StatusCode, url.Path, text)
}

// unauthorizedAdvice says what a person can do about a 401 or a 403.
func unauthorizedAdvice(res *http.Response) string {
	switch {
	case res.StatusCode == http.StatusForbidden:
		return "The master knows the principal and forbids it the call: compare the master's ACLs with it"
	case res.Request.Header.Get("Authorization") == "":
		return "None were sent: set spec.credentials"
	}
	return "Compare the secret that spec.credentials names with the credentials that the masters know"
}

// Unauthorized returns the failure of a master that refuses credentials.
func Unauthorized(host string, status int, text string) *Failure {
	return New(scheduler.Unauthorized, "%s refuses the credentials: %d %s", host, status, text)
}
