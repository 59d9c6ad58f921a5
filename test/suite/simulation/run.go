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

// silently: the library keeps all that it would log until it is told where.
var silently = sync.OnceFunc(func() { ctrl.SetLogger(logr.Discard()) })

// result is what became of a seed.
type result struct {
	seed    uint64
	failure string // "" if all was well
	trace   string
	sum     uint64 // of the trace
	virtual time.Duration
}

// simulate runs one seed. Each line of its trace goes to live, too, unless that is nil.
func simulate(t *testing.T, seed uint64, live io.Writer) (out result) {
	out.seed = seed
	silently()
	cryptotest.SetGlobalRandom(t, seed)
	utilrand.Seed(int64(seed))
	rand.Seed(int64(seed)) //nolint:staticcheck // others draw from it
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		w := newWorld(t.Context(), seed, live)
		w.run()
		w.close()
		time.Sleep(time.Minute) // for messages that are on their way still
		out.failure, out.trace, out.sum, out.virtual = w.failure, w.trace.String(), w.trace.sum, time.Since(began)
	})
	return out
}
