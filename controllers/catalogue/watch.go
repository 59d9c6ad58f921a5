package catalogue

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/k8sm/k8sm/controllers/nodetemplate"
)

const (
	// readInterval is the time between two readings of the file. Nothing is gained by
	// notifications of the kernel: the kubelet needs up to a minute to write a ConfigMap, and
	// they are missed on network file systems.
	readInterval = 2 * time.Second
	// leastReadings is the number of readings in a row that must agree before they count. A
	// file that is being written may be valid halfway, or missing for a moment.
	leastReadings = 2
)

// reading is what was read of the file lately.
type reading struct {
	// taken is the content that was checked last, and refusal the result, nil for valid.
	taken   []byte
	refusal error
	// next is other content that was read, or the error of reading, and count the number of
	// times in a row.
	next    []byte
	nextErr string
	count   int
}

// Start reads the file until the context ends. It implements manager.Runnable.
func (c *Catalogue) Start(ctx context.Context) error {
	if c.File == "" {
		return nil
	}
	ticker := time.NewTicker(readInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			c.read()
		}
	}
}

// NeedLeaderElection implements manager.LeaderElectionRunnable. An operator that stands by has
// the present catalogue when it becomes the leader, and its metrics show whether it is valid.
func (c *Catalogue) NeedLeaderElection() bool { return false }

// read reads the file once. The path is opened anew each time: a ConfigMap's file is a
// symbolic link, which the kubelet replaces.
func (c *Catalogue) read() {
	r := &c.reading
	data, err := readFile(c.File)
	if err == nil && bytes.Equal(data, r.taken) {
		r.count = 0
		c.report(r.refusal)
		return
	}
	failure := ""
	if err != nil {
		failure, data = err.Error(), nil
	}
	if r.count == 0 || failure != r.nextErr || !bytes.Equal(data, r.next) {
		r.next, r.nextErr, r.count = data, failure, 0
	}
	if r.count++; r.count < leastReadings {
		return
	}
	if err != nil {
		c.report(fmt.Errorf("reading the node runtime: %w", err))
		return
	}
	runtime, err := nodetemplate.ParseRuntime(data)
	r.taken, r.refusal, r.count = data, err, 0
	if err != nil {
		c.report(err)
		return
	}
	c.set(func() { c.runtime, c.problem = runtime, nil })
	setTaken(c.Now())
	c.warnOfLogins(runtime)
	c.Log.Info("The node runtime was read anew", "file", c.File, "versions", len(runtime.Versions), "defaultVersion", runtime.DefaultVersion)
}

// report notes whether the file's content is the one that is used, if that has changed.
func (c *Catalogue) report(problem error) {
	if _, before := c.state(); fmt.Sprint(problem) == fmt.Sprint(before) {
		return
	}
	c.set(func() { c.problem = problem })
	if problem != nil {
		setRefused()
		c.Log.Error(problem, "The node runtime cannot be used, and the content of before stays", "file", c.File)
		return
	}
	setTaken(c.Now())
	c.Log.Info("The node runtime is valid again", "file", c.File)
}
