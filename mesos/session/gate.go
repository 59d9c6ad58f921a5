package session

import (
	"context"
	"io"
	"net/http"

	"github.com/k8sm/k8sm/mesos/scheduler"
	"github.com/k8sm/k8sm/mesos/session/failure"
)

// subscribeGate decides whether this process may subscribe: Config.MaySubscribe, or nil for
// always.
type subscribeGate func(ctx context.Context) error

func (g subscribeGate) check(ctx context.Context) error {
	if g == nil {
		return nil
	}
	if err := g(ctx); err != nil {
		return failure.New(scheduler.NotLeading, "not subscribing: %v", err)
	}
	return nil
}

// attach makes a request check the gate when the connection is open and the body is about to
// be written. Nothing that may take long comes after that.
func (g subscribeGate) attach(req *http.Request) {
	if g == nil {
		return
	}
	newBody := req.GetBody
	req.GetBody = func() (io.ReadCloser, error) {
		body, err := newBody()
		return &gatedBody{ReadCloser: body, check: func() error { return g.check(req.Context()) }}, err
	}
	req.Body, _ = req.GetBody() // the body is a buffer, for which GetBody never fails
}

// gatedBody is a body that checks the gate before its first byte is read. The check's error
// becomes the error of the request: the header is not flushed before, and a master does
// nothing with a header whose body never comes.
type gatedBody struct {
	io.ReadCloser
	check   func() error
	checked bool
}

func (b *gatedBody) Read(p []byte) (int, error) {
	if !b.checked {
		if err := b.check(); err != nil {
			return 0, err
		}
		b.checked = true
	}
	return b.ReadCloser.Read(p)
}
