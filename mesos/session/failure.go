package session

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/k8sm/k8sm/mesos/recordio"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// failure is why there is no stream: the reason and the message of a State.
type failure struct {
	reason  scheduler.StateReason
	message string
}

func (f *failure) Error() string { return f.message }

func failuref(reason scheduler.StateReason, format string, args ...any) *failure {
	return &failure{reason, fmt.Sprintf(format, args...)}
}

// failureReasons are the reasons of a failure. The more specific ones come later: when
// several masters fail in several ways, the most specific reason is reported.
var failureReasons = []scheduler.StateReason{
	scheduler.Connecting, scheduler.NotLeading, scheduler.MasterUnreachable, scheduler.NoLeader,
	scheduler.NotAMesosMaster, scheduler.ProtocolError, scheduler.TooManyRedirects, scheduler.Refused, scheduler.Unauthorized,
}

func (f *failure) isMoreSpecificThan(o *failure) bool {
	return slices.Index(failureReasons, f.reason) > slices.Index(failureReasons, o.reason)
}

// toFailure returns the failure in an error. Any other error means that a master could not
// be reached, unless the stream is malformed.
func toFailure(err error) *failure {
	var f *failure
	var request *url.Error
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &request): // it names the master, to which another may have redirected
		return &failure{scheduler.MasterUnreachable, err.Error()}
	case errors.Is(err, recordio.ErrMalformed):
		return &failure{scheduler.ProtocolError, err.Error()}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &failure{scheduler.MasterUnreachable, "the stream broke off: " + err.Error()}
	case errors.Is(err, io.EOF):
		return &failure{scheduler.MasterUnreachable, "the master closed the stream"}
	}
	return &failure{scheduler.MasterUnreachable, err.Error()}
}

// maxErrorBody is the number of bytes that are read of a response that is an error.
const maxErrorBody = 4 << 10

// maxExcerpt is the number of bytes of such a response that a message shows.
const maxExcerpt = 200

// bodyExcerpt returns the beginning of a body as one line. Without a body it returns the
// name of the status.
func bodyExcerpt(res *http.Response) string {
	b, _ := io.ReadAll(io.LimitReader(res.Body, maxErrorBody)) // what could be read is shown
	text := strings.ToValidUTF8(string(b), "\uFFFD")           // the API server accepts no other in a condition
	s := strings.Join(strings.Fields(text), " ")
	if len(s) > maxExcerpt {
		s = strings.ToValidUTF8(s[:maxExcerpt], "") + "…" // the cut may be within a character
	}
	if s == "" {
		return http.StatusText(res.StatusCode)
	}
	return s
}

// responseFailure returns what the status of a response means for the subscription.
func responseFailure(res *http.Response) *failure {
	url, text := res.Request.URL, bodyExcerpt(res)
	switch res.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return failuref(scheduler.Unauthorized, "%s refuses the credentials: %d %s", url.Host, res.StatusCode, text)
	case http.StatusServiceUnavailable:
		return failuref(scheduler.NoLeader, "%s: %s", url.Host, text)
	case http.StatusBadRequest:
		return failuref(scheduler.Refused, "%s refuses the subscription: %s", url.Host, text)
	case http.StatusBadGateway, http.StatusGatewayTimeout, http.StatusInternalServerError:
		return failuref(scheduler.MasterUnreachable, "%s answers %d %s", url.Host, res.StatusCode, text)
	}
	return failuref(scheduler.NotAMesosMaster, "%s answers %d to %s: %s", url.Host, res.StatusCode, url.Path, text)
}
