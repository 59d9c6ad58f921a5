package drain

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// FieldNodeName is the field by which Pods are found: the API server knows it, and a
// cache must index it.
const FieldNodeName = "spec.nodeName"

// planTimeout bounds the reads of one plan: an API server that hangs must not block all workers.
const planTimeout = 5 * time.Second

// Drainer drains nodes. It is safe for concurrent use, and one is to be shared by all nodes: it
// bounds the evictions of all of them. Use NewDrainer.
type Drainer struct {
	live       client.Reader
	namespaces *namespaces
	evictions  *evictions
}

// NewDrainer returns a Drainer. Live lists the pods of a node by FieldNodeName, and reads
// Namespaces; the client evicts and deletes pods.
func NewDrainer(live client.Reader, c client.Client) *Drainer {
	return &Drainer{live: live, namespaces: &namespaces{live: live}, evictions: newEvictions(c)}
}

// Plan decides what is to be done with the pods of a node now. It changes nothing. An error means
// that the pods are unknown.
func (d *Drainer) Plan(ctx context.Context, node string, o Options) (Plan, error) {
	ctx, cancel := context.WithTimeout(ctx, planTimeout)
	defer cancel()
	var pods corev1.PodList
	if err := d.live.List(ctx, &pods, client.MatchingFields{FieldNodeName: node}); err != nil {
		return Plan{}, fmt.Errorf("listing the pods of node %s: %w", node, err)
	}
	if o.Policy.NeedsNamespaces() {
		known, err := d.namespaces.labelsOf(ctx, pods.Items, o.Now)
		if err != nil {
			return Plan{}, err
		}
		o.NamespaceLabels = func(name string) labels.Set { return known[name] }
	}
	plan := DecideAll(pods.Items, o)
	for i := range plan.Decisions {
		decided := &plan.Decisions[i]
		goes := decided.Verdict == Evict || decided.Verdict == Delete && decided.Pod.DeletionTimestamp.IsZero()
		if goes && metav1.GetControllerOf(decided.Pod) == nil && !d.evictions.isKnown(decided.Pod.UID) {
			plan.Uncontrolled = append(plan.Uncontrolled, nameOf(decided.Pod))
		}
	}
	slices.Sort(plan.Uncontrolled)
	return plan, nil
}

// Execute evicts and deletes what the plan says, and returns which pods are left. It waits for no
// pod, and for a second at most for the API server: evictions that are not answered by then go
// on, and a later call has their answers. Pods whose eviction was refused are not tried again
// before their back-off is over. Result.Next is when to call it again.
func (d *Drainer) Execute(ctx context.Context, plan Plan, now time.Time) Result {
	result := Result{Next: plan.Next}
	var due []Decision
	for _, decided := range plan.Decisions {
		name := nameOf(decided.Pod)
		switch decided.Verdict {
		case Ignore:
			result.Ignored++
		case Await:
			result.Ending = append(result.Ending, name)
		case Hold:
			result.Blocked = append(result.Blocked, BlockedPod{Pod: name, Reason: decided.Reason})
		case Later:
			result.Waiting = append(result.Waiting, name)
		case Evict, Delete:
			due = append(due, decided)
		}
	}
	d.evictions.run(ctx, due, now)
	for _, decided := range due {
		d.evictions.report(decided, now, &result)
	}
	result.sort()
	return result
}

func nameOf(pod *corev1.Pod) string {
	return pod.Namespace + "/" + pod.Name
}
