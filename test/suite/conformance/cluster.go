package conformance

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"sync"
	"time"
)

const (
	// checkTimeoutFactor times Options.Patience is the maximum duration of one check.
	checkTimeoutFactor = 5
	// cleanupTimeout is the maximum duration of the clean-up at the end of a run.
	cleanupTimeout = 45 * time.Second
	// failoverTimeout in seconds. If this process is killed with SIGKILL, the master
	// removes its frameworks after this time.
	failoverTimeout = 60
)

// cluster is the state that all checks of a run share.
type cluster struct {
	Options
	masters       []*url.URL
	transport     *transport
	run           string          // part of all names, unique for this run
	ctx           context.Context // of the streams; cancelled when the run ends
	noShellReason string          // why shell executors do not work here; empty while unknown

	mu           sync.Mutex
	number       int
	frameworks   map[string]*schedulerClient // frameworks that may still be registered
	sharedClient *schedulerClient            // for checks that need no framework of their own
}

// Run runs all selected checks one after the other, calls report after each, and cleans
// up. It returns an error if no check could run.
func Run(ctx context.Context, o Options, report func(Result)) (*Report, error) {
	masters, err := parseMasters(o.Masters)
	if err != nil {
		return nil, err
	}
	o = o.withDefaults()
	name := make([]byte, 4)
	_, _ = rand.Read(name) // never fails
	c := &cluster{
		Options: o, masters: masters, transport: newTransport(o), run: hex.EncodeToString(name),
		frameworks: map[string]*schedulerClient{},
	}
	defer c.transport.http.CloseIdleConnections()
	// The streams outlive an interruption, because the clean-up needs them.
	var stop context.CancelFunc
	c.ctx, stop = context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	leader, version, err := c.transport.leader(ctx, masters)
	if err != nil {
		return nil, err
	}
	r := &Report{Master: leader.Host, Version: versionIn(version.body)}
	for _, ch := range checks() {
		if o.Only != nil && !o.Only.MatchString(ch.name) {
			continue
		}
		res := c.perform(ctx, ch)
		r.Results = append(r.Results, res)
		report(res)
	}
	r.Left = c.cleanUp()
	return r, nil
}

func versionIn(body []byte) string {
	var v struct {
		Get struct {
			Info struct {
				Version string `json:"version"`
			} `json:"version_info"`
		} `json:"get_version"`
	}
	_ = json.Unmarshal(body, &v) // an unreadable body has no version
	return v.Get.Info.Version
}

// perform runs one check in bounded time.
func (c *cluster) perform(ctx context.Context, ch check) Result {
	res := Result{Name: ch.name, Relies: ch.relies, Rows: ch.rows}
	if ctx.Err() != nil {
		res.Verdict, res.Seen = Skip, "interrupted"
		return res
	}
	start := time.Now()
	p := &probe{cluster: c}
	var cancel context.CancelFunc
	p.ctx, cancel = context.WithTimeout(ctx, checkTimeoutFactor*c.Patience)
	defer cancel()
	seen, err := ch.run(p)
	var s skipError
	var w warnError
	switch {
	case err == nil:
		res.Verdict, res.Seen = Pass, seen
	case ctx.Err() != nil:
		res.Verdict, res.Seen = Skip, "interrupted"
	case errors.As(err, &s):
		res.Verdict, res.Seen = Skip, s.Error()
	case errors.As(err, &w):
		res.Verdict, res.Seen = Warn, w.Error()
	default:
		res.Verdict, res.Seen = Fail, err.Error()
	}
	p.end()
	res.Took = time.Since(start)
	return res
}

// cleanUp tears down all frameworks that may still be registered. It describes the ones
// that it could not tear down.
func (c *cluster) cleanUp() []string {
	ctx, cancel := context.WithTimeout(c.ctx, cleanupTimeout)
	defer cancel()
	var left []string
	c.mu.Lock()
	frameworks := maps.Clone(c.frameworks)
	c.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(frameworks)) {
		if err := frameworks[id].tearDown(ctx); err != nil {
			left = append(left, fmt.Sprintf("framework %s, which the master removes %d s after its disconnection: %v", id, failoverTimeout, err))
		}
	}
	return left
}

// registered records a framework for the clean-up.
func (c *cluster) registered(f *schedulerClient) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.frameworks[f.frameworkID] = f
}

// check is one property of a Mesos cluster that k8sm relies on.
type check struct {
	name   string
	relies string
	rows   []int // of docs/faults.md
	// run returns what it observed. The error is a skipError, a warnError, or the reason of the failure.
	run func(*probe) (seen string, err error)
}

// onShared returns a check that uses the shared framework.
func onShared(ask func(*probe, *schedulerClient) (string, error)) func(*probe) (string, error) {
	return checkWith((*probe).shared, ask)
}

// onOwn returns a check that uses a framework of its own, whose role is suppressed.
func onOwn(ask func(*probe, *schedulerClient) (string, error)) func(*probe) (string, error) {
	return checkWith(func(p *probe) (*schedulerClient, error) { return p.framework(frameworkSpec{suppressed: true}) }, ask)
}

func checkWith(with func(*probe) (*schedulerClient, error), ask func(*probe, *schedulerClient) (string, error)) func(*probe) (string, error) {
	return func(p *probe) (string, error) {
		f, err := with(p)
		if err != nil {
			return "", err
		}
		return ask(p, f)
	}
}

// withTask launches a task and calls ask when it runs.
func withTask(ask func(p *probe, f *schedulerClient, task string, o offer) (string, error)) func(*probe, *schedulerClient) (string, error) {
	return func(p *probe, f *schedulerClient) (string, error) {
		task, o, err := f.runTask(p)
		if err != nil {
			return "", err
		}
		return ask(p, f, task, o)
	}
}

// withOffer calls ask with an offer that has room for a task.
func withOffer(ask func(p *probe, f *schedulerClient, o offer) (string, error)) func(*probe, *schedulerClient) (string, error) {
	return func(p *probe, f *schedulerClient) (string, error) {
		o, err := f.anyOffer(p, 1)
		if err != nil {
			return "", err
		}
		return ask(p, f, o)
	}
}

// skipError is the reason why a check cannot run on this cluster.
type skipError string

func (s skipError) Error() string { return string(s) }

func skipf(format string, args ...any) error { return skipError(fmt.Sprintf(format, args...)) }

// warnError is what others can do to this cluster, although k8sm works on it.
type warnError string

func (w warnError) Error() string { return string(w) }

// probe is the state of one running check.
type probe struct {
	*cluster
	ctx context.Context
	own []*schedulerClient // frameworks that only this check uses
}

// framework subscribes a framework that only this check uses.
func (p *probe) framework(s frameworkSpec) (*schedulerClient, error) {
	f, err := p.subscribe(p.ctx, s)
	if err != nil {
		return nil, err
	}
	p.own = append(p.own, f)
	return f, nil
}

// addOwn records a framework that was not subscribed by the method framework.
func (p *probe) addOwn(f *schedulerClient) {
	p.registered(f)
	p.own = append(p.own, f)
}

// shared returns the framework of the checks that need none of their own. It is
// subscribed and suppressed, and has no tasks.
func (p *probe) shared() (*schedulerClient, error) {
	if p.sharedClient != nil && p.sharedClient.endError() == nil {
		return p.sharedClient, nil
	}
	s := frameworkSpec{suppressed: true}
	if p.sharedClient != nil {
		s.id = p.sharedClient.frameworkID
	}
	f, err := p.subscribe(p.ctx, s)
	if err != nil {
		p.sharedClient = nil // the next check creates a new one
		return nil, err
	}
	p.sharedClient = f
	return f, nil
}

// end removes the frameworks and tasks of a check. The clean-up of the run repeats what
// fails here.
func (p *probe) end() {
	ctx, cancel := context.WithTimeout(p.cluster.ctx, p.Patience)
	defer cancel()
	for _, f := range slices.Backward(p.own) {
		_ = f.tearDown(ctx) // repeated at the end of the run
	}
	if p.sharedClient != nil && p.sharedClient.endError() == nil {
		if err := p.sharedClient.reset(ctx); err != nil {
			_ = p.sharedClient.tearDown(ctx)
			p.sharedClient = nil
		}
	}
}

// name returns a unique name for tasks, labels and agents.
func (c *cluster) name() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.number++
	return fmt.Sprintf("k8sm-conformance-%s-%d", c.run, c.number)
}

// sleep waits for d, or until the context of the check ends.
func (p *probe) sleep(d time.Duration) error {
	select {
	case <-p.ctx.Done():
		return p.ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// poll calls ask until it returns true or an error.
func (p *probe) poll(what string, ask func() (bool, error)) error {
	deadline := time.Now().Add(p.Patience)
	for {
		done, err := ask()
		if err != nil || done {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: not within %s", what, p.Patience)
		}
		if err := p.sleep(p.Quiet / 20); err != nil {
			return err
		}
	}
}
