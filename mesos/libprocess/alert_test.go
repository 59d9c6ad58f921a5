package libprocess

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestIsAlert(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want bool
	}{
		"none":                       {nil, false},
		"an alert":                   {&net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}, true},
		"a wrapped alert":            {fmt.Errorf("calling: %w", &net.OpError{Op: "remote error", Err: errors.New("tls: certificate required")}), true},
		"an alert of our own":        {&net.OpError{Op: "local error", Err: errors.New("tls: bad record MAC")}, false},
		"a refused connection":       {&net.OpError{Op: "dial", Err: errors.New("connection refused")}, false},
		"another error of that name": {&net.OpError{Op: "remote error", Err: errors.New("gone")}, false},
		"no cause":                   {&net.OpError{Op: "remote error"}, false},
	} {
		if got := IsAlert(test.err); got != test.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}

// Go might change the error's form.
func TestServerThatWantsACertificateSendsAnAlert(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	server.Config.ErrorLog = nil
	server.StartTLS()
	defer server.Close()
	response, err := server.Client().Get(server.URL)
	if err == nil {
		_ = response.Body.Close()
		t.Fatal("the server asked for no certificate")
	}
	if !IsAlert(err) {
		t.Errorf("got %v, which is no alert", err)
	}
}
