package session

import "sync"

// workers runs jobs in goroutines, so many at a time; none when there is nothing to do.
type workers struct {
	limit int
	// spawn starts a goroutine, unless the session has ended.
	spawn func(func()) bool

	mu      sync.Mutex
	running int
	queue   []func()
}

// do has a job done, in a while.
func (w *workers) do(job func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running >= w.limit {
		w.queue = append(w.queue, job)
		return
	}
	if w.spawn(func() { w.work(job) }) {
		w.running++
	}
}

func (w *workers) work(job func()) {
	for job != nil {
		job()
		job = w.next()
	}
}

func (w *workers) next() func() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		w.running--
		w.queue = nil
		return nil
	}
	job := w.queue[0]
	w.queue = w.queue[1:]
	return job
}
