package placement

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestCandidateRank(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ better, worse candidate }{
		"fewer tasks of the group":           {candidate{taskCount: 1, unreserved: true, leftover: 9, index: 9}, candidate{taskCount: 2}},
		"reserved resources":                 {candidate{leftover: 9, index: 9}, candidate{unreserved: true}},
		"less left over":                     {candidate{leftover: 1, index: 9}, candidate{leftover: 2}},
		"the lower agent ID, all else equal": {candidate{index: 1}, candidate{index: 2}},
	} {
		if !tc.better.ranksBefore(&tc.worse) || tc.worse.ranksBefore(&tc.better) {
			t.Errorf("%s does not rank first", name)
		}
		if tc.better.ranksBefore(&tc.better) {
			t.Errorf("%s: a candidate ranks before itself", name)
		}
	}
}

// Candidates are popped in the order of their ranks, whatever the order of the pushes.
func TestHeapPopsInOrder(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 5))
	for range 300 {
		var heap candidateHeap
		var all []candidate
		for i := range r.IntN(40) {
			c := candidate{index: i, taskCount: r.IntN(3), unreserved: r.IntN(2) == 0, leftover: float64(r.IntN(4))}
			all = append(all, c)
		}
		half := len(all) / 2
		heap = slices.Clone(all[:half])
		heap.heapify()
		for _, c := range all[half:] {
			heap.push(c)
		}
		slices.SortFunc(all, func(a, b candidate) int {
			if a.ranksBefore(&b) {
				return -1
			}
			return 1
		})
		for i, want := range all {
			if got := heap.pop(); got != want {
				t.Fatalf("number %d is %+v, want %+v", i, got, want)
			}
		}
		if len(heap) != 0 {
			t.Fatalf("%d candidates are left", len(heap))
		}
	}
}

// A class ranks an agent again in place, when another class took from it.
func TestSiftDownRestoresTheOrder(t *testing.T) {
	t.Parallel()
	heap := candidateHeap{{index: 0, leftover: 1}, {index: 1, leftover: 2}, {index: 2, leftover: 3}}
	heap.heapify()
	heap[0].taskCount = 5
	heap.siftDown(0)
	var order []int
	for len(heap) > 0 {
		order = append(order, heap.pop().index)
	}
	if !slices.Equal(order, []int{1, 2, 0}) {
		t.Errorf("the order is %v", order)
	}
}
