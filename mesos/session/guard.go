package session

import (
	"context"
	"io"
	"net/http"

	"github.com/k8sm/k8sm/mesos/scheduler"
)

// subscribeGate says whether we may subscribe: Config.MaySubscribe, or nil for always.
type subscribeGate func(ctx context.Context) error

func (g subscribeGate) ask(ctx context.Context) error {
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
func (g subscribeGate) stand(req *http.Request) {
	if g == nil {
		return
	}
	fresh := req.GetBody
	req.GetBody = func() (io.ReadCloser, error) {
		body, err := fresh()
		return &gatedBody{ReadCloser: body, ask: func() error { return g.ask(req.Context()) }}, err
	}
	req.Body, _ = req.GetBody() // a buffer's does not fail
}

// gatedBody is a body that asks before it is read. Its error is the request's: what was
// not flushed is not sent, and a head without its body does nothing.
type gatedBody struct {
	io.ReadCloser
	ask   func() error
	asked bool
}

func (b *gatedBody) Read(p []byte) (int, error) {
	if !b.asked {
		if err := b.ask(); err != nil {
			return 0, err
		}
		b.asked = true
	}
	return b.ReadCloser.Read(p)
}
