package failure

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/k8sm/k8sm/mesos/recordio"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// A failure's reason becomes a State's reason, so it must be in the list of StateReasons.
func TestFailureReasonsAreStateReasons(t *testing.T) {
	t.Parallel()
	for _, reason := range reasons {
		if !slices.Contains(scheduler.StateReasons(), reason) {
			t.Errorf("%s is no reason of a state", reason)
		}
	}
}

func TestMoreSpecificReasonsWin(t *testing.T) {
	t.Parallel()
	failureOf := func(r scheduler.StateReason) *Failure { return &Failure{Reason: r} }
	for _, pair := range [][2]scheduler.StateReason{
		{scheduler.Unauthorized, scheduler.Refused},
		{scheduler.ClientCertificateRefused, scheduler.MasterCertificateInvalid},
		{scheduler.MasterCertificateInvalid, scheduler.ConnectionClosed},
		{scheduler.ConnectionClosed, scheduler.MasterUnreachable},
		{scheduler.Refused, scheduler.TooManyRedirects},
		{scheduler.TooManyRedirects, scheduler.ProtocolError},
		{scheduler.ProtocolError, scheduler.NotAMesosMaster},
		{scheduler.NotAMesosMaster, scheduler.NoLeader},
		{scheduler.NoLeader, scheduler.MasterUnreachable},
	} {
		if !failureOf(pair[0]).IsMoreSpecificThan(failureOf(pair[1])) || failureOf(pair[1]).IsMoreSpecificThan(failureOf(pair[0])) {
			t.Errorf("%s is not more specific than %s", pair[0], pair[1])
		}
	}
	if failureOf(scheduler.NoLeader).IsMoreSpecificThan(failureOf(scheduler.NoLeader)) {
		t.Error("a reason is more specific than itself")
	}
}

func TestToFailure(t *testing.T) {
	t.Parallel()
	inner := New(scheduler.Refused, "no")
	for name, tc := range map[string]struct {
		err     error
		reason  scheduler.StateReason
		message string
	}{
		"a failure":                 {inner, scheduler.Refused, "no"},
		"a failure that is wrapped": {fmt.Errorf("subscribing: %w", inner), scheduler.Refused, "no"},
		"a failure in a request":    {&url.Error{Op: "Post", URL: "http://m:5050", Err: inner}, scheduler.Refused, "no"},
		"a request":                 {&url.Error{Op: "Post", URL: "http://m:5050", Err: io.EOF}, scheduler.MasterUnreachable, `Post "http://m:5050": EOF`},
		"a malformed stream":        {fmt.Errorf("%w: x", recordio.ErrMalformed), scheduler.ProtocolError, "malformed stream: x"},
		"a stream that broke off":   {fmt.Errorf("reading: %w", io.ErrUnexpectedEOF), scheduler.MasterUnreachable, "the stream broke off: reading: unexpected EOF"},
		"a stream that ended":       {io.EOF, scheduler.MasterUnreachable, "the master closed the stream"},
		"any other error":           {errors.New("no route to host"), scheduler.MasterUnreachable, "no route to host"},
	} {
		if f := Of(tc.err); f.Reason != tc.reason || f.Message != tc.message {
			t.Errorf("%s: got %s, %q", name, f.Reason, f.Message)
		}
	}
}

func TestBodyExcerpt(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ body, want string }{
		"a line":                       {"No leader elected", "No leader elected"},
		"several lines":                {"<html>\n\t<h1>404</h1>\r\n", "<html> <h1>404</h1>"},
		"nothing":                      {"", "Service Unavailable"},
		"only white space":             {" \n", "Service Unavailable"},
		"too long":                     {strings.Repeat("x", 300), strings.Repeat("x", 200) + "…"},
		"a text of the maximum length": {strings.Repeat("x", 200), strings.Repeat("x", 200)},
		"cut within a character":       {strings.Repeat("x", 199) + "€€", strings.Repeat("x", 199) + "…"},
		"cut after a character":        {strings.Repeat("x", 197) + "€€", strings.Repeat("x", 197) + "€…"},
		"bytes that are not UTF-8":     {"\xff\xfe!", "\uFFFD!"},
	} {
		res := &http.Response{StatusCode: http.StatusServiceUnavailable, Body: io.NopCloser(strings.NewReader(tc.body))}
		got := Excerpt(res)
		if got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
		if !utf8.ValidString(got) {
			t.Errorf("%s: %q is not valid UTF-8, which a condition's message has to be", name, got)
		}
	}
}
