package detector

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// scripted starts a session with a server that answers each request with given packets. A
// request without an answer left closes the connection.
func scripted(t *testing.T, answers ...[]packet) *zkSession {
	t.Helper()
	local, remote := net.Pipe()
	s := newSession(t.Context())
	readerDone := s.start(local)
	go func() {
		defer remote.Close()
		for _, packets := range answers {
			if _, err := readPacket(remote); err != nil {
				return
			}
			for _, p := range packets {
				if _, err := remote.Write(p.bytes()); err != nil {
					return
				}
			}
		}
		_, _ = readPacket(remote)
	}()
	t.Cleanup(func() {
		s.deadline.Stop()
		s.close(nil)
		<-readerDone
	})
	return s
}

func answer(xid, code int32) packet { return newPacket().int(xid).long(0).int(code) }

func TestCallReadsTheAnswerToItsRequest(t *testing.T) {
	for name, tc := range map[string]struct {
		packets []packet
		changed bool
		err     string
	}{
		"an answer":                    {packets: []packet{answer(1, 0)}},
		"a ping's answer before it":    {packets: []packet{answer(xidPing, 0), answer(1, 0)}},
		"a watch's event before it":    {packets: []packet{answer(xidNotification, 0), answer(1, 0)}, changed: true},
		"an error":                     {packets: []packet{answer(1, int32(errNoAuth))}, err: errNoAuth.Error()},
		"an answer to no request":      {packets: []packet{answer(5, 0)}, err: "an answer to request 5, which was not made"},
		"a packet without a header":    {packets: []packet{newPacket().int(1)}, err: "16 bytes are due, and 4 are left"},
		"the end of the connection":    {err: "it closed the connection"},
		"nothing but answers to pings": {packets: []packet{answer(xidPing, 0), answer(xidPing, 0)}, err: "it closed the connection"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				script := [][]packet{tc.packets}
				if tc.packets == nil {
					script = nil
				}
				s := scripted(t, script...)
				if strings.HasPrefix(name, "nothing but") {
					time.AfterFunc(time.Second, func() { _ = s.send(requestPacket(xidPing, opPing)) })
				}
				_, err := s.call(opGetData, "/a", false)
				if err != nil {
					err = s.causeOf(err)
				}
				if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
					t.Errorf("the error is %v, want %q", err, tc.err)
				}
				if s.changed != tc.changed {
					t.Errorf("a change was noted: %v", s.changed)
				}
			})
		})
	}
}

func TestServerWithoutASession(t *testing.T) {
	for name, tc := range map[string]struct {
		answer packet
		err    string
	}{
		"a session":               {newPacket().int(0).int(10_000).long(1), ""},
		"a session that is over":  {newPacket().int(0).int(0).long(0), "it gives us no session"},
		"an answer without one":   {newPacket().int(0), "it gives us no session"},
		"an answer without bytes": {newPacket(), "malformed answer"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				err := scripted(t, []packet{tc.answer}).connect("")
				if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
					t.Errorf("the error is %v, want %q", err, tc.err)
				}
			})
		})
	}
}

// The error must name the deadline, and not the connection that it closed.
func TestTimeoutErrorNamesTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scripted(t, nil) // one request is read, and not answered
		begin := time.Now()
		_, err := s.call(opGetData, "/a", false)
		if got := s.causeOf(err); got == nil || got.Error() != "no answer for 10s" {
			t.Errorf("the cause is %v", got)
		}
		if took := time.Since(begin); took != sessionTimeout {
			t.Errorf("it took %s", took)
		}
	})
}

func TestSessionEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		local, remote := net.Pipe()
		defer remote.Close()
		s := newSession(ctx)
		defer s.deadline.Stop()
		readerDone := s.start(local)
		cancel()
		if _, err := s.receive(); err == nil {
			t.Error("a packet was received")
		}
		<-readerDone
		if got := s.causeOf(errors.New("any")); !errors.Is(got, context.Canceled) {
			t.Errorf("the cause is %v", got)
		}
	})
}
