package session

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/k8sm/k8sm/mesos/recordio"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// failure is why there is no stream, in the words of a State.
type failure struct {
	reason  scheduler.StateReason
	message string
}

func (f *failure) Error() string { return f.message }

func failuref(reason scheduler.StateReason, format string, args ...any) *failure {
	return &failure{reason, fmt.Sprintf(format, args...)}
}

// specificity orders reasons by how much they tell, for when masters fail in several ways.
func (f *failure) specificity() int {
	switch f.reason {
	case scheduler.Unauthorized:
		return 7
	case scheduler.Refused:
		return 6
	case scheduler.TooManyRedirects:
		return 5
	case scheduler.ProtocolError:
		return 4
	case scheduler.NotAMesosMaster:
		return 3
	case scheduler.NoLeader:
		return 2
	}
	return 1
}

// toFailure takes any error for a master that could not be reached, unless it knows
// better.
func toFailure(err error) *failure {
	var f *failure
	var request *url.Error
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &request): // it names the master, which may be one that another redirected to
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

// maxBodyExcerpt is how much of an error's body is read.
const maxBodyExcerpt = 4 << 10

// bodyExcerpt is the beginning of a body, on one line.
func bodyExcerpt(res *http.Response) string {
	b, _ := io.ReadAll(io.LimitReader(res.Body, maxBodyExcerpt)) // what could be read is all there is to say
	s := strings.Join(strings.Fields(string(b)), " ")
	if len(s) > 200 {
		s = s[:200] + "…"
	}
	if s == "" {
		return http.StatusText(res.StatusCode)
	}
	return s
}

// responseFailure of a SUBSCRIBE, by status.
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
