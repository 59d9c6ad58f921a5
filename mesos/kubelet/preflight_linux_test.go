package kubelet

import (
	"context"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/k8sm/k8sm/mesos/nodeapi"
)

func TestClockThatIsOff(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("it was shown credentials")
		}
		http.Error(w, "who are you", http.StatusUnauthorized)
	}))
	defer server.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	stranger := newCluster(t, 0) // whose authority is another
	tests := map[string]struct {
		off  time.Duration
		url  string
		ca   []byte
		want string // in the error; "": no error
	}{
		"right":                            {url: server.URL, ca: ca},
		"a minute ahead":                   {off: time.Minute, url: server.URL, ca: ca},
		"an hour ahead":                    {off: time.Hour, url: server.URL, ca: ca, want: "1h0m0s ahead"},
		"an hour behind":                   {off: -time.Hour, url: server.URL, ca: ca, want: "1h0m0s behind"},
		"so far that no certificate holds": {off: -100 * 365 * 24 * time.Hour, url: server.URL, ca: ca, want: "behind"},
		"an hour, says one that is not the API server": {off: time.Hour, url: server.URL, ca: stranger.client},
		"an hour, but nobody is there":                 {off: time.Hour, url: "https://127.0.0.1:1", ca: ca},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			l := testLaunch()
			l.APIServer, l.CAData = tc.url, tc.ca
			err := checkClock(t.Context(), l, func() time.Time { return time.Now().Add(tc.off) })
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error is %v, want one that says %q", err, tc.want)
			}
		})
	}
}

func TestPortThatIsTaken(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := other.Addr().(*net.TCPAddr).Port
	l := launchIn(t, newCluster(t, 0), goodKubelet)
	l.StreamPort = port
	message, err := l.Encode()
	if err != nil {
		t.Fatal(err)
	}
	err = testNode(t).Run(message, neverReady(t))
	if err == nil || !strings.Contains(err.Error(), "which Mesos offered for containerd, is taken") || errors.Is(err, nodeapi.ErrInvalid) {
		t.Errorf("error is %v", err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if err := checkPort("containerd", "127.0.0.1", port); err != nil {
		t.Errorf("free again: %v", err)
	}
}

func TestDiskThatIsAlmostFull(t *testing.T) {
	m := Machine{DiskBytes: 10000 * mebibyte, FreeBytes: 499 * mebibyte}
	if err := m.checkDisk("/var/lib/k8sm/n1", 500*mebibyte); err == nil || !strings.Contains(err.Error(), "499 MiB free of 10000, and the kubelet evicts pods below 500") {
		t.Errorf("error is %v", err)
	}
	m.FreeBytes = 500 * mebibyte
	if err := m.checkDisk("/", 500*mebibyte); err != nil {
		t.Error(err)
	}
}

// What a launch waits for is told, with what the Node itself says of it.
func TestWhyANodeIsNotReadyIsTold(t *testing.T) {
	tests := map[string]struct {
		kubelet string
		want    string
	}{
		"no certificate": {"trap 'exit 0' TERM; while :; do sleep 0.01; done", "the kubelet has no certificate yet"},
		"not ready yet":  {goodKubelet, "the Node is not Ready: no network"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			n := testNode(t)
			n.tellEvery = 0
			message, err := launchIn(t, newCluster(t, 1<<30), tc.kubelet).Encode()
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			go func() {
				<-ctx.Done()
				n.Stop(0)
			}()
			told := false
			err = n.Run(message, func(r Report) {
				if strings.Contains(r.Message, tc.want) && !r.Ready {
					told = true
					cancel()
				}
			})
			if err != nil || !told {
				t.Errorf("told: %t, ended with %v", told, err)
			}
		})
	}
}
