package kubelet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// awaitReady returns when the Node is Ready. It asks the API server as the kubelet
// itself, with the certificate that the kubelet was given, so it needs no rights of its
// own. How long that may take is the operator's business: it ends with the context.
func awaitReady(ctx context.Context, l *Launch, certificate string, every time.Duration) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if ready, _ := nodeReady(ctx, l, certificate); ready {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// nodeReady asks once. An error means that it can't be known yet.
func nodeReady(ctx context.Context, l *Launch, certificate string) (bool, error) {
	pair, err := tls.LoadX509KeyPair(certificate, certificate)
	if err != nil {
		return false, fmt.Errorf("loading the kubelet's certificate: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(l.CAData) {
		return false, errors.New("loading the authority: no certificate in it")
	}
	transport := &http.Transport{
		Proxy:             http.ProxyFromEnvironment,
		TLSClientConfig:   &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots},
		DisableKeepAlives: true, // the certificate is rotated
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet,
		strings.TrimSuffix(l.APIServer, "/")+"/api/v1/nodes/"+url.PathEscape(l.NodeName), nil)
	if err != nil {
		return false, fmt.Errorf("asking for the node: %w", err)
	}
	request.Header.Set("Accept", "application/json")
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return false, fmt.Errorf("asking for the node: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return false, fmt.Errorf("asking for the node: the server answers %s", response.Status)
	}
	return parseReady(io.LimitReader(response.Body, 8*mebibyte))
}

func parseReady(body io.Reader) (bool, error) {
	var node struct {
		Status struct {
			Conditions []struct{ Type, Status string }
		}
	}
	if err := json.NewDecoder(body).Decode(&node); err != nil {
		return false, fmt.Errorf("reading the node: %w", err)
	}
	for _, c := range node.Status.Conditions {
		if c.Type == "Ready" {
			return c.Status == "True", nil
		}
	}
	return false, nil
}
