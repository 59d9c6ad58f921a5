package access

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestIsOpen(t *testing.T) {
	for status, want := range map[int]string{
		http.StatusUnauthorized:        "closed",
		http.StatusForbidden:           "closed",
		http.StatusBadRequest:          "open",
		http.StatusServiceUnavailable:  "unknown", // a master that recovers
		http.StatusTemporaryRedirect:   "unknown", // one that does not lead
		http.StatusNotFound:            "unknown",
		http.StatusOK:                  "unknown", // no Mesos
		http.StatusInternalServerError: "unknown",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if r.Method != http.MethodPost || r.URL.Path != FrameworkPath || string(body) != "{}" || r.Header.Get("Authorization") != "" {
				t.Errorf("%s %s: %s", r.Method, r.URL, body)
			}
			w.Header().Set("Location", "//elsewhere.example/api/v1/scheduler")
			w.WriteHeader(status)
		}))
		open, err := Server{URL: server.URL}.IsOpen(t.Context(), FrameworkPath)
		server.Close()
		got := map[bool]string{true: "open", false: "closed"}[open]
		if err != nil {
			got = "unknown"
		}
		if got != want {
			t.Errorf("%d is %s: %v", status, got, err)
		}
	}
}

func TestServerThatCannotBeAskedIsUnknown(t *testing.T) {
	for _, url := range []string{"http://127.0.0.1:1", "http://%zz", ""} {
		if open, err := (Server{URL: url}).IsOpen(t.Context(), OperatorPath); open || err == nil {
			t.Errorf("%q is open: %t, %v", url, open, err)
		}
	}
}

// The operator's own certificate must not answer the question for it.
func TestServerThatWantsAClientCertificateIsClosed(t *testing.T) {
	for name, clientAuth := range map[string]tls.ClientAuthType{"required": tls.RequireAnyClientCert, "requested": tls.RequestClientCert} {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if len(r.TLS.PeerCertificates) > 0 {
				t.Error("a certificate was presented")
			}
			w.WriteHeader(http.StatusBadRequest)
		}))
		server.TLS = &tls.Config{ClientAuth: clientAuth}
		server.StartTLS()
		roots := x509.NewCertPool()
		roots.AddCert(server.Certificate())
		own := &tls.Config{RootCAs: roots, Certificates: server.TLS.Certificates}
		open, err := Server{URL: server.URL, TLS: own}.IsOpen(t.Context(), ExecutorPath)
		server.Close()
		if err != nil || open != (clientAuth == tls.RequestClientCert) || len(own.Certificates) == 0 {
			t.Errorf("%s: open %t, %v", name, open, err)
		}
	}
}
