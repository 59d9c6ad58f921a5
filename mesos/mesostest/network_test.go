package mesostest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"testing"
)

// network is one for tests of this package.
type network struct{ *Network }

func newNetwork() *network { return &network{NewNetwork()} }

func (n *network) listen(ip string, port int) net.Listener {
	l, err := n.Listen(net.JoinHostPort(ip, strconv.Itoa(port)))
	if err != nil {
		panic(err)
	}
	return l
}

func (n *network) client() *http.Client {
	return &http.Client{
		Transport: &http.Transport{DialContext: n.Dial, DisableKeepAlives: true, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}

func TestNetworkJoinsClientsAndListeners(t *testing.T) {
	n := NewNetwork()
	l, err := n.Listen("10.0.0.1:80")
	if err != nil {
		t.Fatal(err)
	}
	if l.Addr().String() != "10.0.0.1:80" {
		t.Errorf("it listens at %s", l.Addr())
	}
	go func() {
		conn, err := l.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "hello")
	}()
	conn, err := n.Dial(t.Context(), "tcp", "10.0.0.1:80")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(conn)
	if err != nil || string(raw) != "hello" {
		t.Errorf("got %q, %v", raw, err)
	}
}

func TestConnectionsThatFail(t *testing.T) {
	n := NewNetwork()
	closed, err := n.Listen("10.0.0.1:80")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := closed.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := closed.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed listener accepts with %v", err)
	}
	if _, err := n.Listen("10.0.0.1:81"); err != nil { // without an Accept
		t.Fatal(err)
	}
	given, cancel := context.WithCancel(t.Context())
	cancel()
	for name, test := range map[string]struct {
		ctx     context.Context
		address string
		want    string
	}{
		"an address without a listener":        {t.Context(), "10.0.0.2:80", "no listener at 10.0.0.2:80"},
		"an address whose listener was closed": {t.Context(), "10.0.0.1:80", "connection to 10.0.0.1:80 refused"},
		"a listener that does not accept":      {given, "10.0.0.1:81", "context canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := n.Dial(test.ctx, "tcp", test.address); err == nil || err.Error() != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
	for _, address := range []string{"", "host:80", "10.0.0.1", "10.0.0.1:http"} {
		if _, err := n.Listen(address); err == nil {
			t.Errorf("it listens at %q", address)
		}
	}
}

func TestLastListenerGetsTheConnections(t *testing.T) {
	n := newNetwork()
	n.listen("10.0.0.1", 80)
	second := n.listen("10.0.0.1", 80)
	go func() { _, _ = n.Dial(context.Background(), "tcp", "10.0.0.1:80") }()
	conn, err := second.Accept()
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}
