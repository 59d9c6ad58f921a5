package simulation

import (
	"io"
	"math/rand"
	"sync"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	utilrand "k8s.io/apimachinery/pkg/util/rand"
	ctrl "sigs.k8s.io/controller-runtime"
)

// silently discards what controller-runtime logs, which it would otherwise keep in memory.
var silently = sync.OnceFunc(func() { ctrl.SetLogger(logr.Discard()) })

// result is the result of a seed.
type result struct {
	seed    uint64
	failure string // "" if nothing failed
	trace   string
	sum     uint64 // of the trace
	virtual time.Duration
}

// simulate runs one seed. If live is not nil, each line of the trace is also written there.
func simulate(t *testing.T, seed uint64, live io.Writer) (out result) {
	out.seed = seed
	silently()
	cryptotest.SetGlobalRandom(t, seed)
	utilrand.Seed(int64(seed))
	rand.Seed(int64(seed)) //nolint:staticcheck // libraries use it
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		w := newWorld(t.Context(), seed, live)
		w.run()
		w.close()
		time.Sleep(time.Minute) // for messages in flight
		out.failure, out.trace, out.sum, out.virtual = w.failure, w.trace.String(), w.trace.sum, time.Since(began)
	})
	return out
}
