package simulation

import (
	"sync"
	"time"
)

// weather is what messages meet with. Chaos changes it; calm is the zero value but for
// the delays that every message has.
type weather struct {
	mu sync.Mutex
	weatherNow
}

// weatherNow are the probabilities of the moment.
type weatherNow struct {
	// down: the API server answers nobody, and tells nobody of changes.
	down bool
	// refuses and forgets are how likely a call to the API server fails before it has
	// an effect, and how likely its answer is lost.
	refuses, forgets float64
	// slow is how likely a call to the API server, and lags how likely a change that it
	// tells of, takes a hundred times as long as others.
	slow, lags float64
	// cuts is how likely a connection between operator and master breaks with a
	// message; deaf is how likely it goes silent instead.
	cuts, deaf float64
	// crawls is how likely such a message takes a hundred times as long.
	crawls float64
}

const (
	apiTypical     = 8 * time.Millisecond
	watchTypical   = 15 * time.Millisecond
	networkTypical = 2 * time.Millisecond
)

// fate of a call: how long it takes each way, and the error before or after its effect.
type fate struct {
	request, answer time.Duration
	before, after   error
}

func (w *weather) now() weatherNow {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.weatherNow
}

// change the weather.
func (w *weather) change(f func(*weatherNow)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.weatherNow)
}

func (w *weather) apiDown() bool { return w.now().down }

func (w *weather) apiFate(r roll, writes bool) fate {
	n := w.now()
	out := fate{request: r.delay(apiTypical, n.slow), answer: r.then().delay(apiTypical, n.slow)}
	r = r.then().then()
	switch {
	case n.down:
		out.before = connectionError("any")
	case r.under(n.refuses):
		out.before = serverErrors[r.then().below(len(serverErrors))]
	case writes && r.then().under(n.forgets):
		out.after = connectionError("any")
	}
	return out
}

// watchDelay is how long a change takes to a cache.
func (w *weather) watchDelay(r roll) time.Duration {
	n := w.now()
	d := r.delay(watchTypical, n.lags)
	if n.down {
		d += 30 * time.Second
	}
	return d
}
