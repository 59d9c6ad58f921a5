package replacement_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/disruption/replacement"
)

// TestEveryCandidateIsRemovedOrWaits runs rollouts to their end, with settings at random.
func TestEveryCandidateIsRemovedOrWaits(t *testing.T) {
	obstacles := map[replacement.Obstacle]int{}
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // the same runs each time
		w := newWorld(2+random.IntN(6), func(w *world) {
			w.surge, w.unavailable = random.IntN(3), 1+random.IntN(2)
			w.room = []int{0, w.size}[random.IntN(2)]
			w.held = map[string]string{"n01": "pod shop/db must not be disrupted"}
			if random.IntN(2) == 0 {
				w.budgets = []v1alpha1.DisruptionBudget{{Nodes: intstr.FromInt(random.IntN(2))}}
			}
		})
		for range 60 {
			input := w.input()
			plan := w.step()
			for _, n := range input.Nodes {
				wait, waits := plan.Waiting[n.Name]
				removed := slices.ContainsFunc(plan.Remove, func(r replacement.Removal) bool { return r.Name == n.Name })
				if want := n.Reason != "" && !removed; waits != want {
					t.Fatalf("seed %d: whether %s waits is %t, want %t", seed, n.Name, waits, want)
				}
				if waits && (wait.Obstacle == replacement.ObstacleNone || wait.Message == "") {
					t.Fatalf("seed %d: %s waits without a cause: %+v", seed, n.Name, wait)
				}
				obstacles[wait.Obstacle]++
			}
		}
	}
	for _, o := range []replacement.Obstacle{replacement.ObstacleProgress, replacement.ObstacleTurn, replacement.ObstacleBudget, replacement.ObstacleCapacity, replacement.ObstacleHeld} {
		if obstacles[o] == 0 {
			t.Errorf("no node met the obstacle %s", o)
		}
	}
}

func TestNodeWaitsForWhatHoldsIt(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*replacement.Pool)
		want   replacement.Obstacle // of the second of two nodes
	}{
		"the first one is replaced":           {want: replacement.ObstacleTurn},
		"another node is still leaving":       {change: func(p *replacement.Pool) { p.Leaving = 1 }, want: replacement.ObstacleTurn},
		"no node can be created":              {change: func(p *replacement.Pool) { p.Blocked = "no framework" }, want: replacement.ObstacleBlocked},
		"an annotation, whatever else is met": {change: func(p *replacement.Pool) { p.Nodes[1].Protected, p.Blocked = true, "no framework" }, want: replacement.ObstacleHeld},
		"its pods": {change: func(p *replacement.Pool) {
			p.Nodes[0].Reason, p.Held = "", func(name string) string { return map[string]string{"n02": "pod a/b"}[name] }
		}, want: replacement.ObstacleHeld},
		"others may not be unavailable": {change: func(p *replacement.Pool) { p.MaxSurge, p.MaxUnavailable, p.Size = 0, 1, 3 }, want: replacement.ObstacleCapacity},
	} {
		t.Run(name, func(t *testing.T) {
			p := newWorld(2).input()
			if test.change != nil {
				test.change(&p)
			}
			if got := replacement.Decide(p).Waiting["n02"]; got.Obstacle != test.want {
				t.Errorf("n02 waits for %+v, want %s", got, test.want)
			}
		})
	}
}
