package drain

import (
	"context"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// evictionTimeout bounds one eviction. An API server that wants it repeated later
	// returns a header with the delay, and the client would wait for it.
	evictionTimeout = 3 * time.Second
	// patience is the time for which a caller waits for the answers to its evictions.
	patience = time.Second
	// maxInFlight bounds the evictions of all nodes at a time, and maxPerNode those of one
	// node, so that one with many pods does not keep the others waiting.
	maxInFlight = 50
	maxPerNode  = 8
	// firstRetry is the back-off after a refusal. It doubles up to lastRetry.
	firstRetry = 2 * time.Second
	lastRetry  = 10 * time.Second
	// forgetAfter is the time after which a pod that no drain has asked about is forgotten.
	forgetAfter = 10 * time.Minute
)

// evictions evicts pods, and remembers what became of it. Pods that one PodDisruptionBudget
// holds are tried one at a time: as soon as one of them may go, the others are tried too. It
// is safe for concurrent use.
type evictions struct {
	client client.Client
	slots  chan struct{}

	mu       sync.Mutex
	attempts map[types.UID]*attempt
	budgets  map[string]*retry
	swept    time.Time
}

// attempt is what is known of the eviction of a pod.
type attempt struct {
	inFlight, evicted, gone bool
	// ending pods end although nobody evicted them: their namespace goes, or it is another
	// pod by now that has the name.
	ending bool
	// refusal is why it was refused; empty if it was not.
	refusal string
	// budget is the PodDisruptionBudget that refused, as <namespace>/<name>; empty for another
	// reason, and for pods that are not ready, which a budget may treat otherwise.
	budget string
	retry  retry
	// seen is when a drain last asked about the pod, and tried when a request was last made.
	seen, tried time.Time
}

// retry is the back-off after refusals.
type retry struct {
	failures int
	next     time.Time
}

// fail sets the time of the next try. Refusals of the same round count once.
func (r *retry) fail(now time.Time) {
	if now.Before(r.next) {
		return
	}
	r.next = now.Add(min(firstRetry<<min(r.failures, 8), lastRetry))
	r.failures++
}

func newEvictions(c client.Client) *evictions {
	return &evictions{client: c, slots: make(chan struct{}, maxInFlight), attempts: map[types.UID]*attempt{}, budgets: map[string]*retry{}}
}

// isKnown reports whether an eviction of the pod was tried lately.
func (e *evictions) isKnown(uid types.UID) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.attempts[uid] != nil
}

// run evicts and deletes the pods that are due, and returns when all have an answer, or when the
// caller has waited long enough.
func (e *evictions) run(ctx context.Context, due []Decision, now time.Time) {
	e.sweep(now)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	work := make(chan Decision, len(due))
	for _, d := range e.longestUntriedFirst(due) {
		work <- d
	}
	close(work)
	var workers sync.WaitGroup
	for range min(maxPerNode, len(due)) {
		workers.Go(func() {
			for d := range work {
				if ctx.Err() != nil {
					return // the next call goes on
				}
				e.try(ctx, d, now)
			}
		})
	}
	done := make(chan struct{})
	go func() {
		workers.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// longestUntriedFirst sorts pods, so that a few for which the API server takes its time do not keep
// the others from being tried.
func (e *evictions) longestUntriedFirst(due []Decision) []Decision {
	e.mu.Lock()
	defer e.mu.Unlock()
	tried := make(map[types.UID]time.Time, len(due))
	for _, d := range due {
		if a := e.attempts[d.Pod.UID]; a != nil {
			tried[d.Pod.UID] = a.tried
		}
	}
	sorted := slices.Clone(due)
	slices.SortStableFunc(sorted, func(a, b Decision) int { return tried[a.Pod.UID].Compare(tried[b.Pod.UID]) })
	return sorted
}

// try makes one request if the pod is due. The request goes on when the caller has no patience
// any more.
func (e *evictions) try(ctx context.Context, d Decision, now time.Time) {
	if !e.claim(d, now) {
		return
	}
	select {
	case e.slots <- struct{}{}:
	case <-ctx.Done():
		e.release(d.Pod.UID)
		return
	}
	defer func() { <-e.slots }()
	request, cancel := context.WithTimeout(context.WithoutCancel(ctx), evictionTimeout)
	defer cancel()
	e.record(d.Pod, e.send(request, d), now)
}

// send requests the eviction or the deletion of this very pod.
func (e *evictions) send(ctx context.Context, d Decision) error {
	preconditions := &metav1.Preconditions{UID: &d.Pod.UID}
	if d.Verdict == Delete {
		options := &client.DeleteOptions{Preconditions: preconditions, GracePeriodSeconds: d.Grace}
		return e.client.Delete(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: d.Pod.Namespace, Name: d.Pod.Name}}, options)
	}
	return e.client.SubResource("eviction").Create(ctx, d.Pod, &policyv1.Eviction{
		ObjectMeta:    metav1.ObjectMeta{Namespace: d.Pod.Namespace, Name: d.Pod.Name},
		DeleteOptions: &metav1.DeleteOptions{Preconditions: preconditions},
	})
}

// claim reports whether the caller is to make the request now.
func (e *evictions) claim(d Decision, now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	a := e.attempts[d.Pod.UID]
	if a == nil {
		a = &attempt{}
		e.attempts[d.Pod.UID] = a
	}
	a.seen = now
	if a.inFlight {
		return false
	}
	if d.Verdict != Delete { // no budget holds a deletion
		if now.Before(a.retry.next) {
			return false
		}
		if budget := e.budgets[a.budget]; budget != nil {
			if now.Before(budget.next) {
				return false
			}
			budget.fail(now) // the others wait for the answer to this one
		}
	}
	a.inFlight, a.tried = true, now
	return true
}

func (e *evictions) release(uid types.UID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if a := e.attempts[uid]; a != nil {
		a.inFlight = false
	}
}

// record notes the answer to a request.
func (e *evictions) record(pod *corev1.Pod, err error, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	a := e.attempts[pod.UID]
	if a == nil {
		return // forgotten meanwhile
	}
	budget := a.budget
	*a = attempt{seen: a.seen, tried: a.tried, retry: a.retry}
	switch {
	case err == nil:
		a.evicted = true
	case apierrors.IsNotFound(err):
		a.gone = true
	case apierrors.IsConflict(err), apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		a.ending = true
	default:
		a.refusal, a.budget = describeRefusal(err, pod)
		if a.budget == "" {
			a.retry.fail(now)
			return
		}
		if e.budgets[a.budget] == nil {
			e.budgets[a.budget] = &retry{}
		}
		e.budgets[a.budget].fail(now)
		return
	}
	a.retry = retry{}
	delete(e.budgets, budget) // it lets pods go again
}

// report adds what is known of a pod that is to go to the result.
func (e *evictions) report(d Decision, now time.Time, result *Result) {
	e.mu.Lock()
	defer e.mu.Unlock()
	name := nameOf(d.Pod)
	switch a := e.attempts[d.Pod.UID]; {
	case a == nil || a.inFlight && a.refusal == "":
		result.Waiting = append(result.Waiting, name)
		result.next(now.Add(firstRetry / 2))
	case a.gone:
		// Gone between list and eviction.
	case a.evicted && d.Pod.DeletionTimestamp.IsZero():
		result.Evicted = append(result.Evicted, name)
	case a.evicted || a.ending:
		result.Ending = append(result.Ending, name)
	default:
		result.Blocked = append(result.Blocked, BlockedPod{Pod: name, Reason: a.refusal})
		next := now // its budget lets pods go again
		for _, r := range []*retry{&a.retry, e.budgets[a.budget]} {
			if r != nil && r.next.After(next) {
				next = r.next
			}
		}
		result.next(next)
	}
}

// sweep forgets the pods, and the budgets, that no drain has asked about for a while.
func (e *evictions) sweep(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now.Sub(e.swept) < forgetAfter {
		return
	}
	e.swept = now
	for uid, a := range e.attempts {
		if now.Sub(a.seen) > forgetAfter && !a.inFlight {
			delete(e.attempts, uid)
		}
	}
	for name, budget := range e.budgets {
		if now.Sub(budget.next) > forgetAfter {
			delete(e.budgets, name)
		}
	}
}
