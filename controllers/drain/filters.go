package drain

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"

	"github.com/k8sm/k8sm/controllers/podstate"
)

// Verdict is what a drain does with a pod.
type Verdict string

// The verdicts.
const (
	// Ignore: the pod does not hold the drain up.
	Ignore Verdict = "Ignore"
	// Await: the pod is ending by itself.
	Await Verdict = "Await"
	// Evict: the pod is evicted.
	Evict Verdict = "Evict"
)

// stuckAfter is how long past its end a pod may linger on a node whose kubelet is
// silent, until the wait for it ends: a kubelet that does not respond cannot end it.
const stuckAfter = time.Minute

// Decision is a verdict on a pod, and its reason.
type Decision struct {
	Pod     *corev1.Pod
	Verdict Verdict
	Reason  string
}

// Options are what the filters go by beside the pod.
type Options struct {
	// Now is the time of the decision.
	Now time.Time
	// KubeletSilent is true when the node's kubelet has not reported lately.
	KubeletSilent bool
	// Began is when the drain began, and the node was cordoned. It is zero if the node is not
	// drained, only looked at.
	Began time.Time
}

// filter decides on a pod, or leaves it to the next one with an empty verdict.
type filter func(*corev1.Pod, Options) (Verdict, string)

// filters are asked in this order; the first that decides is heard. What none of them
// speaks for is evicted.
var filters = []filter{terminal, mirror, daemon, stuck, terminating, returned}

// DecideAll decides on each pod.
func DecideAll(pods []corev1.Pod, o Options) []Decision {
	decisions := make([]Decision, 0, len(pods))
	for i := range pods {
		decisions = append(decisions, Decide(&pods[i], o))
	}
	return decisions
}

// Decide on one pod.
func Decide(pod *corev1.Pod, o Options) Decision {
	for _, f := range filters {
		if verdict, reason := f(pod, o); verdict != "" {
			return Decision{Pod: pod, Verdict: verdict, Reason: reason}
		}
	}
	return Decision{Pod: pod, Verdict: Evict, Reason: "can be evicted"}
}

// terminal pods run no more.
func terminal(pod *corev1.Pod, _ Options) (Verdict, string) {
	if podstate.HasEnded(pod) {
		return Ignore, "has ended"
	}
	return "", ""
}

// mirror pods belong to the kubelet, and go with it.
func mirror(pod *corev1.Pod, _ Options) (Verdict, string) {
	if podstate.IsStatic(pod) {
		return Ignore, "is a static pod of the kubelet"
	}
	return "", ""
}

// daemon pods would be made again at once: they serve the node until it goes.
func daemon(pod *corev1.Pod, _ Options) (Verdict, string) {
	if podstate.IsDaemon(pod) {
		return Ignore, "belongs to a DaemonSet"
	}
	return "", ""
}

// stuck pods should be gone, and the kubelet that would end them is silent.
func stuck(pod *corev1.Pod, o Options) (Verdict, string) {
	if o.KubeletSilent && !pod.DeletionTimestamp.IsZero() && o.Now.After(pod.DeletionTimestamp.Add(stuckAfter)) {
		return Ignore, "should have ended, and its kubelet does not respond"
	}
	return "", ""
}

// terminating pods need no second word.
func terminating(pod *corev1.Pod, _ Options) (Verdict, string) {
	if !pod.DeletionTimestamp.IsZero() {
		return Await, "is ending"
	}
	return "", ""
}

// returned pods came to the node although it is cordoned, and would do so again: evicting them
// would never end. They are evicted once, since another node may take them.
func returned(pod *corev1.Pod, o Options) (Verdict, string) {
	if o.Began.IsZero() || pod.CreationTimestamp.Time.Before(o.Began) {
		return "", ""
	}
	cordon := corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule}
	for i := range pod.Spec.Tolerations {
		if pod.Spec.Tolerations[i].ToleratesTaint(klog.Background(), &cordon, false) {
			return Ignore, "tolerates the cordon, and would come back"
		}
	}
	return "", ""
}
