package netns_test

import (
	"errors"
	"net"
	"testing"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/netns"
)

func TestRunWithoutNamespaceCallsDirectly(t *testing.T) {
	ran := false
	if err := netns.Run("", func() error { ran = true; return nil }); err != nil || !ran {
		t.Errorf("ran: %t, %v", ran, err)
	}
	failed := errors.New("failed")
	if err := netns.Run("", func() error { return failed }); !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
}

func TestNamespaceThatIsNotThere(t *testing.T) {
	err := netns.Run("/run/netns/no-such-namespace", func() error {
		t.Error("it ran all the same")
		return nil
	})
	if err == nil {
		t.Error("there is no error")
	}
	if l, err := netns.Listen("/run/netns/no-such-namespace", "127.0.0.1:0"); err == nil {
		l.Close()
		t.Error("it listens all the same")
	}
}

func TestListening(t *testing.T) {
	l, err := netns.Listen("", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if again, err := netns.Listen("", l.Addr().String()); err == nil {
		again.Close()
		t.Error("two listen at the same address")
	}
}
