// Package access asks masters and agents of Mesos whether they serve callers that present no
// credentials. What it sends can change nothing: an empty JSON object is no call, so a server
// that authenticates refuses it with 401 or 403, and another one says that it is no call.
//
// It refuses to know frameworks and executors. The session asks about its master, and the
// executor about its agent.
package access

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/k8sm/k8sm/mesos/libprocess"
)

// within bounds one question.
const within = 5 * time.Second

// The endpoints that are asked about.
const (
	// FrameworkPath is where frameworks call masters: --authenticate_http_frameworks.
	FrameworkPath = "/api/v1/scheduler"
	// OperatorPath is where people and tools call masters and agents:
	// --authenticate_http_readwrite.
	OperatorPath = "/api/v1"
	// ExecutorPath is where executors call agents: --authenticate_http_executors.
	ExecutorPath = "/api/v1/executor"
)

// Server is a master or an agent.
type Server struct {
	// URL is http://host:port or https://host:port.
	URL string
	// TLS is the configuration for https; certificates in it are not presented.
	TLS *tls.Config
	// Dial opens connections; nil is a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// IsOpen reports whether a server accepts calls without credentials at a path. The error says
// why that is not known.
func (s Server) IsOpen(ctx context.Context, path string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(s.URL, "/")+path, strings.NewReader("{}"))
	if err != nil {
		return false, fmt.Errorf("asking %s without credentials: %w", s.URL, err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	client := s.client()
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if libprocess.IsAlert(err) { // The server ended the handshake: it wants a client certificate.
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("asking %s without credentials: %w", s.URL, err)
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, 1<<10) // nobody reads it
	return judge(response)
}

// Open is which calls a master serves without credentials.
type Open struct {
	// Frameworks may subscribe, and Operators may call the operator API.
	Frameworks, Operators bool
}

// AskMaster asks a leading master. With an error, the result has what is known nevertheless.
func (s Server) AskMaster(ctx context.Context) (Open, error) {
	frameworks, err := s.IsOpen(ctx, FrameworkPath)
	if err != nil {
		return Open{}, err
	}
	operators, err := s.IsOpen(ctx, OperatorPath)
	return Open{Frameworks: frameworks, Operators: operators}, err
}

// judge reads the answer to what is no call.
func judge(response *http.Response) (bool, error) {
	switch response.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return false, nil
	case http.StatusBadRequest, http.StatusUnsupportedMediaType, http.StatusNotAcceptable:
		return true, nil
	}
	// A redirect, a recovering master, or something that is not Mesos.
	return false, fmt.Errorf("asking without credentials: the answer is %s", response.Status)
}

func (s Server) client() *http.Client {
	config := s.TLS.Clone() // nil stays nil
	if config != nil {
		config.Certificates, config.GetClientCertificate = nil, nil
	}
	dial := s.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: within}).DialContext
	}
	return &http.Client{
		Transport:     &http.Transport{DialContext: dial, TLSClientConfig: config, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
