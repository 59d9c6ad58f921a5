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

// errNotLeading is the error of requests that the fence rejects.
var errNotLeading = errors.New("this operator does not lead, or has not renewed its lease in time")

// fence prevents an operator that no longer leads from changing anything. A process can be
// stopped for longer than its lease is valid. When it is resumed, it continues with what it was
// doing, and would write before its leader election notices.
//
// The fence is the lock of the leader election, because a lock learns first of each renewal.
// The requests of the election itself do not pass the fence.
type fence struct {
	resourcelock.Interface
	// validity is the time after a renewal in which changes are allowed. It is shorter than
	// the time that other operators wait, so that requests that were sent arrive before
	// another operator leads.
	validity time.Duration
	now      func() time.Time

	mu sync.Mutex
	// renewedAt is when the last successful renewal was sent; zero if this operator does not
	// lead.
	renewedAt time.Time
}

// newFence returns the lock of the leader election. Its identity is unique to this process.
func newFence(o options, access *rest.Config, hostname string) (*fence, error) {
	lock, err := resourcelock.NewFromKubeconfig(resourcelock.LeasesResourceLock, o.namespace, o.leaderElectionID,
		resourcelock.ResourceLockConfig{Identity: hostname + "_" + string(uuid.NewUUID())}, access, o.leaseTimes.renew)
	if err != nil {
		return nil, fmt.Errorf("making the lock of the leader election: %w", err)
	}
	return &fence{Interface: lock, validity: o.leaseTimes.renew, now: time.Now}, nil
}

// Create implements resourcelock.Interface.
func (f *fence) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return f.recordRenewal(record, func() error { return f.Interface.Create(ctx, record) })
}

// Update implements resourcelock.Interface.
func (f *fence) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return f.recordRenewal(record, func() error { return f.Interface.Update(ctx, record) })
}

// recordRenewal writes the lease, and records when a renewal that succeeded was sent. Giving
// the lease up counts from before the write.
func (f *fence) recordRenewal(record resourcelock.LeaderElectionRecord, write func() error) error {
	sentAt := f.now()
	if record.HolderIdentity != f.Identity() {
		f.setRenewed(time.Time{})
		return write()
	}
	err := write()
	if err == nil {
		f.setRenewed(sentAt)
	}
	return err
}

func (f *fence) setRenewed(at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.renewedAt = at
}

// isOpen reports whether changes are allowed. It needs both clocks: the monotonic clock stands
// still while the machine sleeps, and the wall clock may be set.
func (f *fence) isOpen() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	return !f.renewedAt.IsZero() && now.Sub(f.renewedAt) < f.validity && now.Round(0).Sub(f.renewedAt.Round(0)) < f.validity
}

// maySubscribe returns an error unless this operator leads, which it asks the API server.
func (f *fence) maySubscribe(ctx context.Context) error {
	record, _, err := f.Get(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("reading the lease: %w", err)
	case record.HolderIdentity != f.Identity():
		return fmt.Errorf("the lease is held by %q: %w", record.HolderIdentity, errNotLeading)
	case !f.isOpen():
		return errNotLeading
	}
	return nil
}

// wrap returns a transport that rejects requests that change something while the fence is
// closed.
func (f *fence) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		if request.Method != http.MethodGet && request.Method != http.MethodHead && !f.isOpen() {
			if request.Body != nil {
				_ = request.Body.Close() // The contract of RoundTripper requires it, also for errors.
			}
			return nil, errNotLeading
		}
		return next.RoundTrip(request)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }
