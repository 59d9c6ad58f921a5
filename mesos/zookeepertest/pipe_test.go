package zookeepertest

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
)

func TestPipeConnectsBothEnds(t *testing.T) {
	t.Parallel()
	p := Listen("10.0.0.7", 2182)
	defer p.Close()
	if got := p.Addr().String(); got != "10.0.0.7:2182" {
		t.Errorf("the address is %s", got)
	}
	go func() {
		conn, err := p.Accept()
		if err != nil {
			return
		}
		_, _ = io.Copy(conn, io.LimitReader(conn, 5))
		_ = conn.Close()
	}()
	conn, err := p.Dial(t.Context(), "tcp", "any.example:1")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = conn.Write([]byte("hello")) }()
	if got, err := io.ReadAll(conn); err != nil || string(got) != "hello" {
		t.Errorf("%q comes back: %v", got, err)
	}
}

// Tests change nodes while clients read them.
func TestNodesMayChangeWhileTheyAreRead(t *testing.T) {
	t.Parallel()
	s, p := startServer(t)
	clients := []*testClient{connect(t, p), connect(t, p)}
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 200 {
			s.Set(fmt.Sprintf("/mesos/%03d", i), []byte("x"))
		}
	})
	for _, c := range clients {
		wg.Go(func() {
			for range 50 {
				if code, children := c.list("/mesos", false); code == codeOK && !slices.IsSorted(children) {
					t.Errorf("the children are not sorted: %v", children)
				}
			}
		})
	}
	wg.Wait()
	if _, children := clients[0].list("/mesos", false); len(children) != 200 {
		t.Errorf("%d children are left of 200", len(children))
	}
}
