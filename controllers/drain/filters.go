package drain

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/klog/v2"

	"github.com/k8sm/k8sm/api/v1alpha1"
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
	// Hold: the pod must not be evicted yet, and the drain waits for it.
	Hold Verdict = "Hold"
	// Later: pods that go before this one are left.
	Later Verdict = "Later"
	// Evict: the pod is evicted.
	Evict Verdict = "Evict"
	// Delete: the pod is deleted, whatever holds it, because the time for the drain ends.
	Delete Verdict = "Delete"
)

// stuckAfter is how long past its end a pod may linger on a node whose kubelet is
// silent, until the wait for it ends: a kubelet that does not respond cannot end it.
const stuckAfter = time.Minute

// Decision is a verdict on a pod, and its reason.
type Decision struct {
	Pod     *corev1.Pod
	Verdict Verdict
	Reason  string
	// Until is when the verdict changes by itself; zero for never.
	Until time.Time
	// Grace is the grace period in seconds of a pod that is deleted; nil for its own.
	Grace *int64

	place stageKey
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
	// Policy has the rules for pods, and their order.
	Policy Policy
	// Limits are when the drain ends although it is not done.
	Limits Limits
	// Involuntary is true when somebody else ends the node at any moment: what can be evicted
	// is evicted now.
	Involuntary bool
	// Hook is what no eviction may begin before, in words; empty for nothing.
	Hook string
	// Stage is the stage of the drain, as the last plan had it.
	Stage Stage
	// NamespaceLabels returns the labels of a namespace. It is needed only if the policy
	// needs namespaces.
	NamespaceLabels func(string) labels.Set
}

// filter decides on a pod, or leaves it to the next one with an empty verdict.
type filter func(*corev1.Pod, *Options) (Verdict, string)

// filters are asked in this order, and the first that decides is heard.
var filters = []filter{terminal, mirror, daemon, stuck, terminating, returned}

// Plan is what a drain does next.
type Plan struct {
	Decisions []Decision
	// Stage is the stage that is under way.
	Stage Stage
	// Next is when the next plan differs although no pod has changed; zero for never.
	Next time.Time
	// Uncontrolled are the pods, in order, that are evicted now for the first time and that no
	// controller will create again. Only Drainer.Plan sets it.
	Uncontrolled []string
}

// DecideAll decides on each pod, and on which of them go first.
func DecideAll(pods []corev1.Pod, o Options) Plan {
	plan := Plan{Decisions: make([]Decision, 0, len(pods))}
	var left []stageKey
	for i := range pods {
		d := Decide(&pods[i], o)
		plan.Decisions = append(plan.Decisions, d)
		plan.nextAt(d.Until)
		if d.Verdict != Ignore {
			left = append(left, d.place)
		}
	}
	stage, end := o.Policy.advance(o.Stage, left, o.Now)
	plan.Stage = stage
	plan.nextAt(end)
	if !o.Policy.isStaged() {
		return plan
	}
	for i := range plan.Decisions {
		d := &plan.Decisions[i]
		if d.Verdict != Evict || !stage.key().before(d.place) || o.Involuntary {
			continue
		}
		if at := o.Limits.lastCall(d.Pod); at.IsZero() || o.Now.Before(at) { // else it would have no time for its grace period
			d.Verdict, d.Reason, d.Until = Later, "goes after the "+stage.String(), at
			plan.nextAt(at)
		}
	}
	return plan
}

func (p *Plan) nextAt(t time.Time) {
	if !t.IsZero() && (p.Next.IsZero() || t.Before(p.Next)) {
		p.Next = t
	}
}

// Decide on one pod, without regard to others.
func Decide(pod *corev1.Pod, o Options) Decision {
	r := o.Policy.match(pod, o.NamespaceLabels)
	d := Decision{Pod: pod, place: o.Policy.place(pod, r)}
	for _, f := range filters {
		if d.Verdict, d.Reason = f(pod, &o); d.Verdict != "" {
			break
		}
	}
	switch {
	case d.Verdict == Await && o.Limits.isOverdue(pod, o.Now):
		d.Verdict, d.Reason, d.Grace = Delete, "has a grace period beyond the end of the drain", o.Limits.graceLeft(pod, o.Now)
	case d.Verdict != "":
		// A filter has decided.
	case r != nil && r.problem == "" && r.behavior == v1alpha1.DrainBehaviorSkip:
		d.Verdict, d.Reason = Ignore, fmt.Sprintf("is skipped by the rule %q", r.name)
	case o.Limits.mustDelete(pod, o.Now):
		d.Verdict, d.Reason, d.Grace = Delete, "has just the time left to use its grace period", o.Limits.graceLeft(pod, o.Now)
	default:
		d.holdOrEvict(r, &o)
	}
	return d
}

// holdOrEvict decides on a pod that could be evicted. At its last call it is not protected any
// more.
func (d *Decision) holdOrEvict(r *rule, o *Options) {
	lastCall := o.Limits.lastCall(d.Pod)
	reason, until := protection(d.Pod, r, o)
	if reason == "" || !lastCall.IsZero() && !o.Now.Before(lastCall) {
		d.Verdict, d.Reason = Evict, "can be evicted"
		if !o.Limits.PodsEnd.IsZero() {
			d.Until = lastCall // its deletion follows
		}
		return
	}
	d.Verdict, d.Reason, d.Until = Hold, reason, lastCall
	if !until.IsZero() && (lastCall.IsZero() || until.Before(lastCall)) {
		d.Until = until
	}
}

// protection returns why a pod must not be evicted yet, and when that ends by itself; zero for
// never. A pod is not protected on a node that others end, or whose kubelet is silent: it would
// end without its grace period.
func protection(pod *corev1.Pod, r *rule, o *Options) (reason string, until time.Time) {
	switch {
	case o.Involuntary || o.KubeletSilent:
		return "", time.Time{}
	case o.Hook != "":
		return o.Hook, time.Time{}
	case r != nil && r.problem != "":
		return fmt.Sprintf("waits because the rule %q of spec.drain.rules cannot be used: %s", r.name, r.problem), time.Time{}
	case r != nil && r.behavior == v1alpha1.DrainBehaviorWaitCompleted:
		return fmt.Sprintf("has not completed, as the rule %q requires", r.name), time.Time{}
	}
	return podstate.DoNotDisrupt(pod, o.Now)
}

// terminal pods run no more.
func terminal(pod *corev1.Pod, _ *Options) (Verdict, string) {
	if podstate.HasEnded(pod) {
		return Ignore, "has ended"
	}
	return "", ""
}

// mirror pods belong to the kubelet, and go with it.
func mirror(pod *corev1.Pod, _ *Options) (Verdict, string) {
	if podstate.IsStatic(pod) {
		return Ignore, "is a static pod of the kubelet"
	}
	return "", ""
}

// daemon pods would be made again at once: they serve the node until it goes.
func daemon(pod *corev1.Pod, _ *Options) (Verdict, string) {
	if podstate.IsDaemon(pod) {
		return Ignore, "belongs to a DaemonSet"
	}
	return "", ""
}

// stuck pods should be gone, and the kubelet that would end them is silent.
func stuck(pod *corev1.Pod, o *Options) (Verdict, string) {
	if o.KubeletSilent && !pod.DeletionTimestamp.IsZero() && o.Now.After(pod.DeletionTimestamp.Add(stuckAfter)) {
		return Ignore, "should have ended, and its kubelet does not respond"
	}
	return "", ""
}

// terminating pods need no second word.
func terminating(pod *corev1.Pod, _ *Options) (Verdict, string) {
	if !pod.DeletionTimestamp.IsZero() {
		return Await, "is ending"
	}
	return "", ""
}

// returned pods came to the node although it is cordoned, and would do so again: evicting them
// would never end. They are evicted once, since another node may take them.
func returned(pod *corev1.Pod, o *Options) (Verdict, string) {
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
