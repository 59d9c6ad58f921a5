package detector

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"time"
)

const (
	// patience is how long a server may take to answer, and the timeout of our session
	// with it. Masters use the same.
	patience = 10 * time.Second
	// pingEvery keeps the session, and tells whether the server is still there.
	pingEvery = patience / 3
	// lookAgain is how long an unbroken silence of the watch is believed.
	lookAgain = time.Minute
	// lookForPath is the same while there is no path to watch.
	lookForPath = 5 * time.Second
	// breath is the least time between two looks, however often things change.
	breath = 100 * time.Millisecond
	// pause is between two servers, the half of it up to all.
	pause = 2 * time.Second
)

// Config of a detector.
type Config struct {
	Ensemble Ensemble
	// Dial opens connections; it heeds its context.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Seed of which server is asked first, and of the jitter.
	Seed uint64
	// Found is told what is found, whenever that has changed, from one goroutine.
	Found func(Finding)
}

// Finding is what is known of who leads.
type Finding struct {
	// Master that leads; zero when none does.
	Master Master
	// Err is why it is not known; the master that led before may do so still.
	Err error
}

func (f Finding) equal(g Finding) bool {
	return f.Master == g.Master && (f.Err == nil) == (g.Err == nil) && (f.Err == nil || f.Err.Error() == g.Err.Error())
}

// Run detects until the context ends.
func Run(ctx context.Context, cfg Config) {
	d := detector{Config: cfg, rand: rand.New(rand.NewPCG(cfg.Seed, 0))}
	for i := d.rand.IntN(len(cfg.Ensemble.Servers)); ctx.Err() == nil; i++ {
		server := cfg.Ensemble.Servers[i%len(cfg.Ensemble.Servers)]
		err := d.visit(ctx, server)
		if ctx.Err() != nil {
			return
		}
		d.found(Finding{Err: fmt.Errorf("asking ZooKeeper at %s for the leading master: %w", server, err)})
		select {
		case <-time.After(pause/2 + time.Duration(d.rand.Int64N(int64(pause/2)))):
		case <-ctx.Done():
		}
	}
}

type detector struct {
	Config
	rand *rand.Rand
	told bool
	last Finding
}

func (d *detector) found(f Finding) {
	if d.told && d.last.equal(f) {
		return
	}
	d.told, d.last = true, f
	d.Found(f)
}

// visit watches at one server until something is wrong with it.
func (d *detector) visit(ctx context.Context, server string) error {
	c := &conversation{packets: make(chan fields)}
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	defer c.cancel(nil)
	c.overdue = time.AfterFunc(patience, func() { c.cancel(fmt.Errorf("no answer for %s", patience)) })
	defer c.overdue.Stop()
	conn, err := d.Dial(c.ctx, "tcp", server)
	if err != nil {
		return c.why(err)
	}
	ended := c.open(conn)
	defer func() {
		c.cancel(nil)
		<-ended
	}()
	return c.why(d.watch(c))
}

func (d *detector) watch(c *conversation) error {
	if err := c.connect(d.Ensemble.secret); err != nil {
		return err
	}
	for {
		f, again, err := c.look(d.Ensemble)
		if err != nil {
			return err
		}
		d.found(f)
		if err := c.wait(again); err != nil {
			return err
		}
	}
}
