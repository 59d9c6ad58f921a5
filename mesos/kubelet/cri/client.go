// Package cri asks a container runtime the few questions that a node has which borrows
// the agent's own: whether it is fit for the purpose, which pods it has, and to remove
// those that a dead kubelet left.
//
// It speaks gRPC with what the standard library has, and knows of the messages what it
// needs: the executor stays small. It refuses to know whose a pod is; package kubelet does.
package cri

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// Client of one runtime.
type Client struct {
	socket string
	http   *http.Client
}

// Code is gRPC's, of an answer that is no success.
type Code string

// Unimplemented is the answer of what is not a runtime, or too old for the question.
const Unimplemented Code = "12"

// Error is a runtime's refusal.
type Error struct {
	Code    Code
	Message string
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("%s (gRPC code %s)", e.Message, e.Code) }

// New returns a client of the runtime at a socket. It connects when it is asked something.
func New(socket string) *Client {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	return &Client{socket: socket, http: &http.Client{Transport: &http.Transport{
		Protocols:         &protocols,
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}}
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 20

// frame is the length of what precedes a message.
const frame = 5

// call sends one request, and returns the one answer to it.
func (c *Client) call(ctx context.Context, method string, request []byte) ([]byte, error) {
	framed := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(request)))
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://runtime/runtime.v1.RuntimeService/"+method, bytes.NewReader(append(framed, request...)))
	if err != nil {
		return nil, fmt.Errorf("asking the container runtime for %s: %w", method, err)
	}
	r.Header.Set("Content-Type", "application/grpc")
	r.Header.Set("TE", "trailers")
	response, err := c.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("asking the container runtime at %s for %s: %w", c.socket, method, plain(err))
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err == nil {
		err = refusal(response)
	}
	if err == nil && (len(body) < frame || body[0] != 0 || int(binary.BigEndian.Uint32(body[1:])) != len(body)-frame) {
		err = errors.New("malformed answer")
	}
	if err != nil {
		return nil, fmt.Errorf("asking the container runtime at %s for %s: %w", c.socket, method, err)
	}
	return body[frame:], nil
}

// refusal is in the trailers, or among the headers of an answer without a message.
func refusal(r *http.Response) error {
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %s", r.Status)
	}
	from := r.Trailer
	if r.Header.Get("Grpc-Status") != "" {
		from = r.Header
	}
	if code := from.Get("Grpc-Status"); code != "0" {
		message, err := url.PathUnescape(from.Get("Grpc-Message"))
		if err != nil {
			message = from.Get("Grpc-Message")
		}
		return &Error{Code: Code(code), Message: strings.TrimSpace(message)}
	}
	return nil
}

// plain leaves out the URL, which is made up.
func plain(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}
