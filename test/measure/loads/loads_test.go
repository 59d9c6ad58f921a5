package loads

import (
	"testing"
	"time"
)

// The test bounds, for some patterns and nodes of four cpus, how many nodes are created and
// removed in an hour and how well they are used.
func TestNodesFollowTheLoadAndDoNotFlap(t *testing.T) {
	t.Parallel()
	const any = -1
	bounds := map[string]struct {
		churn float64 // nodes an hour, at most
		used  float64 // percent, at least
		left  int     // nodes at the end
	}{
		"steady":   {2, 99, 10},
		"steps":    {5, 85, any},
		"spikes":   {50, 55, 5},
		"ends":     {5, 85, 0},
		"wave_4m":  {4, 58, any}, // nodes stay
		"wave_20m": {10, 58, any},
		"wave_40m": {10, 58, any},
		"wave_1h":  {20, 60, any},
		"wave_2h":  {20, 80, any}, // nodes go and come
		"daily":    {3, 85, any},
	}
	for _, p := range All() {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			l, err := Run(p)
			if err != nil {
				t.Fatal(err)
			}
			want := bounds[p.Name]
			if l.Churn() > want.churn || l.Used() < want.used || l.Waited(0.99) > boot {
				t.Errorf("want at most %g nodes an hour to come and go, %g %% used, and pods to wait no longer than %s: %s", want.churn, want.used, boot, l)
			}
			if want.left != any && l.Left != want.left {
				t.Errorf("%d nodes are left, want %d", l.Left, want.left)
			}
		})
	}
}

// A large node is replaced by a smaller one once, and then nothing changes any more, also in a
// pool that has its minimum of nodes.
func TestALargeNodeIsReplacedOnce(t *testing.T) {
	t.Parallel()
	for _, least := range []int{0, 1} {
		large, small := NewShape("large", 16), NewShape("small", 2)
		l, err := NewSimulation(large)
		if err != nil {
			t.Fatal(err)
		}
		l.Pool.Min = least
		two := func(time.Duration) int { return 2 }
		if err := l.Simulate(10*time.Minute, two); err != nil || l.CPUs() != 16 {
			t.Fatalf("%g cpus, want one large node: %v", l.CPUs(), err)
		}
		l.Shapes = append(l.Shapes, small)
		if err := l.Simulate(12*time.Hour, two); err != nil {
			t.Fatal(err)
		}
		if l.CPUs() != 2 || l.Created != 2 || l.Removed != 1 {
			t.Errorf("with a minimum of %d %g cpus are left, want one small node: %s", least, l.CPUs(), l)
		}
	}
}
