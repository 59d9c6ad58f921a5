package session

import (
	"context"
	"io"
	"net/http"

	"github.com/k8sm/k8sm/mesos/scheduler"
)

// guard says whether we may subscribe: Config.MaySubscribe, or nil for always.
type guard func(ctx context.Context) error

func (g guard) ask(ctx context.Context) error {
	if g == nil {
		return nil
	}
	if err := g(ctx); err != nil {
		return failuref(scheduler.NotLeading, "not subscribing: %v", err)
	}
	return nil
}

// stand has the guard asked when the connection is there and the body is about to be
// written, which is after the last thing that may take long.
func (g guard) stand(req *http.Request) {
	if g == nil {
		return
	}
	fresh := req.GetBody
	req.GetBody = func() (io.ReadCloser, error) {
		body, err := fresh()
		return &guarded{ReadCloser: body, ask: func() error { return g.ask(req.Context()) }}, err
	}
	req.Body, _ = req.GetBody() // a buffer's does not fail
}

// guarded is a body that asks before it is read. Its error is the request's: what was
// not flushed is not sent, and a head without its body does nothing.
type guarded struct {
	io.ReadCloser
	ask   func() error
	asked bool
}

func (b *guarded) Read(p []byte) (int, error) {
	if !b.asked {
		if err := b.ask(); err != nil {
			return 0, err
		}
		b.asked = true
	}
	return b.ReadCloser.Read(p)
}
