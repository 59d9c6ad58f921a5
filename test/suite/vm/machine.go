package vm

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/k8sm/k8sm/test/cluster/playground"
	"github.com/k8sm/k8sm/test/suite/vm/gateway"
)

// machine is a virtual machine that runs the guest. It is reachable from loopback only.
type machine struct {
	guestAddress, masterAddress string // host:port on this machine
	ended                       func() error
}

// newMachine chooses ports for a machine that is not yet started.
func newMachine() (*machine, error) {
	var m machine
	var err error
	if m.guestAddress, err = freeAddress(); err != nil {
		return nil, err
	}
	m.masterAddress, err = freeAddress()
	return &m, err
}

// start boots the machine from a disk. Installed is the folder that install.sh fills. The machine
// ends with the playground.
func (m *machine) start(p *playground.Playground, installed, disk string) (err error) {
	forward := func(here string, there int) string {
		return fmt.Sprintf(",hostfwd=tcp:%s-%s:%d", here, gateway.Address, there)
	}
	m.ended, err = p.Spawn("machine", filepath.Join(installed, "qemu"),
		"-accel", "tcg,thread=multi", "-cpu", "qemu64", "-smp", "2", "-m", "4096",
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio",
		"-kernel", filepath.Join(installed, "vmlinuz"),
		"-append", "console=ttyS0 root=/dev/nvme0n1 rw init=/sbin/init panic=-1 quiet mitigations=off",
		"-drive", "if=none,id=disk,format=raw,cache=unsafe,file="+disk, "-device", "nvme,drive=disk,serial=disk",
		"-netdev", "user,id=net"+forward(m.guestAddress, gateway.Port)+forward(m.masterAddress, gateway.MasterPort),
		"-device", "virtio-net-pci,netdev=net",
	)
	return err
}

// freeAddress returns an address on loopback on which nothing listens.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("looking for a free port: %w", err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}

// awaitBoot waits until the guest answers.
func (m *machine) awaitBoot(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	err := playground.Await(ctx, 500*time.Millisecond, func(ctx context.Context) error {
		if err := m.ended(); err != nil {
			return playground.Final(err)
		}
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		_, err := m.run(ctx, "true")
		return err
	})
	if err != nil {
		return fmt.Errorf("waiting for the machine to boot: %w", err)
	}
	return nil
}

// run runs a shell script in the machine, as root. It returns the output, which is also in the
// error if the script fails.
func (m *machine) run(ctx context.Context, script string) (string, error) {
	body, err := m.post(ctx, "run", script)
	if err != nil {
		return "", err
	}
	var answer gateway.Answer
	if err := json.Unmarshal(body, &answer); err != nil {
		return "", fmt.Errorf("reading the guest's answer: %w", err)
	}
	if answer.Error != "" {
		return answer.Output, fmt.Errorf("running %q: %s: %s", script, answer.Error, answer.Output)
	}
	return answer.Output, nil
}

// restartAgent kills the agent and starts it again.
func (m *machine) restartAgent(ctx context.Context) error {
	_, err := m.post(ctx, "restart", "")
	return err
}

func (m *machine) post(ctx context.Context, path, body string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+m.guestAddress+"/"+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking the guest: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	return io.ReadAll(response.Body)
}
