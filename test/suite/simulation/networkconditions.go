package simulation

import (
	"sync"
	"time"
)

// networkConditions determines how messages to the API server and the masters are delayed and
// lost. With the zero rates messages only have their usual delays.
type networkConditions struct {
	mu sync.Mutex
	failureRates
}

// failureRates are probabilities.
type failureRates struct {
	// down is set while the API server answers no call and sends no watch events.
	down bool
	// failBefore is the probability that a call to the API server fails without effect,
	// failAfter that its answer is lost.
	failBefore, failAfter float64
	// slowCalls is the probability that a call to the API server takes up to a hundred times as
	// long, slowWatches that a watch event does.
	slowCalls, slowWatches float64
	// cutConnections is the probability that a message breaks the connection between operator
	// and master, silentConnections that nothing more arrives on it.
	cutConnections, silentConnections float64
	// slowMessages is the probability that such a message takes up to a hundred times as long.
	slowMessages float64
}

const (
	apiTypical     = 8 * time.Millisecond
	watchTypical   = 15 * time.Millisecond
	networkTypical = 2 * time.Millisecond
)

// callOutcome has a call's delays in both directions, and its error before or after its effect.
type callOutcome struct {
	request, answer time.Duration
	before, after   error
}

func (w *networkConditions) current() failureRates {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failureRates
}

// change changes the failure rates.
func (w *networkConditions) change(f func(*failureRates)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.failureRates)
}

func (w *networkConditions) apiDown() bool { return w.current().down }

func (w *networkConditions) apiCallOutcome(r roll, writes bool) callOutcome {
	n := w.current()
	out := callOutcome{request: r.delay(apiTypical, n.slowCalls), answer: r.then().delay(apiTypical, n.slowCalls)}
	r = r.then().then()
	switch {
	case n.down:
		out.before = connectionError("any")
	case r.happens(n.failBefore):
		out.before = serverErrors[r.then().below(len(serverErrors))]
	case writes && r.then().happens(n.failAfter):
		out.after = connectionError("any")
	}
	return out
}

// watchDelay returns the time until a change reaches a cache.
func (w *networkConditions) watchDelay(r roll) time.Duration {
	n := w.current()
	d := r.delay(watchTypical, n.slowWatches)
	if n.down {
		d += 30 * time.Second
	}
	return d
}
