package apiserver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// clockTolerance is the maximum difference between the agent's clock and the API server's:
// Kubernetes dates the certificates that it signs five minutes back.
const clockTolerance = 5 * time.Minute

// clockWithin bounds the question for the time.
const clockWithin = 5 * time.Second

// CheckClock fails where certificates would not be valid yet, or no longer. If the API
// server cannot be asked there is no error: that is not the clock's fault, and may pass.
func (c Client) CheckClock(ctx context.Context, now func() time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, clockWithin)
	defer cancel()
	there, err := c.time(ctx)
	if err != nil {
		return nil
	}
	switch off := now().Sub(there).Round(time.Minute); {
	case off > clockTolerance:
		return fmt.Errorf("the agent's clock is %s ahead of the API server's: set it, certificates would not be valid", off)
	case off < -clockTolerance:
		return fmt.Errorf("the agent's clock is %s behind the API server's: set it, certificates would not be valid", -off)
	}
	return nil
}

// time returns the API server's time, which is in every answer, also in the one to an
// anonymous client that it refuses. The server's certificate is checked, but not against the
// agent's clock, because that may be wrong.
func (c Client) time(ctx context.Context) (time.Time, error) {
	server, err := url.Parse(c.URL)
	if err != nil {
		return time.Time{}, fmt.Errorf("asking for the time: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(c.CA)
	client := &http.Client{Transport: &http.Transport{
		Proxy:             http.ProxyFromEnvironment,
		DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{
			InsecureSkipVerify: true, // VerifyConnection does it
			VerifyConnection: func(s tls.ConnectionState) error {
				return verifyAtItsTime(s.PeerCertificates, roots, server.Hostname())
			},
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, c.url("/livez"), nil)
	if err != nil {
		return time.Time{}, fmt.Errorf("asking for the time: %w", err)
	}
	response, err := client.Do(request)
	if err != nil {
		return time.Time{}, fmt.Errorf("asking for the time: %w", err)
	}
	defer response.Body.Close()
	return http.ParseTime(response.Header.Get("Date"))
}

// verifyAtItsTime verifies a chain in the middle of the leaf's life.
func verifyAtItsTime(chain []*x509.Certificate, roots *x509.CertPool, host string) error {
	if len(chain) == 0 {
		return errors.New("verifying the API server: no certificate")
	}
	leaf, intermediates := chain[0], x509.NewCertPool()
	for _, c := range chain[1:] {
		intermediates.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		DNSName: host, Roots: roots, Intermediates: intermediates,
		CurrentTime: leaf.NotBefore.Add(leaf.NotAfter.Sub(leaf.NotBefore) / 2),
	})
	return err
}
