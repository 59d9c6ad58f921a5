package kubelet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// awaitReady returns when the Node is Ready, and tells why it is not after each time of
// asking. It asks the API server as the kubelet itself, with the certificate that the
// kubelet was given, so it needs no rights of its own. How long that may take is the
// operator's business: it ends with the context.
func awaitReady(ctx context.Context, q question, every time.Duration, why func(error)) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		err := nodeReady(ctx, q)
		if err == nil {
			return nil
		}
		why(err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// question is which Node is to be Ready.
type question struct {
	launch      *nodeapi.LaunchSpec
	certificate string
	// since when: what a kubelet said before does not count.
	since time.Time
}

func (n *Node) question(since time.Time) question {
	return question{n.launch, n.layout.clientCert(), since}
}

// nodeReady asks once. The error says why the Node is not Ready, or can't be known to be.
func nodeReady(ctx context.Context, q question) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	body, err := askAsKubelet(ctx, q.launch, q.certificate, "/api/v1/nodes/"+url.PathEscape(q.launch.NodeName))
	if err != nil {
		return err
	}
	defer body.Close()
	return parseReady(io.LimitReader(body, 8*mebibyte), q.since)
}

// awayError marks that the API server could not be asked, or could not answer: that tells
// nothing of the kubelet.
type awayError struct{ error }

func (e awayError) Unwrap() error { return e.error }

func isAway(err error) bool {
	_, away := errors.AsType[awayError](err)
	return away
}

// askAsKubelet asks the API server for what a kubelet may read. The body is to be closed.
func askAsKubelet(ctx context.Context, l *nodeapi.LaunchSpec, certificate, path string) (io.ReadCloser, error) {
	pair, err := tls.LoadX509KeyPair(certificate, certificate)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("the kubelet has no certificate yet")
	}
	if err != nil {
		return nil, fmt.Errorf("loading the kubelet's certificate: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(l.CAData) {
		return nil, errors.New("loading the authority: no certificate in it")
	}
	transport := &http.Transport{
		Proxy:             http.ProxyFromEnvironment,
		TLSClientConfig:   &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots},
		DisableKeepAlives: true, // the certificate is rotated
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(l.APIServer, "/")+path, nil)
	if err != nil {
		return nil, fmt.Errorf("asking the API server: %w", err)
	}
	request.Header.Set("Accept", "application/json")
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return nil, awayError{fmt.Errorf("asking the API server: %w", err)}
	}
	if response.StatusCode == http.StatusOK {
		return response.Body, nil
	}
	response.Body.Close()
	err = fmt.Errorf("asking the API server: it answers %s", response.Status)
	switch code := response.StatusCode; {
	case code == http.StatusNotFound:
		return nil, errors.New("the kubelet has not registered the Node yet")
	case code == http.StatusTooManyRequests || code >= http.StatusInternalServerError:
		return nil, awayError{err}
	}
	return nil, err
}

func parseReady(body io.Reader, since time.Time) error {
	var node struct {
		Status struct {
			Conditions []struct {
				Type, Status, Message string
				LastHeartbeatTime     time.Time
			}
		}
	}
	if err := json.NewDecoder(body).Decode(&node); err != nil {
		return fmt.Errorf("reading the node: %w", err)
	}
	for _, c := range node.Status.Conditions {
		switch {
		case c.Type != "Ready":
		case c.LastHeartbeatTime.Before(since):
			return errors.New("the kubelet has said nothing of the Node since it was started")
		case c.Status == "True":
			return nil
		default:
			return fmt.Errorf("the Node is not Ready: %s", c.Message)
		}
	}
	return errors.New("the Node has no condition Ready yet")
}
