package playground

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// RemoteHost is another machine, which the caller starts, with a Mesos master and agents
// of its own. The playground's nodes are made there; its control plane and operator stay
// on this machine's loopback.
type RemoteHost struct {
	// Master is host:port at which this machine reaches the master.
	Master string
	// Loopback is the address under which the other machine reaches this one's loopback.
	Loopback string
	// Parts is the folder that WriteParts has filled, RemoteParts its copy on the other machine.
	Parts, RemoteParts string
	// StateDir of the nodes.
	StateDir string
}

// WriteParts writes all artifacts of nodes with real containers into a folder, under the
// artifacts' names.
func WriteParts(folder string) error {
	options, err := Options{RemoteHost: &RemoteHost{}}.withDefaults()
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

// masterAddress returns the master's address for the MesosFramework.
func (p *Playground) masterAddress() string {
	if p.RemoteHost != nil {
		return p.RemoteHost.Master
	}
	return p.Master.Addr()
}

// nodeAPIServer returns the API server's URL for nodes.
func (p *Playground) nodeAPIServer() string {
	if p.RemoteHost != nil {
		return p.controlPlane.urlAt(p.RemoteHost.Loopback)
	}
	return p.controlPlane.url()
}

// Spawn starts a program that ends at the latest with the playground, and writes its output to the
// logs. The returned function returns an error with the last output once the program has ended.
func (p *Playground) Spawn(name, path string, args ...string) (ended func() error, err error) {
	program, err := p.dir.spawn(command{name: name, path: path, args: args})
	if err != nil {
		return nil, err
	}
	p.onStop("stopping "+name, func(context.Context) error { program.stop(5 * time.Second); return nil })
	return program.exited, nil
}
