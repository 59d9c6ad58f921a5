package sessions

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/k8sm/k8sm/mesos/placement"
)

func TestOneSessionPerName(t *testing.T) {
	r := NewRegistry()
	t.Cleanup(r.Close)
	e, _ := startSession(t, r, "default")
	if got := r.Find("default"); got != e {
		t.Errorf("found %v", got)
	}
	second := newSession(r, "default")
	if _, err := r.Begin("default", second); err == nil || !strings.Contains(err.Error(), "of default has not ended") {
		t.Errorf("two sessions run under one name: %v", err)
	}
	await(t, "the end", func() bool { return r.End("default") })
	if got := r.Find("default"); got != nil {
		t.Errorf("found %v after the end", got)
	}
	if _, err := r.Begin("default", second); err != nil {
		t.Errorf("after the end of the first: %v", err)
	}
}

func TestSessionsOfSeveralFrameworksDoNotMix(t *testing.T) {
	r := NewRegistry()
	t.Cleanup(r.Close)
	first, _ := startSession(t, r, "first")
	second, _ := startSession(t, r, "second")
	await(t, "the end of the first", func() bool { return r.End("first") })
	if !first.Ended() || second.Ended() || r.Find("second") != second {
		t.Errorf("first ended: %t, second ended: %t", first.Ended(), second.Ended())
	}
}

func TestASessionThatEndedByItselfIsFoundUntilItIsEnded(t *testing.T) {
	r := NewRegistry()
	t.Cleanup(r.Close)
	e, f := startSession(t, r, "default")
	f.setState(subscribedState)
	if !e.Ready() {
		t.Error("a session that is subscribed and reconciled is not ready")
	}
	f.failed <- errors.New("the master removed the framework")
	await(t, "the end of Run", e.Ended)
	if r.Find("default") != e || e.Ready() {
		t.Errorf("found %v, ready: %t", r.Find("default"), e.Ready())
	}
	if !r.End("default") || r.Find("default") != nil {
		t.Error("it is still there after End")
	}
}

func TestASessionThatEndedByItselfCanBeReplaced(t *testing.T) {
	r := NewRegistry()
	t.Cleanup(r.Close)
	e, f := startSession(t, r, "default")
	f.failed <- nil
	await(t, "the end of Run", e.Ended)
	second, err := r.Begin("default", newSession(r, "default"))
	if err != nil || r.Find("default") != second {
		t.Errorf("found %v, want the second (%v)", r.Find("default"), err)
	}
}

func TestEndDoesNotWait(t *testing.T) {
	r := NewRegistry()
	f := newSession(r, "default")
	f.blocked = make(chan struct{})
	if _, err := r.Begin("default", f); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if r.End("default") {
			t.Fatal("a session that runs was reported as ended")
		}
	}
	if _, err := r.Begin("default", newSession(r, "default")); err == nil {
		t.Error("a second session began while the first one was ending")
	}
	close(f.blocked)
	await(t, "the end", func() bool { return r.End("default") })
	r.Close()
}

func TestEndOfANameWithoutSession(t *testing.T) {
	if !NewRegistry().End("default") {
		t.Error("a session is reported that never was")
	}
}

func TestNoSessionStartsAfterLeadershipIsLost(t *testing.T) {
	r := NewRegistry()
	e, _ := startSession(t, r, "default")
	r.Close()
	if !e.Ended() || e.Ready() {
		t.Error("the session runs on")
	}
	if _, err := r.Begin("other", newSession(r, "other")); err == nil {
		t.Error("a session began")
	}
}

func TestStartEndsAllSessionsBeforeItReturns(t *testing.T) {
	r := NewRegistry()
	ctx, cancel := context.WithCancel(context.Background())
	returned := make(chan error)
	go func() { returned <- r.Start(ctx) }()
	f := newSession(r, "default")
	f.blocked = make(chan struct{})
	e, err := r.Begin("default", f)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	select {
	case <-returned:
		t.Fatal("it returned while a session was running")
	case <-time.After(30 * time.Millisecond):
	}
	close(f.blocked)
	if err := <-returned; err != nil || !e.Ended() {
		t.Errorf("returned %v, session ended: %t", err, e.Ended())
	}
}

func TestOnlyTheLeaderRunsSessions(t *testing.T) {
	if !NewRegistry().NeedLeaderElection() {
		t.Error("every operator would start sessions")
	}
}

func TestCapacityIsThatOfTheNamedFramework(t *testing.T) {
	r := NewRegistry()
	t.Cleanup(r.Close)
	room := func(name string) placement.Headroom {
		capacity := r.Capacity(context.Background(), name)
		return capacity.Headroom(placement.Demand{})
	}
	if got, want := room("default"), (placement.Headroom{Count: placement.UnknownCount, Reason: "MesosFramework default has no session"}); got != want {
		t.Errorf("without a session: %+v, want %+v", got, want)
	}
	startSession(t, r, "default")
	if got, want := room("default"), (placement.Headroom{Count: placement.UnknownCount, Reason: "a fake knows no capacity"}); got != want {
		t.Errorf("with one: %+v, want %+v", got, want)
	}
}
