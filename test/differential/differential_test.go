package differential_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/k8sm/k8sm/test/differential"
)

var (
	seeds   = flag.Uint64("seeds", 20, "how many `scenarios` to play")
	first   = flag.Uint64("first", 1, "the `seed` to begin with")
	workers = flag.Int("workers", 16, "how many `scenarios` to play at once")
)

// controlPlane is where kube-apiserver, etcd and kube-scheduler are.
func controlPlane() string {
	if dir := os.Getenv("KUBEBUILDER_ASSETS"); dir != "" {
		return dir
	}
	return filepath.Join("..", "..", "bin", "kube")
}

// TestSeeds plays a scenario for each seed.
func TestSeeds(t *testing.T) {
	ctx := t.Context()
	c, stop, err := differential.StartControlPlane(ctx, controlPlane(), t.TempDir())
	defer stop()
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	var mutex sync.Mutex
	sum := differential.Tally{Reasons: map[string]int{}}
	var failed int
	eachSeed(func(seed uint64) {
		tally, err := c.Play(context.WithoutCancel(ctx), differential.NewScenario(seed))
		mutex.Lock()
		defer mutex.Unlock()
		sum.Add(tally)
		if err != nil {
			failed++
			report(t, seed, err)
		}
	})
	took := time.Since(start)
	t.Logf("%d scenarios in %s (%.1f/s): %d pods were bound and %d fit nowhere; %d scenarios failed",
		*seeds, took.Round(time.Second), float64(*seeds)/took.Seconds(), sum.Bound, sum.Refused, failed)
	if *seeds >= 100 {
		everyFilterHadASay(t, sum.Reasons)
	}
}

// everyFilterHadASay: scenarios in which nothing is refused prove nothing.
func everyFilterHadASay(t *testing.T, reasons map[string]int) {
	for _, part := range []string{
		"Too many pods", "Insufficient cpu", "Insufficient memory", "Insufficient ephemeral-storage", "Insufficient example.com/gpu",
		"free ports", "node affinity/selector", "untolerated taint", "were unschedulable",
		"match pod affinity rules", "match pod anti-affinity rules", "existing pods anti-affinity rules",
		"topology spread constraints", "topology spread constraints (missing required label)",
		"didn't find available persistent volumes to bind", "match PersistentVolume's node affinity", "no available volume zone",
		"exceed max volume count", "no available disk", "ReadWriteOncePod", "not found", "unbound immediate PersistentVolumeClaims",
	} {
		var nodes int
		for reason, n := range reasons {
			if strings.Contains(reason, part) {
				nodes += n
			}
		}
		t.Logf("%6d nodes refused a pod: %s", nodes, part)
		if nodes == 0 {
			t.Errorf("nowhere was a pod refused for %q: the scenarios are too tame", part)
		}
	}
}

func eachSeed(play func(seed uint64)) {
	var playing sync.WaitGroup
	queue := make(chan uint64)
	for range *workers {
		playing.Go(func() {
			for seed := range queue {
				play(seed)
			}
		})
	}
	for i := range *seeds {
		queue <- *first + i
	}
	close(queue)
	playing.Wait()
}

func report(t *testing.T, seed uint64, err error) {
	t.Helper()
	var disagreement *differential.Disagreement
	if errors.As(err, &disagreement) && *seeds == 1 {
		t.Log(disagreement.Case)
	}
	t.Errorf("seed %d: %v\nTo see it again, with the whole case: make differential SEED=%d", seed, err, seed)
}
