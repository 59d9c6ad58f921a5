package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// errNotLeading is why an operator changes nothing.
var errNotLeading = errors.New("this operator does not lead, or has not renewed its lease in time")

// fence keeps an operator that leads no more from changing anything. A process can be
// stopped for longer than its lease is good, and goes on with what it was about to do as
// if nothing had happened: before its leader election notices, it would have written.
//
// It is the lock of the election: what was renewed is known here first. The election
// itself goes past the fence.
type fence struct {
	resourcelock.Interface
	// good is how long after the last renewal changes are made: less than the others
	// wait, so that what is on its way arrives before another operator leads.
	good time.Duration
	now  func() time.Time

	mu      sync.Mutex
	renewed time.Time // when the last renewal that came about was asked for
}

// newFence makes the lock of an election in which this process has an identity of its own.
func newFence(o options, access *rest.Config, hostname string) (*fence, error) {
	lock, err := resourcelock.NewFromKubeconfig(resourcelock.LeasesResourceLock, o.namespace, o.leaderElectionID,
		resourcelock.ResourceLockConfig{Identity: hostname + "_" + string(uuid.NewUUID())}, access, o.leaderElectionInterval.renew)
	if err != nil {
		return nil, fmt.Errorf("making the lock of the leader election: %w", err)
	}
	return &fence{Interface: lock, good: o.leaderElectionInterval.renew, now: time.Now}, nil
}

// Create implements resourcelock.Interface.
func (f *fence) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return f.observe(record, func() error { return f.Interface.Create(ctx, record) })
}

// Update implements resourcelock.Interface.
func (f *fence) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return f.observe(record, func() error { return f.Interface.Update(ctx, record) })
}

// observe notes when a renewal that comes about was asked for. A lease that is given up
// is none from the moment that this is asked for.
func (f *fence) observe(record resourcelock.LeaderElectionRecord, write func() error) error {
	asked := f.now()
	if record.HolderIdentity != f.Identity() {
		f.renew(time.Time{})
		return write()
	}
	err := write()
	if err == nil {
		f.renew(asked)
	}
	return err
}

func (f *fence) renew(at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.renewed = at
}

// holds tells whether changes may be made. Neither clock alone would do: the monotonic
// one stands still while the machine sleeps, the other one may be set.
func (f *fence) holds() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	return !f.renewed.IsZero() && now.Sub(f.renewed) < f.good && now.Round(0).Sub(f.renewed.Round(0)) < f.good
}

// maySubscribe asks the API server whether the lease is still ours.
func (f *fence) maySubscribe(ctx context.Context) error {
	record, _, err := f.Get(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("reading the lease: %w", err)
	case record.HolderIdentity != f.Identity():
		return fmt.Errorf("the lease is held by %q: %w", record.HolderIdentity, errNotLeading)
	case !f.holds():
		return errNotLeading
	}
	return nil
}

// wrap has requests that change something made only behind the fence.
func (f *fence) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		if request.Method != http.MethodGet && request.Method != http.MethodHead && !f.holds() {
			if request.Body != nil {
				_ = request.Body.Close() // a round tripper closes it, whatever becomes of the request
			}
			return nil, errNotLeading
		}
		return next.RoundTrip(request)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }
