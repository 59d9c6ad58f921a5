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

	"github.com/k8sm/k8sm/test/suite/differential"
)

var (
	seeds   = flag.Uint64("seeds", 20, "the number of `scenarios` to run")
	first   = flag.Uint64("first", 1, "the first `seed`")
	workers = flag.Int("workers", 16, "the number of `scenarios` to run concurrently")
)

// controlPlane returns the folder of kube-apiserver, etcd and kube-scheduler.
func controlPlane() string {
	if dir := os.Getenv("KUBEBUILDER_ASSETS"); dir != "" {
		return dir
	}
	return filepath.Join("..", "..", "..", "bin", "kube")
}

// TestFilters compares more seeds, and every node. It needs no API server.
func TestFilters(t *testing.T) {
	sum := play(t, 10**seeds, func(ctx context.Context, seed uint64) (differential.Tally, error) {
		return differential.Compare(ctx, differential.NewScenario(seed))
	})
	checkAllFiltersRefused(t, sum.Reasons)
}

func TestSeeds(t *testing.T) {
	c, stop, err := differential.StartControlPlane(t.Context(), controlPlane(), t.TempDir())
	defer stop()
	if err != nil {
		t.Fatal(err)
	}
	t.Run("the scheduler places each pod where the simulation does", func(t *testing.T) {
		sum := play(t, *seeds, func(ctx context.Context, seed uint64) (differential.Tally, error) {
			return c.Play(ctx, differential.NewScenario(seed))
		})
		checkAllFiltersRefused(t, sum.Reasons)
	})
	t.Run("the scheduler places each pod on the node that Grow planned for it", func(t *testing.T) {
		play(t, *seeds, func(ctx context.Context, seed uint64) (differential.Tally, error) {
			return c.Satisfy(ctx, differential.NewDemand(seed))
		})
	})
}

// play runs all seeds, several concurrently.
func play(t *testing.T, count uint64, one func(context.Context, uint64) (differential.Tally, error)) differential.Tally {
	t.Helper()
	began, failed := time.Now(), 0
	sum := differential.Tally{Reasons: map[string]int{}}
	var mutex sync.Mutex
	eachSeed(count, func(seed uint64) {
		tally, err := one(t.Context(), seed)
		mutex.Lock()
		defer mutex.Unlock()
		sum.Add(tally)
		if err != nil {
			failed++
			report(t, seed, err)
		}
	})
	took := time.Since(began)
	t.Logf("%d scenarios in %s (%.1f/s): %d pods were bound and %d fit nowhere; %d scenarios failed",
		count, took.Round(time.Second), float64(count)/took.Seconds(), sum.Bound, sum.Refused, failed)
	return sum
}

func eachSeed(count uint64, play func(seed uint64)) {
	var playing sync.WaitGroup
	queue := make(chan uint64)
	for range *workers {
		playing.Go(func() {
			for seed := range queue {
				play(seed)
			}
		})
	}
	for i := range count {
		queue <- *first + i
	}
	close(queue)
	playing.Wait()
}

// checkAllFiltersRefused checks that every filter has refused a pod somewhere: otherwise the
// scenarios would not test it.
func checkAllFiltersRefused(t *testing.T, reasons map[string]int) {
	t.Helper()
	if *seeds < 100 {
		return
	}
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
			t.Errorf("no pod was refused for %q: the scenarios do not test this filter", part)
		}
	}
}

func report(t *testing.T, seed uint64, err error) {
	t.Helper()
	var disagreement *differential.Disagreement
	if errors.As(err, &disagreement) && *seeds == 1 {
		t.Log(disagreement.Case)
	}
	t.Errorf("seed %d: %v\nTo see it again, with the whole case: make differential SEED=%d", seed, err, seed)
}
