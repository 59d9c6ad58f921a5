package session

import "sync"

// workerPool runs jobs in a limited number of goroutines, and keeps no goroutine while there
// are no jobs.
type workerPool struct {
	limit int
	// spawn starts a goroutine. It returns false once the session has ended.
	spawn func(func()) bool

	mu      sync.Mutex
	running int
	queue   []func()
}

// submit runs a job in a goroutine, or queues it. After the end of the session it drops the
// job.
func (w *workerPool) submit(job func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running >= w.limit {
		w.queue = append(w.queue, job)
		return
	}
	if w.spawn(func() { w.run(job) }) {
		w.running++
	}
}

// run runs a job, and then the queued ones.
func (w *workerPool) run(job func()) {
	for job != nil {
		job()
		job = w.takeNext()
	}
}

// takeNext takes the next job off the queue. Without one it returns nil, and the goroutine
// no longer counts as running.
func (w *workerPool) takeNext() func() {
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
