package placement

// candidate is an agent that may take a demand of a class, with its rank. An agent on which
// no task failed lately ranks before others. Then comes an agent with fewer tasks of the
// group, so that the group spreads. Then comes an
// agent whose resources are reserved for the role; then the one with the least left over,
// so that large agents stay free for large demands.
type candidate struct {
	// index of the slot, in order of agent IDs. It is not a pointer, because ten thousand
	// of them would cost the garbage collector time.
	index      int
	taskCount  int // tasks of the group on the agent
	hasFailed  bool
	unreserved bool
	leftover   float64
}

func (a *candidate) ranksBefore(b *candidate) bool {
	if a.hasFailed != b.hasFailed {
		return b.hasFailed
	}
	if a.taskCount != b.taskCount {
		return a.taskCount < b.taskCount
	}
	if a.unreserved != b.unreserved {
		return b.unreserved
	}
	if a.leftover != b.leftover {
		return a.leftover < b.leftover
	}
	return a.index < b.index
}

// candidateHeap is a binary heap whose first element ranks before all others.
// (container/heap is not used: its calls through an interface take half the time of a
// cycle.)
type candidateHeap []candidate

// heapify orders a slice that was filled in any order.
func (q candidateHeap) heapify() {
	for i := len(q)/2 - 1; i >= 0; i-- {
		q.siftDown(i)
	}
}

// siftDown moves the candidate at i down to its place.
func (q candidateHeap) siftDown(i int) {
	x := q[i]
	for {
		child := 2*i + 1
		if child >= len(q) {
			break
		}
		if right := child + 1; right < len(q) && q[right].ranksBefore(&q[child]) {
			child = right
		}
		if !q[child].ranksBefore(&x) {
			break
		}
		q[i] = q[child]
		i = child
	}
	q[i] = x
}

func (q *candidateHeap) pop() candidate {
	top, last := (*q)[0], len(*q)-1
	(*q)[0] = (*q)[last]
	*q = (*q)[:last]
	if last > 0 {
		q.siftDown(0)
	}
	return top
}

func (q *candidateHeap) push(x candidate) {
	*q = append(*q, x)
	i := len(*q) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !x.ranksBefore(&(*q)[parent]) {
			break
		}
		(*q)[i] = (*q)[parent]
		i = parent
	}
	(*q)[i] = x
}
