package apiserver

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/kubelet/apiserver/apiservertest"
	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
)

// clientOf a server, with a certificate that the server accepts.
func clientOf(t *testing.T, s *apiservertest.Server) Client {
	t.Helper()
	certificate := filepath.Join(t.TempDir(), "client.pem")
	kubelettest.Must(t, os.WriteFile(certificate, s.Client, 0o600))
	return Client{URL: s.URL, CA: s.CA, NodeName: "n1", Certificate: certificate}
}

func TestNodeReady(t *testing.T) {
	tests := map[string]struct {
		change      func(*testing.T, *Client, *apiservertest.Server)
		since       time.Duration // before now
		want        string        // in the error; "": Ready
		unavailable bool
	}{
		"a Node that is Ready":              {since: time.Minute},
		"a URL with a slash at the end":     {change: func(_ *testing.T, c *Client, _ *apiservertest.Server) { c.URL += "/" }, since: time.Minute},
		"a heartbeat of a former kubelet":   {since: -time.Minute, want: "said nothing of the Node since it was started"},
		"a Node that is not registered":     {change: func(_ *testing.T, c *Client, _ *apiservertest.Server) { c.NodeName = "n2" }, want: "has not registered the Node yet"},
		"a kubelet without a certificate":   {change: func(_ *testing.T, c *Client, _ *apiservertest.Server) { c.Certificate += ".none" }, want: "no certificate yet"},
		"an invalid authority":              {change: func(_ *testing.T, c *Client, _ *apiservertest.Server) { c.CA = []byte("x") }, want: "loading the authority"},
		"an invalid URL":                    {change: func(_ *testing.T, c *Client, _ *apiservertest.Server) { c.URL = "http://\x00" }, want: "asking the API server"},
		"a server of another authority":     {change: func(_ *testing.T, c *Client, s *apiservertest.Server) { c.CA = s.Client }, want: "certificate", unavailable: true},
		"a server that closes connections":  {change: func(_ *testing.T, _ *Client, s *apiservertest.Server) { s.Outage.Store(apiservertest.CutOff) }, want: "EOF", unavailable: true},
		"a server that is overloaded":       {change: func(_ *testing.T, _ *Client, s *apiservertest.Server) { s.Outage.Store(429) }, want: "it answers 429", unavailable: true},
		"a server that fails":               {change: func(_ *testing.T, _ *Client, s *apiservertest.Server) { s.Outage.Store(500) }, want: "it answers 500", unavailable: true},
		"a server that refuses the kubelet": {change: func(_ *testing.T, _ *Client, s *apiservertest.Server) { s.Outage.Store(403) }, want: "it answers 403"},
		"a truncated certificate": {change: func(t *testing.T, c *Client, s *apiservertest.Server) {
			kubelettest.Must(t, os.WriteFile(c.Certificate, s.Client[:100], 0o600))
		}, want: "loading the kubelet's certificate"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := apiservertest.New(t, time.Now, 0)
			c := clientOf(t, s)
			if tc.change != nil {
				tc.change(t, &c, s)
			}
			err := c.NodeReady(t.Context(), time.Now().Add(-tc.since))
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error is %v, want %q in it", err, tc.want)
			}
			if IsUnavailable(err) != tc.unavailable {
				t.Errorf("unavailable: %t for %v", !tc.unavailable, err)
			}
		})
	}
}

func TestAwaitReadyPassesOnEachReason(t *testing.T) {
	s := apiservertest.New(t, time.Now, 2)
	var reasons []string
	err := clientOf(t, s).AwaitReady(t.Context(), time.Time{}, time.Millisecond, func(reason error) { reasons = append(reasons, reason.Error()) })
	want := []string{"the Node is not Ready: no network", "the Node is not Ready: no network"}
	if diff := cmp.Diff(want, reasons); diff != "" || err != nil {
		t.Errorf("error %v, reasons (-want +got):\n%s", err, diff)
	}
	if n := s.Asked.Load(); n != 3 {
		t.Errorf("asked %d times", n)
	}
}

func TestAwaitReadyEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	err := clientOf(t, apiservertest.New(t, time.Now, 1<<30)).AwaitReady(ctx, time.Time{}, time.Hour, func(error) { cancel() })
	if err == nil || ctx.Err() == nil {
		t.Errorf("error is %v", err)
	}
}

// The kubelet rotates its certificate while it runs.
func TestCertificateIsReadForEachQuestion(t *testing.T) {
	s := apiservertest.New(t, time.Now, 0)
	c := clientOf(t, s)
	kubelettest.Must(t, os.Remove(c.Certificate))
	if err := c.NodeReady(t.Context(), time.Time{}); err == nil {
		t.Error("Ready without a certificate")
	}
	kubelettest.Must(t, os.WriteFile(c.Certificate, s.Client, 0o600))
	if err := c.NodeReady(t.Context(), time.Time{}); err != nil {
		t.Errorf("with the certificate: %v", err)
	}
}

func TestParseReady(t *testing.T) {
	since := time.Date(2026, 1, 1, 0, 0, 1, 0, time.UTC)
	condition := func(kind, status, at string) string {
		return `{"type":"` + kind + `","status":"` + status + `","message":"why","lastHeartbeatTime":"2026-01-01T00:00:0` + at + `Z"}`
	}
	tests := map[string]struct{ conditions, want string }{
		"Ready in the very second":         {condition("Ready", "True", "1"), ""},
		"Ready before other conditions":    {condition("Ready", "True", "2") + "," + condition("DiskPressure", "True", "2"), ""},
		"Ready a second too early":         {condition("Ready", "True", "0"), "said nothing"},
		"not Ready":                        {condition("Ready", "False", "2"), "the Node is not Ready: why"},
		"unknown":                          {condition("Ready", "Unknown", "2"), "the Node is not Ready: why"},
		"another condition":                {condition("MemoryPressure", "True", "2"), "no condition Ready yet"},
		"no conditions":                    {"", "no condition Ready yet"},
		"something that is not conditions": {`"Ready"`, "reading the node"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			err := parseReady(strings.NewReader(`{"status":{"conditions":[`+tc.conditions+`]}}`), since)
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error is %v, want %q in it", err, tc.want)
			}
		})
	}
}

func TestCriticalPodsOfThisNodeAreAskedFor(t *testing.T) {
	answer := `{"items": [{"metadata": {"uid": "network"}, "spec": {"priority": 2000001000}}]}`
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/pods" || r.URL.RawQuery != "fieldSelector=spec.nodeName%3Dn1" {
			t.Errorf("asked for %s", r.URL)
		}
		_, _ = w.Write([]byte(answer))
	}))
	defer s.Close()
	own := apiservertest.New(t, time.Now, 0)
	c := clientOf(t, own)
	c.URL, c.CA = s.URL, pemOf(s)
	got, err := c.CriticalPods(t.Context())
	if diff := cmp.Diff(map[string]bool{"network": true}, got); diff != "" || err != nil {
		t.Errorf("error %v, critical (-want +got):\n%s", err, diff)
	}
	answer = "nonsense"
	if _, err := c.CriticalPods(t.Context()); err == nil || !strings.Contains(err.Error(), "reading the node's pods") {
		t.Errorf("error of nonsense is %v", err)
	}
	own.Outage.Store(apiservertest.CutOff)
	if _, err := clientOf(t, own).CriticalPods(t.Context()); !IsUnavailable(err) {
		t.Errorf("error of a server that is away is %v", err)
	}
}
