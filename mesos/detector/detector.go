package detector

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"time"
)

const (
	// sessionTimeout is the maximum time that a server may take to answer, and the timeout of
	// the ZooKeeper session. Mesos masters use the same.
	sessionTimeout = 10 * time.Second
	// pingInterval is the time between two pings. They keep the session alive and show
	// whether the server still answers.
	pingInterval = sessionTimeout / 3
	// pollInterval is the time after which the leader is read again although the watch
	// reported no change: a watch may get lost.
	pollInterval = time.Minute
	// missingPathInterval is the same while the path does not exist, which cannot be watched.
	missingPathInterval = 5 * time.Second
	// minReadInterval is the minimum time between two reads, however often the path changes.
	minReadInterval = 100 * time.Millisecond
	// maxReconnectDelay is the maximum time between two servers. The minimum is half of it.
	maxReconnectDelay = 2 * time.Second
)

// Config of a detector. All fields but Login, Seed and OnMasters are required.
type Config struct {
	Ensemble Ensemble
	// Login authenticates to ZooKeeper; nil for the one in the ensemble's address.
	Login *Login
	// Dial opens connections. It must heed its context.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Seed chooses the server that is tried first, and the jitter.
	Seed uint64
	// OnFinding is called with each finding that differs from the one before, always from the
	// same goroutine.
	OnFinding func(Finding)
	// OnMasters, if not nil, is called with all masters that are registered, those that may
	// lead later among them, whenever they change, from the same goroutine. They are in the
	// order in which they registered, maxMasters at most.
	OnMasters func([]Master)
}

// maxMasters bounds the masters that are read: an ensemble of Mesos has five or seven.
const maxMasters = 15

// Finding is what is known about the leading master.
type Finding struct {
	// Master that leads; zero when none does.
	Master Master
	// Err is why the leader is unknown; nil when it is known. The master that led before may
	// still lead.
	Err error
}

func (f Finding) equal(g Finding) bool {
	return f.Master == g.Master && (f.Err == nil) == (g.Err == nil) && (f.Err == nil || f.Err.Error() == g.Err.Error())
}

// Run detects until the context ends.
func Run(ctx context.Context, cfg Config) {
	if cfg.Login == nil {
		cfg.Login = NewLogin(cfg.Ensemble.login)
	}
	d := detector{Config: cfg, rand: rand.New(rand.NewPCG(cfg.Seed, 0))}
	for i := d.rand.IntN(len(cfg.Ensemble.Servers)); ctx.Err() == nil; i++ {
		server := cfg.Ensemble.Servers[i%len(cfg.Ensemble.Servers)]
		err := d.watchServer(ctx, server)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errLoginChanged) {
			continue
		}
		d.report(Finding{Err: fmt.Errorf("asking ZooKeeper at %s for the leading master: %w", server, err)})
		select {
		case <-time.After(maxReconnectDelay/2 + time.Duration(d.rand.Int64N(int64(maxReconnectDelay/2)))):
		case <-ctx.Done():
		}
	}
}

type detector struct {
	Config
	rand *rand.Rand
	last *Finding // that was reported; nil before the first
	// masters were reported last.
	masters []Master
}

// report calls OnFinding, unless the finding is the same as the last one.
func (d *detector) report(f Finding) {
	if d.last != nil && d.last.equal(f) {
		return
	}
	d.last = &f
	d.OnFinding(f)
}

// readMasters reads all masters that are registered, and calls OnMasters if they are others than
// before.
func (d *detector) readMasters(s *zkSession) error {
	if d.OnMasters == nil {
		return nil
	}
	masters, err := s.readMasters(d.Ensemble)
	if err != nil {
		return err
	}
	if !slices.Equal(masters, d.masters) {
		d.masters = masters
		d.OnMasters(slices.Clone(masters))
	}
	return nil
}

// watchServer watches the leader at one server, until that fails or the login changes. It returns
// the reason.
func (d *detector) watchServer(ctx context.Context, server string) error {
	s := newSession(ctx)
	defer s.close(nil)
	defer s.deadline.Stop()
	login, changed := d.Login.current()
	go func() {
		select {
		case <-changed:
			s.close(errLoginChanged)
		case <-s.ctx.Done():
		}
	}()
	conn, err := d.Dial(s.ctx, "tcp", server)
	if err != nil {
		return s.causeOf(err)
	}
	readerDone := s.start(conn)
	defer func() {
		s.close(nil)
		<-readerDone
	}()
	return s.causeOf(d.watchLeader(s, login))
}

// watchLeader connects and reports the leader whenever it changes.
func (d *detector) watchLeader(s *zkSession, login string) error {
	if err := s.connect(login); err != nil {
		return err
	}
	for {
		f, readAgainAfter, err := s.readLeader(d.Ensemble)
		if err != nil {
			return err
		}
		d.report(f)
		if err := d.readMasters(s); err != nil {
			return err
		}
		if err := s.waitForChange(readAgainAfter); err != nil {
			return err
		}
	}
}
