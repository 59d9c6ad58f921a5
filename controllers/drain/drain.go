package drain

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// evictionTimeout bounds one eviction. An API server that wants it repeated later
	// returns a header with the delay, and the client would wait for it and block a worker.
	evictionTimeout = 3 * time.Second
	// drainTimeout bounds one call of Drain; the next one goes on.
	drainTimeout = 5 * time.Second
)

// FieldNodeName is the field by which Pods are found: the API server knows it, and a
// cache must index it.
const FieldNodeName = "spec.nodeName"

// Drainer evicts pods.
type Drainer struct {
	// Pods lists the pods of a node, by FieldNodeName.
	Pods client.Reader
	// Evictions takes evictions.
	Evictions client.SubResourceClientConstructor
}

// Drain evicts what can be evicted from the node now, and returns which pods are left. It waits
// for no pod. An error means that the pods that are left are unknown.
func (d Drainer) Drain(ctx context.Context, nodeName string, o Options) (Result, error) {
	var pods corev1.PodList
	if err := d.Pods.List(ctx, &pods, client.MatchingFields{FieldNodeName: nodeName}); err != nil {
		return Result{}, fmt.Errorf("listing the pods of node %s: %w", nodeName, err)
	}
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	result := Result{}
	for _, decision := range DecideAll(pods.Items, o) {
		switch decision.Verdict {
		case Ignore:
			result.Ignored++
		case Await:
			result.Ending = append(result.Ending, nameOf(decision.Pod))
		case Evict:
			d.evictPod(ctx, decision.Pod, &result)
		}
	}
	result.sort()
	return result, nil
}

// evictPod requests one eviction and adds the answer to the result.
func (d Drainer) evictPod(ctx context.Context, pod *corev1.Pod, result *Result) {
	ctx, cancel := context.WithTimeout(ctx, evictionTimeout)
	defer cancel()
	eviction := &policyv1.Eviction{
		ObjectMeta:    metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name},
		DeleteOptions: &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &pod.UID}},
	}
	err := d.Evictions.SubResource("eviction").Create(ctx, pod, eviction)
	switch {
	case err == nil:
		result.Evicted = append(result.Evicted, nameOf(pod))
	case apierrors.IsNotFound(err):
		// Gone between list and eviction.
	case apierrors.IsConflict(err):
		// Another pod has its name by now. The next list has it.
		result.Ending = append(result.Ending, nameOf(pod))
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		result.Ending = append(result.Ending, nameOf(pod))
	default:
		result.Blocked = append(result.Blocked, BlockedPod{Pod: nameOf(pod), Reason: describeRefusal(err)})
	}
}

// describeRefusal returns why a pod cannot be evicted: the PodDisruptionBudget by name where
// the API server gives it.
func describeRefusal(err error) string {
	if cause, ok := apierrors.StatusCause(err, policyv1.DisruptionBudgetCause); ok {
		return cause.Message
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "the API server postponed the eviction, as it does until it has counted the pods of a new PodDisruptionBudget"
	}
	return err.Error()
}

func nameOf(pod *corev1.Pod) string {
	return pod.Namespace + "/" + pod.Name
}
