package apiservertest

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// get asks the server as a kubelet that trusts it.
func get(t *testing.T, s *Server, path string, withCertificate bool) (status int, body string, err error) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.CA)
	config := &tls.Config{RootCAs: roots}
	if withCertificate {
		pair, err := tls.X509KeyPair(s.Client, s.Client)
		if err != nil {
			t.Fatal(err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	response, err := (&http.Client{Transport: transport}).Get(s.URL + path)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	return response.StatusCode, string(data), err
}

const node = "/api/v1/nodes/n1"

func TestNodeBecomesReady(t *testing.T) {
	s := New(t, time.Now, 1)
	for i, want := range []string{`"status":"False","message":"no network"`, `"status":"True","message":"fine"`, `"status":"True"`} {
		status, body, err := get(t, s, node, true)
		if err != nil || status != http.StatusOK || !strings.Contains(body, `"type":"Ready",`+want) {
			t.Errorf("answer %d is %d %s, %v", i, status, body, err)
		}
	}
	if n := s.Asked.Load(); n != 3 {
		t.Errorf("asked %d times", n)
	}
}

func TestOtherPathsAreUnknown(t *testing.T) {
	s := New(t, time.Now, 0)
	if status, _, err := get(t, s, "/api/v1/nodes/n2", true); status != http.StatusNotFound || err != nil {
		t.Errorf("answer is %d, %v", status, err)
	}
	if s.Asked.Load() != 0 {
		t.Error("another node's question is counted")
	}
}

func TestClientsNeedACertificate(t *testing.T) {
	if status, _, err := get(t, New(t, time.Now, 0), node, false); err == nil {
		t.Errorf("answer is %d", status)
	}
}

func TestHeartbeat(t *testing.T) {
	at := time.Now().Truncate(time.Second)
	s := New(t, func() time.Time { return at }, 0)
	for stale, want := range map[bool]time.Time{false: at, true: at.Add(-time.Hour)} {
		s.Stale.Store(stale)
		if _, body, err := get(t, s, node, true); err != nil || !strings.Contains(body, want.UTC().Format(time.RFC3339)) {
			t.Errorf("stale %t: %s, %v", stale, body, err)
		}
	}
}

func TestOutages(t *testing.T) {
	s := New(t, time.Now, 0)
	for _, outage := range []int32{http.StatusServiceUnavailable, http.StatusTooManyRequests} {
		s.Outage.Store(outage)
		if status, _, err := get(t, s, node, true); status != int(outage) || err != nil {
			t.Errorf("answer is %d, %v", status, err)
		}
	}
	s.Outage.Store(CutOff)
	if status, _, err := get(t, s, node, true); err == nil {
		t.Errorf("answer is %d", status)
	}
	s.Outage.Store(0)
	if status, _, err := get(t, s, node, true); status != http.StatusOK || err != nil || s.Asked.Load() != 1 {
		t.Errorf("afterwards: %d, %v, asked %d times", status, err, s.Asked.Load())
	}
}

func TestEachServerHasItsOwnAuthority(t *testing.T) {
	first, second := New(t, time.Now, 0), New(t, time.Now, 0)
	first.Client = second.Client
	if status, _, err := get(t, first, node, true); err == nil {
		t.Errorf("a client of another server is answered %d", status)
	}
}
