package session

import (
	"context"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/k8sm/k8sm/mesos/scheduler"
	"github.com/k8sm/k8sm/mesos/session/failure"
)

const (
	schedulerPath = "/api/v1/scheduler"
	// attemptTimeout bounds the time until one master, with its redirects, answers SUBSCRIBE.
	attemptTimeout = 30 * time.Second
)

// subscribe tries the masters one after the other, each with its redirects, until one accepts
// the subscription. If none does, it returns the most specific failure with the messages of
// all.
func (st *stream) subscribe(call *scheduler.Call) (*http.Response, error) {
	s, ctx := st.s, st.ctx
	if err := s.gate().check(ctx); err != nil {
		return nil, err // a standby must not connect to masters
	}
	masters, err := s.candidates(ctx)
	if err != nil {
		return nil, err
	}
	var worst *failure.Failure
	var messages []string
	for i, m := range masters {
		st.setHost(m.Host)
		res, err := s.subscribeAt(ctx, m, call)
		if err == nil {
			s.masters = slices.Concat([]*url.URL{m}, masters[:i], masters[i+1:])
			return res, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		f := failure.Of(err)
		if f.Reason == scheduler.NotLeading {
			return nil, f
		}
		if worst == nil || f.IsMoreSpecificThan(worst) {
			worst = f
		}
		messages = append(messages, f.Message)
	}
	return nil, &failure.Failure{Reason: worst.Reason, Message: strings.Join(messages, "; ")}
}

func (s *Session) gate() subscribeGate { return s.cfg.MaySubscribe }

func (s *Session) subscribeAt(ctx context.Context, master *url.URL, call *scheduler.Call) (*http.Response, error) {
	// The context of the request lasts as long as the stream, so that the timeout of the
	// attempt cancels it by a timer.
	ctx, cancel := context.WithCancelCause(ctx)
	timeout := time.AfterFunc(attemptTimeout, func() {
		cancel(failure.New(scheduler.MasterUnreachable, "%s takes longer than %s to answer", master.Host, attemptTimeout))
	})
	defer timeout.Stop()
	res, err := s.client.post(ctx, master.JoinPath(schedulerPath), outboundCall{message: call, gate: s.gate()})
	if err == nil {
		err = checkStreamResponse(res)
		if err == nil {
			return res, nil
		}
		drainAndClose(res)
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	cancel(nil)
	return nil, err
}

// checkStreamResponse returns a failure if a response is not a stream of events.
func checkStreamResponse(res *http.Response) error {
	if res.StatusCode != http.StatusOK {
		return failure.OfResponse(res)
	}
	if t, _, err := mime.ParseMediaType(res.Header.Get("Content-Type")); err != nil || t != mediaType {
		return failure.New(scheduler.NotAMesosMaster, "%s answers SUBSCRIBE with %q, not with a stream of events",
			res.Request.URL.Host, res.Header.Get("Content-Type"))
	}
	return nil
}
