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
	// checkMost is how many times the patience one check may take in all.
	checkMost = 5
	// cleanupMost bounds the clean-up at the end.
	cleanupMost = 45 * time.Second
	// failoverTimeout in seconds: what is left if this process is killed outright goes
	// when it has passed.
	failoverTimeout = 60
)

// cluster is what the checks share.
type cluster struct {
	Options
	masters   []*url.URL
	transport *transport
	run       string          // tells this run's names from all others
	ctx       context.Context // of the streams; ends when the run does
	noShell   string          // why executors cannot be shell scripts here, once known

	mu         sync.Mutex
	number     int
	frameworks map[string]*schedulerClient // that may still be registered
	common     *schedulerClient            // shared by checks that need none of their own
}

// Run asks everything, one check after the other, and cleans up. Each result is told as
// soon as it is there. The error says why nothing could be asked at all.
func Run(ctx context.Context, o Options, tell func(Result)) (*Report, error) {
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
	// The streams outlive an interruption, to be torn down.
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
		tell(res)
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
	_ = json.Unmarshal(body, &v) // what cannot be read has no version
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
	p.ctx, cancel = context.WithTimeout(ctx, checkMost*c.Patience)
	defer cancel()
	seen, err := ch.run(p)
	var s skipped
	switch {
	case err == nil:
		res.Verdict, res.Seen = Pass, seen
	case ctx.Err() != nil:
		res.Verdict, res.Seen = Skip, "interrupted"
	case errors.As(err, &s):
		res.Verdict, res.Seen = Skip, s.Error()
	default:
		res.Verdict, res.Seen = Fail, err.Error()
	}
	p.end()
	res.Took = time.Since(start)
	return res
}

// cleanUp tears down all frameworks that may still be there, and says what it could not.
func (c *cluster) cleanUp() []string {
	ctx, cancel := context.WithTimeout(c.ctx, cleanupMost)
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

// registered notes a framework that has to be torn down in the end.
func (c *cluster) registered(f *schedulerClient) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.frameworks[f.frameworkID] = f
}

// check is one thing that k8sm relies on.
type check struct {
	name   string
	relies string
	rows   []int // of docs/faults.md
	// run says what it saw, or an error: skipped, or the reason of the failure.
	run func(*probe) (seen string, err error)
}

// onShared makes a check that asks on the framework that such checks share.
func onShared(ask func(*probe, *schedulerClient) (string, error)) func(*probe) (string, error) {
	return asking((*probe).shared, ask)
}

// onOwn makes a check that asks on a framework of its own, which is suppressed.
func onOwn(ask func(*probe, *schedulerClient) (string, error)) func(*probe) (string, error) {
	return asking(func(p *probe) (*schedulerClient, error) { return p.framework(spec{suppressed: true}) }, ask)
}

func asking(with func(*probe) (*schedulerClient, error), ask func(*probe, *schedulerClient) (string, error)) func(*probe) (string, error) {
	return func(p *probe) (string, error) {
		f, err := with(p)
		if err != nil {
			return "", err
		}
		return ask(p, f)
	}
}

// withTask gives a task that runs to what is asked.
func withTask(ask func(p *probe, f *schedulerClient, task string, o offer) (string, error)) func(*probe, *schedulerClient) (string, error) {
	return func(p *probe, f *schedulerClient) (string, error) {
		task, o, err := f.runs(p)
		if err != nil {
			return "", err
		}
		return ask(p, f, task, o)
	}
}

// withOffer gives an offer with room for a task to what is asked.
func withOffer(ask func(p *probe, f *schedulerClient, o offer) (string, error)) func(*probe, *schedulerClient) (string, error) {
	return func(p *probe, f *schedulerClient) (string, error) {
		o, err := f.anyOffer(p, 1)
		if err != nil {
			return "", err
		}
		return ask(p, f, o)
	}
}

// skipped is why a check could not be made here.
type skipped string

func (s skipped) Error() string { return string(s) }

func skipf(format string, args ...any) error { return skipped(fmt.Sprintf(format, args...)) }

// probe is one check under way.
type probe struct {
	*cluster
	ctx context.Context
	own []*schedulerClient // frameworks of this check alone
}

// framework subscribes a framework that this check has for itself.
func (p *probe) framework(s spec) (*schedulerClient, error) {
	f, err := p.subscribe(p.ctx, s)
	if err != nil {
		return nil, err
	}
	p.own = append(p.own, f)
	return f, nil
}

// keep takes a framework that subscribed otherwise.
func (p *probe) keep(f *schedulerClient) {
	p.registered(f)
	p.own = append(p.own, f)
}

// shared is the framework of all checks that need none of their own: subscribed,
// suppressed, without tasks.
func (p *probe) shared() (*schedulerClient, error) {
	if p.common != nil && p.common.end() == nil {
		return p.common, nil
	}
	s := spec{suppressed: true}
	if p.common != nil {
		s.id = p.common.frameworkID
	}
	f, err := p.subscribe(p.ctx, s)
	if err != nil {
		p.common = nil // the next check begins with a new one
		return nil, err
	}
	p.common = f
	return f, nil
}

// end leaves nothing of a check behind, apart from what the last clean-up tries again.
func (p *probe) end() {
	ctx, cancel := context.WithTimeout(p.cluster.ctx, p.Patience)
	defer cancel()
	for _, f := range slices.Backward(p.own) {
		_ = f.tearDown(ctx) // tried again at the end of the run
	}
	if p.common != nil && p.common.end() == nil {
		if err := p.common.rest(ctx); err != nil {
			_ = p.common.tearDown(ctx)
			p.common = nil
		}
	}
}

// name is one that nobody else has given, for tasks and the like.
func (c *cluster) name() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.number++
	return fmt.Sprintf("k8sm-conformance-%s-%d", c.run, c.number)
}

// sleep waits, unless the check has to end.
func (p *probe) sleep(d time.Duration) error {
	select {
	case <-p.ctx.Done():
		return p.ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// poll asks until the answer is yes.
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
