package placement

// candidate is an agent with its rank: fewest tasks of the group first, so that they
// spread; then where it is reserved for us; then where least is left over, so that
// large places stay whole.
type candidate struct {
	index   int // of the machine, in order of agent IDs; not a pointer, for the garbage collector's sake
	count   int
	foreign bool
	spare   float64
}

func (a *candidate) before(b *candidate) bool {
	if a.count != b.count {
		return a.count < b.count
	}
	if a.foreign != b.foreign {
		return b.foreign
	}
	if a.spare != b.spare {
		return a.spare < b.spare
	}
	return a.index < b.index
}

// candidates are a heap, the best first. (Not container/heap: calls through an
// interface take half the time of a pass.)
type candidates []candidate

func (q candidates) order() {
	for i := len(q)/2 - 1; i >= 0; i-- {
		q.sink(i)
	}
}

// sink moves the candidate at i down to where it belongs.
func (q candidates) sink(i int) {
	x := q[i]
	for {
		child := 2*i + 1
		if child >= len(q) {
			break
		}
		if right := child + 1; right < len(q) && q[right].before(&q[child]) {
			child = right
		}
		if !q[child].before(&x) {
			break
		}
		q[i] = q[child]
		i = child
	}
	q[i] = x
}

func (q *candidates) pop() candidate {
	top, last := (*q)[0], len(*q)-1
	(*q)[0] = (*q)[last]
	*q = (*q)[:last]
	if last > 0 {
		q.sink(0)
	}
	return top
}

func (q *candidates) push(x candidate) {
	*q = append(*q, x)
	i := len(*q) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !x.before(&(*q)[parent]) {
			break
		}
		(*q)[i] = (*q)[parent]
		i = parent
	}
	(*q)[i] = x
}
