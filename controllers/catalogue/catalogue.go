// Package catalogue holds what nodes are made of, while the operator's --node-runtime file and
// the release of the API server change.
//
// It reads the file again and again, and takes it as a whole or not at all: while the file
// cannot be used, the content of before stays. It decides nothing about a template, which
// controllers/nodetemplate does, and knows neither pools nor nodes. cmd/operator opens the
// catalogue; the controllers ask it for each launch and each reconcile, and are told of changes.
package catalogue

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodetemplate"
)

// maxFile is the maximum size of the file, in bytes. A ConfigMap holds at most a third of it.
const maxFile = 4 << 20

// Options of a Catalogue. All but APIServer are needed.
type Options struct {
	// File is the path of the operator's --node-runtime file, "" for none.
	File string
	// APIServer knows the release of the API server. If it is nil, the release of kubelets is
	// not checked.
	APIServer *APIServer
	Now       func() time.Time
	Log       logr.Logger
}

// Catalogue is the content of the operator's --node-runtime file that was valid last. It is
// safe for concurrent use.
type Catalogue struct {
	Options
	reading reading

	mu      sync.Mutex
	runtime nodetemplate.Runtime
	// problem is why the content of the file is not used as it is now, nil if it is.
	problem     error
	subscribers []chan event.GenericEvent
}

// New returns a catalogue that does not change.
func New(runtime nodetemplate.Runtime) *Catalogue { return &Catalogue{runtime: runtime} }

// Open reads the file for the first time. An error means that the operator must not start:
// with other content than before, running nodes would look outdated.
func Open(o Options) (*Catalogue, error) {
	c := &Catalogue{Options: o}
	var data []byte
	if o.File != "" {
		var err error
		if data, err = readFile(o.File); err != nil {
			return nil, err
		}
	}
	runtime, err := nodetemplate.ParseRuntime(data)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", o.File, err)
	}
	c.runtime, c.reading = runtime, reading{taken: data}
	setTaken(c.Now())
	c.warnOfLogins(runtime)
	return c, nil
}

// warnOfLogins logs which URLs of the file hold a user name or a password. They are used.
func (c *Catalogue) warnOfLogins(runtime nodetemplate.Runtime) {
	if places := runtime.Logins(); len(places) > 0 {
		c.Log.Info("The node runtime holds user names or passwords in URLs, which are read by everybody who may see tasks in Mesos; use mirrorCredentials", "file", c.File, "places", places)
	}
}

// readFile reads a file of bounded size.
func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s is larger than %d MiB", path, maxFile>>20)
	}
	return data, err
}

// Current returns the present runtime. The caller must not change it.
func (c *Catalogue) Current() nodetemplate.Runtime {
	runtime, _ := c.state()
	return runtime
}

func (c *Catalogue) state() (runtime nodetemplate.Runtime, problem error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.runtime, c.problem
}

// Resolve returns what the nodes of a template are made of, and why none is made of it. An error
// means that this is not known at present.
func (c *Catalogue) Resolve(ctx context.Context, spec v1alpha1.NodeTemplateSpec) (nodetemplate.Resolved, nodetemplate.Refusal, error) {
	runtime, problem := c.state()
	resolved, err := runtime.Resolve(spec.Runtime)
	if reason, message := runtime.Check(spec); reason != "" {
		return resolved, nodetemplate.Refusal{Reason: reason, Message: message}, nil
	}
	if err != nil {
		if problem != nil {
			err = fmt.Errorf("%w. The file has changed since and is not used: %w", err, problem)
		}
		return resolved, nodetemplate.Refuse(v1alpha1.ReasonRuntimeVersionUnknown, err), nil
	}
	if c.APIServer == nil || resolved.Kubernetes == (nodetemplate.Release{}) {
		return resolved, nodetemplate.Refusal{}, nil
	}
	release, err := c.APIServer.Release(ctx)
	if err != nil {
		return resolved, nodetemplate.Refusal{}, err
	}
	return resolved, resolved.CheckSkew(release), nil
}

// Changes returns a channel that has an event after each change of the answers of Resolve that
// comes from the file. The object of the event is empty. An event stands for all changes since
// the one before.
func (c *Catalogue) Changes() <-chan event.GenericEvent {
	changes := make(chan event.GenericEvent, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.subscribers = append(c.subscribers, changes)
	return changes
}

// set replaces the state and passes it on.
func (c *Catalogue) set(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
	for _, changes := range c.subscribers {
		select {
		case changes <- event.GenericEvent{Object: &v1alpha1.MesosNodePool{}}:
		default: // One is waiting to be received already.
		}
	}
}
