package drain

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

func labelled(key, value string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Labels = map[string]string{key: value} }
}

func annotated(key, value string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Annotations = map[string]string{key: value} }
}

func priority(n int32) func(*corev1.Pod) { return func(p *corev1.Pod) { p.Spec.Priority = &n } }

func in(namespace string) func(*corev1.Pod) { return func(p *corev1.Pod) { p.Namespace = namespace } }

func grace(d time.Duration) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		seconds := int64(d.Seconds())
		p.Spec.TerminationGracePeriodSeconds = &seconds
	}
}

// endingAt has the pod end at a time from noon.
func endingAt(after time.Duration) func(*corev1.Pod) { return ending(-after) }

func started(ago time.Duration) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Status.StartTime = &metav1.Time{Time: noon.Add(-ago)} }
}

func selecting(key, value string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{key: value}}
}

func minutes(n int) *metav1.Duration {
	return &metav1.Duration{Duration: time.Duration(n) * time.Minute}
}

func band(min int32, timeout int) v1alpha1.PriorityBand {
	return v1alpha1.PriorityBand{MinPriority: min, Timeout: *minutes(timeout)}
}

// describe is a plan in words, relative to noon.
func describe(p Plan) string {
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return " until " + t.Sub(noon).String()
	}
	var b strings.Builder
	for _, d := range p.Decisions {
		fmt.Fprintf(&b, "%s: %s%s, %s", d.Pod.Name, d.Verdict, at(d.Until), d.Reason)
		if d.Grace != nil {
			fmt.Fprintf(&b, " (grace %d s)", *d.Grace)
		}
		b.WriteString("\n")
	}
	if !p.Stage.Since.IsZero() {
		fmt.Fprintf(&b, "stage %d/%d since %s\n", p.Stage.Order, p.Stage.MinPriority, p.Stage.Since.Sub(noon))
	}
	fmt.Fprintf(&b, "next%s\n", at(p.Next))
	return b.String()
}

// Each case is a node with pods, drained since some time before noon, and what is done at noon.
func TestPlans(t *testing.T) {
	job := []v1alpha1.DrainRule{
		{Name: "batch", PodSelector: selecting("kind", "job"), Behavior: v1alpha1.DrainBehaviorWaitCompleted},
		{Name: "agents", PodSelector: selecting("kind", "agent"), Behavior: v1alpha1.DrainBehaviorSkip},
		{Name: "storage", NamespaceSelector: selecting("team", "storage"), Behavior: v1alpha1.DrainBehaviorDrain, Order: 10},
		{Name: "early", PodSelector: selecting("kind", "early"), Order: -1},
	}
	invalid := []v1alpha1.DrainRule{{Name: "typo", PodSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "IsIn"}}}}}
	for name, test := range map[string]struct {
		drain   v1alpha1.Drain
		since   time.Duration
		pods    []*corev1.Pod
		options Options
		want    string
	}{
		"a pod that must not be disrupted holds the drain for ever without a limit": {
			pods: []*corev1.Pod{pod("db", annotated("karpenter.sh/do-not-disrupt", "true")), pod("web")},
			want: "db: Hold, is annotated karpenter.sh/do-not-disrupt=true\nweb: Evict, can be evicted\nnext\n",
		},
		"the protection of a pod ends with its duration": {
			pods: []*corev1.Pod{pod("db", annotated("k8sm.io/do-not-disrupt", "15m"), started(10*time.Minute))},
			want: "db: Hold until 5m0s, is annotated k8sm.io/do-not-disrupt=15m, which is over at 2026-03-01T12:05:00Z\nnext until 5m0s\n",
		},
		"a protected pod is evicted in time to use its grace period before the timeout": {
			drain: v1alpha1.Drain{Timeout: minutes(10)}, since: 5 * time.Minute,
			pods: []*corev1.Pod{
				pod("slow", annotated("k8sm.io/do-not-disrupt", "true"), grace(5*time.Minute)),
				pod("fast", annotated("k8sm.io/do-not-disrupt", "true"), grace(time.Minute)),
				pod("plain", annotated("k8sm.io/do-not-disrupt", "true")),
			},
			want: "slow: Evict, can be evicted\nfast: Hold until 4m0s, is annotated k8sm.io/do-not-disrupt=true\nplain: Hold until 4m30s, is annotated k8sm.io/do-not-disrupt=true\nnext until 4m0s\n",
		},
		"a pod that Cluster Autoscaler must not evict is protected": {
			pods: []*corev1.Pod{pod("db", annotated("cluster-autoscaler.kubernetes.io/safe-to-evict", "false"))},
			want: "db: Hold, is annotated cluster-autoscaler.kubernetes.io/safe-to-evict=false\nnext\n",
		},
		"nothing is protected when Mesos ends the task": {
			options: Options{Involuntary: true, Hook: "waits for a hook"}, drain: v1alpha1.Drain{Rules: job},
			pods: []*corev1.Pod{pod("db", annotated("k8sm.io/do-not-disrupt", "true")), pod("job", labelled("kind", "job")), pod("agent", labelled("kind", "agent"))},
			want: "db: Evict, can be evicted\njob: Evict, can be evicted\nagent: Ignore, is skipped by the rule \"agents\"\nstage 0/0 since 0s\nnext\n",
		},
		"nothing is protected on a node whose kubelet is silent": {
			options: Options{KubeletSilent: true},
			pods:    []*corev1.Pod{pod("db", annotated("k8sm.io/do-not-disrupt", "true"))},
			want:    "db: Evict, can be evicted\nnext\n",
		},
		"pods are deleted so early that their grace period ends with the terminationGracePeriod": {
			drain: v1alpha1.Drain{TerminationGracePeriod: minutes(10)}, since: 8 * time.Minute,
			pods: []*corev1.Pod{
				pod("due", grace(2*time.Minute)), pod("held", grace(3*time.Minute), annotated("k8sm.io/do-not-disrupt", "true")),
				pod("later", grace(time.Minute)), pod("daemon", owned("apps/v1", "DaemonSet"), grace(time.Hour)),
			},
			want: "due: Delete, has just the time left to use its grace period\n" +
				"held: Delete, has just the time left to use its grace period (grace 120 s)\n" +
				"later: Evict until 1m0s, can be evicted\ndaemon: Ignore, belongs to a DaemonSet\nnext until 1m0s\n",
		},
		"a pod that ends too late gets a shorter grace period": {
			drain: v1alpha1.Drain{TerminationGracePeriod: minutes(10)}, since: 8 * time.Minute,
			pods: []*corev1.Pod{pod("late", endingAt(time.Hour), grace(time.Hour)), pod("soon", endingAt(2*time.Minute), grace(time.Hour))},
			want: "late: Delete, has a grace period beyond the end of the drain (grace 120 s)\nsoon: Await, is ending\nnext\n",
		},
		"after the terminationGracePeriod the node waits for pods that are ending until the timeout": {
			drain: v1alpha1.Drain{TerminationGracePeriod: minutes(10), Timeout: minutes(20)}, since: 11 * time.Minute,
			pods: []*corev1.Pod{pod("stuck", endingAt(-time.Minute)), pod("new", grace(time.Minute))},
			want: "stuck: Await, is ending\nnew: Delete, has just the time left to use its grace period (grace 1 s)\nnext\n",
		},
		"rules skip pods, and wait for their completion": {
			drain: v1alpha1.Drain{Rules: job[:2]},
			pods: []*corev1.Pod{
				pod("job", labelled("kind", "job")), pod("done", labelled("kind", "job"), phase(corev1.PodSucceeded)), pod("agent", labelled("kind", "agent")),
				pod("web"), pod("daemon", labelled("kind", "job"), owned("apps/v1", "DaemonSet")),
			},
			want: "job: Hold, has not completed, as the rule \"batch\" requires\ndone: Ignore, has ended\nagent: Ignore, is skipped by the rule \"agents\"\nweb: Evict, can be evicted\ndaemon: Ignore, belongs to a DaemonSet\nnext\n",
		},
		"a pod that has to complete is told to end at the timeout": {
			drain: v1alpha1.Drain{Rules: job[:1], Timeout: minutes(1)}, since: 30 * time.Second,
			pods: []*corev1.Pod{pod("job", labelled("kind", "job"))},
			want: "job: Evict, can be evicted\nnext\n",
		},
		"pods go in the order of the rules": {
			drain: v1alpha1.Drain{Rules: job},
			pods:  []*corev1.Pod{pod("ceph", in("ceph")), pod("web"), pod("first", labelled("kind", "early"))},
			want: "ceph: Later, goes after the pods up to order -1 and priority band 0\nweb: Later, goes after the pods up to order -1 and priority band 0\n" +
				"first: Evict, can be evicted\nstage -1/0 since 0s\nnext\n",
		},
		"pods of the next order wait for pods that are ending": {
			drain: v1alpha1.Drain{Rules: job}, since: time.Minute, options: Options{Stage: Stage{Order: -1, Since: noon.Add(-time.Minute)}},
			pods: []*corev1.Pod{pod("web"), pod("first", labelled("kind", "early"), ending(0))},
			want: "web: Later, goes after the pods up to order -1 and priority band 0\nfirst: Await, is ending\nstage -1/0 since -1m0s\nnext\n",
		},
		"the next order begins when no pods of the one before are left": {
			drain: v1alpha1.Drain{Rules: job}, since: time.Minute, options: Options{Stage: Stage{Order: -1, Since: noon.Add(-time.Minute)}},
			pods: []*corev1.Pod{pod("ceph", in("ceph")), pod("web")},
			want: "ceph: Later, goes after the pods up to order 0 and priority band 0\nweb: Evict, can be evicted\nstage 0/0 since 0s\nnext\n",
		},
		"pods of later orders are evicted in time for their grace period": {
			drain: v1alpha1.Drain{Rules: job, Timeout: minutes(10)}, since: 5 * time.Minute, options: Options{Stage: Stage{Since: noon.Add(-5 * time.Minute)}},
			pods: []*corev1.Pod{pod("ceph", in("ceph"), grace(5*time.Minute)), pod("ceph-2", in("ceph"), grace(4*time.Minute)), pod("web")},
			want: "ceph: Evict, can be evicted\nceph-2: Later until 1m0s, goes after the pods up to order 0 and priority band 0\nweb: Evict, can be evicted\nstage 0/0 since -5m0s\nnext until 1m0s\n",
		},
		"pods of the lowest priority band go first": {
			drain: v1alpha1.Drain{PriorityBands: []v1alpha1.PriorityBand{band(1000, 5), band(0, 10)}},
			pods:  []*corev1.Pod{pod("high", priority(2000)), pod("low"), pod("negative", priority(-10)), pod("edge", priority(1000))},
			want: "high: Later, goes after the pods up to order 0 and priority band 0\nlow: Evict, can be evicted\nnegative: Evict, can be evicted\n" +
				"edge: Later, goes after the pods up to order 0 and priority band 0\nstage 0/0 since 0s\nnext until 10m0s\n",
		},
		"a band begins when the time of the one before is over": {
			drain: v1alpha1.Drain{PriorityBands: []v1alpha1.PriorityBand{band(0, 10), band(1000, 5), band(2000, 5)}}, since: 11 * time.Minute,
			options: Options{Stage: Stage{Since: noon.Add(-10 * time.Minute)}},
			pods:    []*corev1.Pod{pod("low"), pod("high", priority(1500)), pod("higher", priority(2000))},
			want: "low: Evict, can be evicted\nhigh: Evict, can be evicted\nhigher: Later, goes after the pods up to order 0 and priority band 1000\n" +
				"stage 0/1000 since 0s\nnext until 5m0s\n",
		},
		"the last band has no end": {
			drain: v1alpha1.Drain{PriorityBands: []v1alpha1.PriorityBand{band(0, 10)}}, since: time.Hour, options: Options{Stage: Stage{Since: noon.Add(-time.Hour)}},
			pods: []*corev1.Pod{pod("low")},
			want: "low: Evict, can be evicted\nstage 0/0 since -1h0m0s\nnext\n",
		},
		"bands apply within an order": {
			drain: v1alpha1.Drain{Rules: job, PriorityBands: []v1alpha1.PriorityBand{band(0, 10), band(1000, 5)}}, since: time.Minute,
			pods: []*corev1.Pod{pod("ceph", in("ceph")), pod("high", priority(1000))},
			want: "ceph: Later, goes after the pods up to order 0 and priority band 1000\nhigh: Evict, can be evicted\nstage 0/1000 since 0s\nnext until 5m0s\n",
		},
		"bands that are gone from the pool evict all at once": {
			since: time.Minute, options: Options{Stage: Stage{MinPriority: 0, Since: noon.Add(-time.Minute)}},
			pods: []*corev1.Pod{pod("low"), pod("high", priority(1000))},
			want: "low: Evict, can be evicted\nhigh: Evict, can be evicted\nnext\n",
		},
		"a rule that cannot be used holds all pods that it may mean": {
			drain: v1alpha1.Drain{Rules: append(job[1:2:2], invalid...)},
			pods:  []*corev1.Pod{pod("agent", labelled("kind", "agent")), pod("web")},
			want: "agent: Ignore, is skipped by the rule \"agents\"\n" +
				"web: Hold, waits because the rule \"typo\" of spec.drain.rules cannot be used: its podSelector is invalid: \"IsIn\" is not a valid label selector operator\nnext\n",
		},
		"a hook holds all pods that would be evicted": {
			drain: v1alpha1.Drain{Timeout: minutes(10)}, options: Options{Hook: "waits for the hook"},
			pods: []*corev1.Pod{pod("web"), pod("gone", ending(0)), pod("slow", grace(10*time.Minute))},
			want: "web: Hold until 9m30s, waits for the hook\ngone: Await, is ending\nslow: Evict, can be evicted\nnext until 9m30s\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := test.options
			o.Now, o.Began = noon, noon.Add(-test.since)
			o.Policy, o.Limits = NewPolicy(test.drain), LimitsOf(test.drain, o.Began)
			o.NamespaceLabels = func(name string) labels.Set {
				return map[string]labels.Set{"ceph": {"team": "storage"}}[name]
			}
			var pods []corev1.Pod
			for _, p := range test.pods {
				pods = append(pods, *p)
			}
			if diff := cmp.Diff(test.want, describe(DecideAll(pods, o))); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLimitsOfADrain(t *testing.T) {
	for name, test := range map[string]struct {
		drain        v1alpha1.Drain
		maintenance  time.Duration // after noon; 0 for none
		end, podsEnd time.Duration // after noon; 0 for never
		why          string
		longest      time.Duration
	}{
		"none":                      {},
		"a timeout":                 {drain: v1alpha1.Drain{Timeout: minutes(5)}, end: 5 * time.Minute, why: "The drain took longer than 5m0s", longest: 5 * time.Minute},
		"a terminationGracePeriod":  {drain: v1alpha1.Drain{TerminationGracePeriod: minutes(5)}, end: 5 * time.Minute, podsEnd: 5 * time.Minute, why: "The terminationGracePeriod of 5m0s has passed", longest: 5 * time.Minute},
		"both":                      {drain: v1alpha1.Drain{TerminationGracePeriod: minutes(5), Timeout: minutes(8)}, end: 8 * time.Minute, podsEnd: 5 * time.Minute, why: "The drain took longer than 8m0s", longest: 8 * time.Minute},
		"a timeout that is shorter": {drain: v1alpha1.Drain{TerminationGracePeriod: minutes(8), Timeout: minutes(5)}, end: 5 * time.Minute, podsEnd: 5 * time.Minute, why: "The drain took longer than 5m0s", longest: 5 * time.Minute},
		"a maintenance":             {maintenance: 3 * time.Minute, end: 3 * time.Minute, why: "The maintenance begins"},
		"a maintenance before the end of the pods": {drain: v1alpha1.Drain{TerminationGracePeriod: minutes(5)}, maintenance: 3 * time.Minute,
			end: 3 * time.Minute, podsEnd: 3 * time.Minute, why: "The maintenance begins", longest: 5 * time.Minute},
		"a maintenance after the timeout": {drain: v1alpha1.Drain{Timeout: minutes(2)}, maintenance: 3 * time.Minute, end: 2 * time.Minute, why: "The drain took longer than 2m0s", longest: 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			l := LimitsOf(test.drain, noon)
			if test.maintenance > 0 {
				l = l.NoLaterThan(noon.Add(test.maintenance), "The maintenance begins")
			}
			at := func(d time.Duration) time.Time {
				if d == 0 {
					return time.Time{}
				}
				return noon.Add(d)
			}
			if diff := cmp.Diff(Limits{End: at(test.end), Why: test.why, PodsEnd: at(test.podsEnd)}, l); diff != "" {
				t.Errorf("limits (-want +got):\n%s", diff)
			}
			if got := LongestDrain(test.drain); got != test.longest {
				t.Errorf("the longest drain takes %s, want %s", got, test.longest)
			}
			if l.HavePassed(noon.Add(test.end - time.Second)) {
				t.Error("the end has passed before it has come")
			}
			if l.HavePassed(noon.Add(test.end)) != (test.end > 0) {
				t.Error("the end does not count when it comes")
			}
		})
	}
}

func TestHooksAreNamedInOrder(t *testing.T) {
	hooks := Hooks(map[string]string{
		"pre-drain.k8sm.io/b": "backup-operator", "pre-drain.k8sm.io/a": "", "pre-drain.k8sm.io/c": "true", "pre-terminate.k8sm.io/a": "", "other": "",
		"pre-drain.k8sm.io/d": strings.Repeat("x", 1000),
	}, v1alpha1.AnnotationPreDrainHook)
	if diff := cmp.Diff([]string{"pre-drain.k8sm.io/a", "pre-drain.k8sm.io/b (backup-operator)", "pre-drain.k8sm.io/c"}, hooks[:3]); diff != "" {
		t.Errorf("hooks (-want +got):\n%s", diff)
	}
	if len(hooks) != 4 || len(hooks[3]) > 100 {
		t.Errorf("a long owner: %q", hooks[3:])
	}
	if got := DescribeHooks(hooks[:1]); !strings.Contains(got, "pre-drain.k8sm.io/a") {
		t.Errorf("the reason %q does not name the hook", got)
	}
}
