package apiserver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
)

// authority signs certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// sign makes a certificate that is valid for an hour from begin on. Without a parent it signs
// itself.
func sign(t *testing.T, parent *authority, template x509.Certificate, begin time.Time) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	kubelettest.Must(t, err)
	template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(1), begin, begin.Add(time.Hour)
	template.Subject, template.BasicConstraintsValid = pkix.Name{CommonName: "test"}, true
	signer := &authority{&template, key}
	if parent != nil {
		signer = parent
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, signer.certificate, key.Public(), signer.key)
	kubelettest.Must(t, err)
	certificate, err := x509.ParseCertificate(der)
	kubelettest.Must(t, err)
	return &authority{certificate, key}
}

// The question is whether our clock is right, so it must not decide who the server is.
func TestChainIsVerifiedAtItsOwnTime(t *testing.T) {
	for name, begin := range map[string]time.Time{
		"valid now":        time.Now().Add(-time.Minute),
		"valid long ago":   time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC),
		"valid much later": time.Date(2199, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		t.Run(name, func(t *testing.T) {
			root := sign(t, nil, x509.Certificate{IsCA: true}, begin)
			middle := sign(t, root, x509.Certificate{IsCA: true}, begin)
			leaf := sign(t, middle, x509.Certificate{DNSNames: []string{"api.example.com"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, begin)
			roots := x509.NewCertPool()
			roots.AddCert(root.certificate)
			chain := []*x509.Certificate{leaf.certificate, middle.certificate}
			if err := verifyAtItsTime(chain, roots, "api.example.com"); err != nil {
				t.Error(err)
			}
			if err := verifyAtItsTime(chain, roots, "other.example.com"); err == nil {
				t.Error("it is taken for another server")
			}
			if err := verifyAtItsTime(chain[:1], roots, "api.example.com"); err == nil {
				t.Error("a chain with a gap is taken")
			}
			if err := verifyAtItsTime(chain, x509.NewCertPool(), "api.example.com"); err == nil {
				t.Error("a chain of another authority is accepted")
			}
		})
	}
}

func TestClockOfAServerWithoutADate(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header()["Date"] = nil }))
	defer s.Close()
	far := func() time.Time { return time.Now().Add(24 * time.Hour) }
	for name, url := range map[string]string{"no date": s.URL, "no URL": "http://\x00", "no scheme": "x"} {
		if err := (Client{URL: url, CA: pemOf(s)}).CheckClock(t.Context(), far); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUnavailableErrorIsFoundInOthers(t *testing.T) {
	reason := errors.New("connection refused")
	err := fmt.Errorf("rolled back: %w", UnavailableError{fmt.Errorf("asking: %w", reason)})
	if !IsUnavailable(err) || !errors.Is(err, reason) || !strings.Contains(err.Error(), "asking: connection refused") {
		t.Errorf("error is %v", err)
	}
	if IsUnavailable(reason) || IsUnavailable(nil) {
		t.Error("any error means that the server is away")
	}
}
