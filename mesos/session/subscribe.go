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
)

// attemptTimeout bounds what one master and its redirects may take to answer.
const attemptTimeout = 30 * time.Second

// subscribe asks the masters one after the other, each with its redirects, until one
// takes the subscription.
func (st *stream) subscribe(call *scheduler.Call) (*http.Response, error) {
	s, ctx := st.s, st.ctx
	if err := s.gate().ask(ctx); err != nil {
		return nil, err // before a standby knocks at every master
	}
	masters, err := s.candidates(ctx)
	if err != nil {
		return nil, err
	}
	var worst *failure
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
		f := toFailure(err)
		if f.reason == scheduler.NotLeading {
			return nil, f
		}
		if worst == nil || f.specificity() > worst.specificity() {
			worst = f
		}
		messages = append(messages, f.message)
	}
	return nil, &failure{worst.reason, strings.Join(messages, "; ")}
}

func (s *Session) gate() subscribeGate { return s.cfg.MaySubscribe }

func (s *Session) subscribeAt(ctx context.Context, master *url.URL, call *scheduler.Call) (*http.Response, error) {
	// The context lives as long as the stream; only the attempt is bounded.
	ctx, cancel := context.WithCancelCause(ctx)
	slow := time.AfterFunc(attemptTimeout, func() {
		cancel(failuref(scheduler.MasterUnreachable, "%s takes longer than %s to answer", master.Host, attemptTimeout))
	})
	defer slow.Stop()
	res, err := s.client.post(ctx, master.JoinPath(schedulerPath), outboundCall{message: call, guard: s.gate()})
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

// checkStreamResponse says whether an answer is a stream of events.
func checkStreamResponse(res *http.Response) error {
	if res.StatusCode != http.StatusOK {
		return responseFailure(res)
	}
	if t, _, err := mime.ParseMediaType(res.Header.Get("Content-Type")); err != nil || t != mediaType {
		return failuref(scheduler.NotAMesosMaster, "%s answers SUBSCRIBE with %q, not with a stream of events",
			res.Request.URL.Host, res.Header.Get("Content-Type"))
	}
	return nil
}
