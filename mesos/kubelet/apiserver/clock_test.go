package apiserver

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/k8sm/k8sm/mesos/kubelet/apiserver/apiservertest"
)

func TestClockSkewIsReported(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("it was shown credentials")
		}
		http.Error(w, "who are you", http.StatusUnauthorized)
	}))
	defer server.Close()
	ca := pemOf(server)
	other := apiservertest.New(t, time.Now, 0) // has another authority
	tests := map[string]struct {
		off  time.Duration
		url  string
		ca   []byte
		want string // in the error; "": no error
	}{
		"right":                                 {url: server.URL, ca: ca},
		"a minute ahead":                        {off: time.Minute, url: server.URL, ca: ca},
		"an hour ahead":                         {off: time.Hour, url: server.URL, ca: ca, want: "1h0m0s ahead"},
		"an hour behind":                        {off: -time.Hour, url: server.URL, ca: ca, want: "1h0m0s behind"},
		"outside of the certificate's validity": {off: -100 * 365 * 24 * time.Hour, url: server.URL, ca: ca, want: "behind"},
		"an hour ahead, from a server of another authority": {off: time.Hour, url: server.URL, ca: other.Client},
		"an hour ahead, and no server":                      {off: time.Hour, url: "https://127.0.0.1:1", ca: ca},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			c := Client{URL: tc.url, CA: tc.ca}
			err := c.CheckClock(t.Context(), func() time.Time { return time.Now().Add(tc.off) })
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error is %v, want one that contains %q", err, tc.want)
			}
		})
	}
}

// pemOf a server is its certificate, which is its authority too.
func pemOf(s *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

func TestChainWithoutCertificates(t *testing.T) {
	if err := verifyAtItsTime(nil, nil, "example.com"); err == nil {
		t.Error("nothing is a chain")
	}
}
