package placement

// candidate is an agent with its rank: fewest tasks of the group first, so that they
// spread; then where it is reserved for us; then where least is left over, so that
// large places stay whole.
type candidate struct {
	index      int // of the machine, in order of agent IDs; not a pointer, for the garbage collector's sake
	count      int
	unreserved bool
	leftover   float64
}

func (a *candidate) ranksBefore(b *candidate) bool {
	if a.count != b.count {
		return a.count < b.count
	}
	if a.unreserved != b.unreserved {
		return b.unreserved
	}
	if a.leftover != b.leftover {
		return a.leftover < b.leftover
	}
	return a.index < b.index
}

// candidateHeap are a heap, the best first. (Not container/heap: calls through an
// interface take half the time of a pass.)
type candidateHeap []candidate

func (q candidateHeap) heapify() {
	for i := len(q)/2 - 1; i >= 0; i-- {
		q.siftDown(i)
	}
}

// siftDown moves the candidate at i down to where it belongs.
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
