package playground

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// Elsewhere is another machine, which the caller starts, with a Mesos master and agents
// of its own. The playground's nodes are made there; its control plane and operator stay
// on this machine's loopback.
type Elsewhere struct {
	// Master is host:port at which this machine reaches the master.
	Master string
	// Loopback is the address under which the other machine reaches this one's loopback.
	Loopback string
	// Parts is the folder that WriteParts has filled, There its copy on the other machine.
	Parts, There string
	// StateDir of the nodes.
	StateDir string
}

// WriteParts puts into a folder all that nodes of real containers are made of, under
// the artifacts' names.
func WriteParts(folder string) error {
	options, err := Options{Elsewhere: &Elsewhere{}}.withDefaults()
	if err != nil {
		return err
	}
	if err := options.checkBuilt(); err != nil {
		return err
	}
	files := map[string]string{"executor": options.bin("executor")}
	for _, name := range containerArtifacts {
		files[name] = options.kube(name)
	}
	for name, from := range files {
		if err := copyProgram(from, filepath.Join(folder, name)); err != nil {
			return fmt.Errorf("copying %s: %w", name, err)
		}
	}
	return writeImages(filepath.Join(folder, imagesName))
}

func copyProgram(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	defer func() {
		if closed := out.Close(); err == nil {
			err = closed
		}
	}()
	_, err = io.Copy(out, in)
	return err
}

// masterAddress is where the framework finds its master.
func (p *Playground) masterAddress() string {
	if p.Elsewhere != nil {
		return p.Elsewhere.Master
	}
	return p.Master.Addr()
}

// nodeAPIServer is the API server's URL, as nodes use it.
func (p *Playground) nodeAPIServer() string {
	if p.Elsewhere != nil {
		return p.plane.urlAt(p.Elsewhere.Loopback)
	}
	return p.plane.url()
}

// Spawn starts a program that ends with the playground, at the latest, and whose output
// is among its logs. The returned function says that it has ended, and with which words.
func (p *Playground) Spawn(name, path string, args ...string) (ended func() error, err error) {
	program, err := p.dir.spawn(command{name: name, path: path, args: args})
	if err != nil {
		return nil, err
	}
	p.later("stopping "+name, func(context.Context) error { program.stop(5 * time.Second); return nil })
	return program.exited, nil
}
