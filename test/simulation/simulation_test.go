package simulation

import (
	"flag"
	"os"
	"testing"
)

var (
	seedFlag = flag.Uint64("seed", 0, "run this seed alone, and print its trace")
	fromFlag = flag.Uint64("from", 1, "the first seed")
	seeds    = flag.Uint64("seeds", 20, "how many seeds")
)

func TestSeeds(t *testing.T) {
	if *seedFlag != 0 {
		r := simulate(t, *seedFlag, os.Stdout)
		if r.failure != "" {
			t.Fatalf("seed %d: %s", r.seed, r.failure)
		}
		return
	}
	for seed := *fromFlag; seed < *fromFlag+*seeds; seed++ {
		r := simulate(t, seed, nil)
		if r.failure != "" {
			t.Errorf("seed %d: %s", r.seed, r.failure)
		}
	}
}
