package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// fakeLock is a lease in memory.
type fakeLock struct {
	record resourcelock.LeaderElectionRecord
	err    error
}

func (l *fakeLock) Get(context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	return &l.record, nil, l.err
}

func (l *fakeLock) Create(_ context.Context, r resourcelock.LeaderElectionRecord) error {
	return l.Update(context.Background(), r)
}

func (l *fakeLock) Update(_ context.Context, r resourcelock.LeaderElectionRecord) error {
	if l.err == nil {
		l.record = r
	}
	return l.err
}

func (*fakeLock) RecordEvent(string) {}
func (*fakeLock) Identity() string   { return "us" }
func (*fakeLock) Describe() string   { return "a lease" }

func TestFenceBlocksWritesWithoutTheLease(t *testing.T) {
	ours, theirs, nobodys := resourcelock.LeaderElectionRecord{HolderIdentity: "us"}, resourcelock.LeaderElectionRecord{HolderIdentity: "them"}, resourcelock.LeaderElectionRecord{}
	tests := map[string]struct {
		unacquired bool // the lease is not acquired first
		do         func(*fence, *fakeLock, *time.Time)
		writes     bool
		subscribes string // why not, "" if it may
	}{
		"before the lease is acquired": {unacquired: true, do: func(*fence, *fakeLock, *time.Time) {}, subscribes: "is held by"},
		"right after a renewal":        {do: func(*fence, *fakeLock, *time.Time) {}, writes: true},
		"before the lease expires":     {do: func(_ *fence, _ *fakeLock, now *time.Time) { *now = now.Add(9 * time.Second) }, writes: true},
		"after the lease has expired":  {do: func(_ *fence, _ *fakeLock, now *time.Time) { *now = now.Add(10 * time.Second) }, subscribes: errNotLeading.Error()},
		"after a suspend of the machine, during which only the wall clock runs": {
			do: func(_ *fence, _ *fakeLock, now *time.Time) { *now = now.Round(0).Add(time.Minute) }, subscribes: errNotLeading.Error(),
		},
		"after a failed renewal": {
			do: func(f *fence, l *fakeLock, now *time.Time) {
				*now = now.Add(9 * time.Second)
				l.err = errors.New("no route to host")
				_ = f.Update(context.Background(), ours)
				*now = now.Add(time.Second)
			},
			subscribes: "no route to host",
		},
		"while another operator leads": {
			do:     func(_ *fence, l *fakeLock, _ *time.Time) { l.record = theirs },
			writes: true, subscribes: `the lease is held by "them"`,
		},
		"after the lease was released": {
			do:         func(f *fence, _ *fakeLock, _ *time.Time) { _ = f.Update(context.Background(), nobodys) },
			subscribes: `the lease is held by ""`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			now := time.Now()
			lock := &fakeLock{}
			f := &fence{Interface: lock, validity: 10 * time.Second, now: func() time.Time { return now }}
			if !test.unacquired {
				if err := f.Create(context.Background(), ours); err != nil {
					t.Fatal(err)
				}
			}
			test.do(f, lock, &now)
			served := 0
			transport := f.wrap(roundTripper(func(*http.Request) (*http.Response, error) {
				served++
				return &http.Response{StatusCode: http.StatusOK}, nil
			}))
			for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
				served = 0
				request, err := http.NewRequest(method, "http://kubernetes.example/", strings.NewReader("{}"))
				if err != nil {
					t.Fatal(err)
				}
				if _, err = transport.RoundTrip(request); (served == 1) != test.writes || test.writes != (err == nil) {
					t.Errorf("%s was sent %d times, with %v", method, served, err)
				}
			}
			served = 0
			request, _ := http.NewRequest(http.MethodGet, "http://kubernetes.example/", nil)
			if _, err := transport.RoundTrip(request); err != nil || served != 1 {
				t.Errorf("it may not even read: %v", err)
			}
			err := f.maySubscribe(context.Background())
			if (err == nil) != (test.subscribes == "") || err != nil && !strings.Contains(err.Error(), test.subscribes) {
				t.Errorf("may it subscribe? %v, want %q", err, test.subscribes)
			}
		})
	}
}

func TestFenceClosesRejectedRequests(t *testing.T) {
	f := &fence{Interface: &fakeLock{}, validity: time.Second, now: time.Now}
	transport := f.wrap(roundTripper(func(*http.Request) (*http.Response, error) {
		t.Error("the request was sent")
		return &http.Response{StatusCode: http.StatusOK}, nil
	}))
	body := &closedBody{Reader: strings.NewReader("{}")}
	for name, request := range map[string]*http.Request{
		"a request with a body":    {Method: http.MethodPost, Body: body},
		"a request without a body": {Method: http.MethodDelete},
	} {
		if _, err := transport.RoundTrip(request); !errors.Is(err, errNotLeading) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if !body.closed {
		t.Error("the body was not closed")
	}
}

// closedBody remembers that it was closed.
type closedBody struct {
	*strings.Reader
	closed bool
}

func (b *closedBody) Close() error { b.closed = true; return nil }

func TestLeaseRenewalCountsFromItsSendTime(t *testing.T) {
	now := time.Now()
	lock := &slowLock{advance: func() { now = now.Add(8 * time.Second) }}
	f := &fence{Interface: lock, validity: 10 * time.Second, now: func() time.Time { return now }}
	if err := f.Update(context.Background(), resourcelock.LeaderElectionRecord{HolderIdentity: "us"}); err != nil {
		t.Fatal(err)
	}
	if !f.isOpen() {
		t.Error("it is closed 8 seconds after the renewal was sent")
	}
	now = now.Add(2 * time.Second)
	if f.isOpen() {
		t.Error("it is open 10 seconds after the renewal was sent, although that took 8 seconds")
	}
}

// slowLock is a lease whose writes take time.
type slowLock struct {
	fakeLock
	advance func()
}

func (l *slowLock) Update(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	l.advance()
	return l.fakeLock.Update(ctx, r)
}
