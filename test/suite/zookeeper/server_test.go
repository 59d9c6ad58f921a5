package zookeeper

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
)

// timeout is the maximum time of each wait.
const timeout = 40 * time.Second

// ensemble is one ZooKeeper server, for one test.
type ensemble struct {
	t       *testing.T
	dir     string
	port    int
	process *exec.Cmd
}

// startServer installs ZooKeeper unless that has been done, and starts it.
func startServer(t *testing.T) *ensemble {
	t.Helper()
	for _, tool := range []string{"apt-get", "dpkg-deb"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("ZooKeeper comes from Debian's packages, and there is no %s", tool)
		}
	}
	if out, err := exec.Command("./install.sh").CombinedOutput(); err != nil {
		t.Fatalf("installing ZooKeeper: %v\n%s", err, out)
	}
	z := &ensemble{t: t, dir: t.TempDir(), port: freePort(t)}
	config := fmt.Sprintf("tickTime=500\ndataDir=%s\nclientPortAddress=127.0.0.1\nclientPort=%d\n", z.dir, z.port)
	if err := os.WriteFile(filepath.Join(z.dir, "zoo.cfg"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	z.start()
	t.Cleanup(z.kill)
	return z
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func (z *ensemble) addr() string { return fmt.Sprintf("127.0.0.1:%d", z.port) }

// start starts the process, and returns when it serves.
func (z *ensemble) start() {
	z.t.Helper()
	var log bytes.Buffer
	z.process = exec.Command(filepath.Join("..", "..", "..", "bin", "zookeeper", "server"), filepath.Join(z.dir, "zoo.cfg"))
	z.process.Stdout, z.process.Stderr = &log, &log
	if err := z.process.Start(); err != nil {
		z.t.Fatalf("starting ZooKeeper: %v", err)
	}
	for deadline := time.Now().Add(timeout); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if z.serves() {
			return
		}
	}
	z.kill()
	z.t.Fatalf("ZooKeeper does not serve:\n%s", &log)
}

// serves reports whether ZooKeeper answers one of its four-letter words, which it does late in its
// start.
func (z *ensemble) serves() bool {
	c, err := net.Dial("tcp", z.addr())
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Second)) // a connection that was accepted too early is never answered
	if _, err := c.Write([]byte("srvr")); err != nil {
		return false
	}
	answer, err := io.ReadAll(c)
	return err == nil && bytes.Contains(answer, []byte("Mode:"))
}

// kill ends the process at once, as a power failure does. Its data stay.
func (z *ensemble) kill() {
	if z.process == nil {
		return
	}
	_ = z.process.Process.Kill()
	_ = z.process.Wait()
	z.process = nil
}

func (z *ensemble) signal(s syscall.Signal) {
	z.t.Helper()
	if err := z.process.Process.Signal(s); err != nil {
		z.t.Fatal(err)
	}
}

// masterRegistration is a master's session and its node, which lasts as long as the session.
type masterRegistration struct {
	t    *testing.T
	conn *zk.Conn
	node string
}

type noLog struct{}

func (noLog) Printf(string, ...any) {}

// registerMaster registers a master as Mesos masters do: with an ephemeral sequential node.
func (z *ensemble) registerMaster(path, address string, acl []zk.ACL, digest string) *masterRegistration {
	z.t.Helper()
	conn, events, err := zk.Connect([]string{z.addr()}, 2*time.Second, zk.WithLogger(noLog{}))
	if err != nil {
		z.t.Fatal(err)
	}
	z.t.Cleanup(conn.Close)
	for deadline := time.After(timeout); conn.State() != zk.StateHasSession; {
		select {
		case <-events:
		case <-deadline:
			z.t.Fatal("a master gets no session from ZooKeeper")
		}
	}
	if digest != "" {
		if err := conn.AddAuth("digest", []byte(digest)); err != nil {
			z.t.Fatalf("authenticating as a master: %v", err)
		}
	}
	if _, err := conn.Create(path, nil, 0, acl); err != nil && !errors.Is(err, zk.ErrNodeExists) {
		z.t.Fatalf("creating %s: %v", path, err)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		z.t.Fatal(err)
	}
	info := fmt.Sprintf(`{"address":{"hostname":%[1]q,"ip":%[1]q,"port":%[2]s},"capabilities":[{"type":"AGENT_UPDATE"}],`+
		`"hostname":%[1]q,"id":"b8ee7be9","ip":16777343,"pid":"master@%[1]s:%[2]s","port":%[2]s,"version":"1.11.1"}`, host, port)
	node, err := conn.Create(path+"/json.info_", []byte(info), zk.FlagEphemeral|zk.FlagSequence, acl)
	if err != nil {
		z.t.Fatalf("registering a master: %v", err)
	}
	return &masterRegistration{t: z.t, conn: conn, node: node}
}
