// Package apiserver asks the API server as the kubelet itself, with the certificate that the
// kubelet was given, so that the executor needs no rights of its own: whether the Node is
// Ready, which of its pods are critical, and what time it is.
//
// It refuses to know Kubernetes' Go types, and reads no more of the answers than it needs.
// Package kubelet asks.
package apiserver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
)

// Client asks the API server about one node.
type Client struct {
	// URL of the API server.
	URL string
	// CA is the PEM of the authority that the API server is checked against.
	CA []byte
	// NodeName is the name of the Node.
	NodeName string
	// Certificate is the file with the kubelet's certificate and key. It is read anew for
	// each question, because the kubelet rotates it.
	Certificate string
}

// Bounds on what is read of an answer, in bytes.
const (
	maxNode = 8 << 20
	maxPods = 64 << 20
)

// UnavailableError marks that the API server could not be asked, or could not answer. That
// means nothing about the kubelet.
type UnavailableError struct{ Err error }

// Error implements error.
func (e UnavailableError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e UnavailableError) Unwrap() error { return e.Err }

// IsUnavailable reports whether the API server could not be asked, or could not answer.
func IsUnavailable(err error) bool {
	_, unavailable := errors.AsType[UnavailableError](err)
	return unavailable
}

// get returns the body of an answer, which has to be closed.
func (c Client) get(ctx context.Context, path string) (io.ReadCloser, error) {
	client, err := c.httpClient()
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url(path), nil)
	if err != nil {
		return nil, fmt.Errorf("asking the API server: %w", err)
	}
	request.Header.Set("Accept", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return nil, UnavailableError{fmt.Errorf("asking the API server: %w", err)}
	}
	if response.StatusCode == http.StatusOK {
		return response.Body, nil
	}
	response.Body.Close()
	return nil, refusal(response)
}

func (c Client) url(path string) string { return strings.TrimSuffix(c.URL, "/") + path }

func (c Client) httpClient() (*http.Client, error) {
	pair, err := tls.LoadX509KeyPair(c.Certificate, c.Certificate)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("the kubelet has no certificate yet")
	}
	if err != nil {
		return nil, fmt.Errorf("loading the kubelet's certificate: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(c.CA) {
		return nil, errors.New("loading the authority: no certificate in it")
	}
	return &http.Client{Transport: &http.Transport{
		Proxy:             http.ProxyFromEnvironment,
		TLSClientConfig:   &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots},
		DisableKeepAlives: true, // the certificate is rotated
	}}, nil
}

func refusal(response *http.Response) error {
	err := fmt.Errorf("asking the API server: it answers %s", response.Status)
	switch code := response.StatusCode; {
	case code == http.StatusNotFound:
		return errors.New("the kubelet has not registered the Node yet")
	case code == http.StatusTooManyRequests || code >= http.StatusInternalServerError:
		return UnavailableError{err}
	}
	return err
}
