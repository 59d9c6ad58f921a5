// Package cri is a small client of the Kubernetes container runtime interface: it asks a
// runtime what it is and which pods it has, and has it remove pods.
//
// It speaks gRPC by means of the standard library and reads no more of the messages than it
// needs, so that the executor stays small. It refuses to know whose a pod is; package
// hostruntime, which calls it, does.
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

// Code is gRPC's status code of an answer that is no success.
type Code string

// Unimplemented is the answer of a server that is not a runtime, or too old for the question.
const Unimplemented Code = "12"

// Error is a runtime's refusal.
type Error struct {
	Code    Code
	Message string
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("%s (gRPC code %s)", e.Message, e.Code) }

// New returns a client of the runtime at a socket. It connects for each question.
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

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 64 << 20

// frame is the length of the header that precedes a message, in bytes.
const frame = 5

// call sends one request, and returns the message of the answer.
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
		return nil, fmt.Errorf("asking the container runtime at %s for %s: %w", c.socket, method, withoutURL(err))
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

// refusal returns the error of an answer. Its status is in the trailers, or among the headers
// of an answer without a message.
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

// withoutURL removes the URL, which is made up, from an error.
func withoutURL(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}
