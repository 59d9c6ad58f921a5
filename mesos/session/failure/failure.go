// Package failure says why there is no stream with a master, and what a person can do about it:
// from the error of a request, or from the response to it. It sends nothing, and does not know
// which masters there are. mesos/session asks it about everything that went wrong.
package failure

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/k8sm/k8sm/mesos/recordio"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// Failure is why there is no stream: the reason and the message of a State.
type Failure struct {
	Reason  scheduler.StateReason
	Message string
}

// Error implements error.
func (f *Failure) Error() string { return f.Message }

// New returns a failure with a formatted message.
func New(reason scheduler.StateReason, format string, args ...any) *Failure {
	return &Failure{reason, fmt.Sprintf(format, args...)}
}

// withAdvice joins what another program wrote with a sentence of ours. Others end their texts
// with a full stop or not.
func withAdvice(text, advice string) string {
	if advice == "" {
		return text
	}
	return strings.TrimRight(text, ". ") + ". " + advice
}

// reasons are the reasons of a failure. The more specific ones come later: when several
// masters fail in several ways, the most specific reason is reported.
var reasons = []scheduler.StateReason{
	scheduler.Connecting, scheduler.NotLeading, scheduler.MasterUnreachable, scheduler.NoLeader,
	scheduler.NotAMesosMaster, scheduler.ProtocolError, scheduler.TooManyRedirects, scheduler.ConnectionClosed,
	scheduler.MasterCertificateInvalid, scheduler.ClientCertificateRefused, scheduler.Refused, scheduler.Unauthorized,
}

// IsMoreSpecificThan reports whether the reason says more than another failure's.
func (f *Failure) IsMoreSpecificThan(o *Failure) bool {
	return slices.Index(reasons, f.Reason) > slices.Index(reasons, o.Reason)
}

// Of returns the failure in an error. Any other error means that a master could not be
// reached, unless the stream is malformed.
func Of(err error) *Failure {
	var f *Failure
	var request *RequestError
	var plain *url.Error
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &request):
		return request.failure()
	case errors.As(err, &plain):
		return &Failure{scheduler.MasterUnreachable, err.Error()}
	case errors.Is(err, recordio.ErrMalformed):
		return &Failure{scheduler.ProtocolError, err.Error()}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &Failure{scheduler.MasterUnreachable, "the stream broke off: " + err.Error()}
	case errors.Is(err, io.EOF):
		return &Failure{scheduler.MasterUnreachable, "the master closed the stream"}
	}
	return &Failure{scheduler.MasterUnreachable, err.Error()}
}
