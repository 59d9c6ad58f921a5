// Package apiservertest is an API server that knows one node, for tests.
package apiservertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// Server is an API server that knows the node n1, for clients with a certificate.
type Server struct {
	*httptest.Server
	// CA is the authority of the server, and Client the certificate and key of a kubelet, in
	// PEM.
	CA, Client []byte
	// Asked counts the questions for the node.
	Asked atomic.Int32
	// Stale: the kubelet's last heartbeat is an hour old.
	Stale atomic.Bool
	// Outage is the status of every answer, or CutOff. 0: there is no outage.
	Outage atomic.Int32

	now        func() time.Time
	readyAfter int32
}

// CutOff is an outage in which connections end without an answer.
const CutOff = -1

// New starts a server until the test ends. Its node is Ready after so many questions.
func New(t testing.TB, now func() time.Time, readyAfter int32) *Server {
	t.Helper()
	s := &Server{now: now, readyAfter: readyAfter, Client: newCertificate(t, now().Add(time.Hour))}
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(s.Client)
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.Server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}
	s.StartTLS()
	t.Cleanup(s.Close)
	s.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	return s
}

// newCertificate makes a certificate of the node n1 that signs itself, with its key.
func newCertificate(t testing.TB, notAfter time.Time) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "system:node:n1"},
		NotAfter: notAfter, IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})...)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	switch outage := s.Outage.Load(); {
	case outage == CutOff:
		panic(http.ErrAbortHandler)
	case outage > 0:
		w.WriteHeader(int(outage))
		return
	}
	if r.URL.Path != "/api/v1/nodes/n1" {
		http.NotFound(w, r)
		return
	}
	status, message := "False", "no network"
	if s.Asked.Add(1) > s.readyAfter {
		status, message = "True", "fine"
	}
	heartbeat := s.now()
	if s.Stale.Load() {
		heartbeat = heartbeat.Add(-time.Hour)
	}
	fmt.Fprintf(w, `{"kind":"Node","status":{"conditions":[{"type":"MemoryPressure","status":"False"},{"type":"Ready","status":%q,"message":%q,"lastHeartbeatTime":%q}]}}`,
		status, message, heartbeat.UTC().Format(time.RFC3339))
}
