package mesostest

import (
	"context"
	"net/http"
	"time"

	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/offerconstraints"
)

// Faults of a master. The zero value has none. Counters count down with each call that they hit.
type Faults struct {
	// NoLeader: no master leads; every call but /health gets 503.
	NoLeader bool
	// Recovering: this master leads, but has not finished recovery; 503.
	Recovering bool
	// RedirectTo is host:port of the leading master: every call but /health gets 307
	// with a protocol-relative Location.
	RedirectTo string
	// Frozen: the master's process is stopped, as after SIGSTOP. Connections are made and
	// stay open; calls are not answered and events not sent until Frozen ends. Timers run
	// on.
	Frozen bool
	// Delay before each call is looked at.
	Delay time.Duration
	// DropRequests of the next N calls: their connection closes, nothing happened.
	DropRequests int
	// DropResponses of the next N scheduler calls other than SUBSCRIBE: they are
	// executed, then their connection closes without an answer.
	DropResponses int
	// LoseCalls, if not nil, sees each scheduler call that is about to be executed, by its
	// type (as "REVIVE"), and reports whether it gets lost after its 202, which promises no
	// more. It is not asked for SUBSCRIBE and UPDATE_FRAMEWORK, whose answers do. It must
	// not call the master.
	LoseCalls func(callType string) bool
	// Malformed is written, once, to a scheduler in place of the next record.
	Malformed []byte
	// DropEvents, if not nil, sees each event that is to be sent to a scheduler, by
	// its type (as "OFFERS" or "HEARTBEAT"), and reports whether it gets lost. It must not call the
	// master.
	DropEvents func(eventType string) bool
}

// Inject changes the faults of the master, for all calls and events that follow.
func (m *Master) Inject(change func(*Faults)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.faults)
	m.applyFrozen()
}

func (m *Master) applyFrozen() {
	switch {
	case m.faults.Frozen && m.unfrozen == nil:
		m.unfrozen = make(chan struct{})
	case !m.faults.Frozen && m.unfrozen != nil:
		close(m.unfrozen)
		m.unfrozen = nil
	}
}

// awaitUnfrozen returns when the master is not frozen, or it no longer matters.
func (m *Master) awaitUnfrozen(ctx context.Context) {
	m.mu.Lock()
	thawed := m.unfrozen
	m.mu.Unlock()
	if thawed == nil {
		return
	}
	select {
	case <-thawed:
	case <-ctx.Done():
	case <-m.done:
	}
}

func (m *Master) currentFaults() Faults {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.faults
}

// beforeCall applies the faults that come before a call is read.
func (m *Master) beforeCall() {
	if delay := m.currentFaults().Delay; delay > 0 {
		select {
		case <-time.After(delay):
		case <-m.done:
		}
	}
	if m.takeFault(func(f *Faults) *int { return &f.DropRequests }) {
		panic(http.ErrAbortHandler)
	}
}

// afterCall applies the faults that come after a call was executed.
func (m *Master) afterCall() {
	if m.takeFault(func(f *Faults) *int { return &f.DropResponses }) {
		panic(http.ErrAbortHandler)
	}
}

// losesCall reports whether a call is accepted and then lost.
func (m *Master) losesCall(call *offerconstraints.Call) bool {
	lose := m.currentFaults().LoseCalls
	return lose != nil && call.Type != schedulerpb.Call_UPDATE_FRAMEWORK && lose(call.Type.String())
}

func (m *Master) takeFault(counter func(*Faults) *int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	left := counter(&m.faults)
	if *left <= 0 {
		return false
	}
	*left--
	return true
}

func (m *Master) malformedRecord() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	raw := m.faults.Malformed
	m.faults.Malformed = nil
	return raw
}
