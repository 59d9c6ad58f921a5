package session

import "sync"

// workerPool runs jobs in goroutines, so many at a time; none when there is nothing to do.
type workerPool struct {
	limit int
	// spawn starts a goroutine, unless the session has ended.
	spawn func(func()) bool

	mu      sync.Mutex
	running int
	queue   []func()
}

// do has a job done, in a while.
func (w *workerPool) do(job func()) {
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

func (w *workerPool) work(job func()) {
	for job != nil {
		job()
		job = w.next()
	}
}

func (w *workerPool) next() func() {
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
