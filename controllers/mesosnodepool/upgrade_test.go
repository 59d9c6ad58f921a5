package mesosnodepool

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodetemplate"
	"github.com/k8sm/k8sm/controllers/poolnodes"
)

func kubeletArtifact(digit string) *v1alpha1.Artifact {
	return &v1alpha1.Artifact{Name: "kubelet", Type: v1alpha1.ArtifactBinary, URI: "https://example.com/" + digit, SHA256: strings.Repeat(digit, 64)}
}

// withKubelet is a ready node that runs one kubelet and was asked to run another, "" for
// none.
func withKubelet(name, runs, told string) *v1alpha1.MesosNode {
	n := aged(name, 10, isRegistered, isReady)
	n.Status.Task.Kubelet = &v1alpha1.TaskKubelet{SHA256: strings.Repeat(runs, 64)}
	if told != "" {
		n.Status.KubeletUpgrade = kubeletArtifact(told)
	}
	return n
}

// refusing is withKubelet with a refusal of the other kubelet.
func refusing(name, runs, told string) *v1alpha1.MesosNode {
	n := withKubelet(name, runs, told)
	n.Status.Task.Kubelet.Upgrade = &v1alpha1.TaskKubeletUpgrade{SHA256: strings.Repeat(told, 64), Refused: true, Message: "rolled back to v1.37.2"}
	return n
}

func TestPlanUpgrades(t *testing.T) {
	type nodes = []*v1alpha1.MesosNode
	old := func(name string) *v1alpha1.MesosNode { return withKubelet(name, "1", "") }
	silent := old("silent")
	meta.SetStatusCondition(&silent.Status.Conditions, isSilent)
	mute := old("mute")
	mute.Status.Task.Kubelet = nil
	moved := withKubelet("moved", "1", "2")
	moved.Status.KubeletUpgrade.URI = "https://elsewhere.example.com/2"

	two := kubeletArtifact("2")
	for name, test := range map[string]struct {
		wanted *v1alpha1.Artifact
		most   int
		alive  nodes
		want   []string
	}{
		"maxUnavailable nodes are upgraded, by name":                               {wanted: two, most: 2, alive: nodes{old("c"), old("a"), old("b")}, want: []string{"a", "b"}},
		"a node that is being upgraded counts as unavailable":                      {wanted: two, most: 2, alive: nodes{withKubelet("a", "1", "2"), old("b"), old("c")}, want: []string{"b"}},
		"an unready node counts as unavailable":                                    {wanted: two, most: 1, alive: nodes{silent, old("b")}},
		"a node that was upgraded does not count as unavailable":                   {wanted: two, most: 1, alive: nodes{withKubelet("a", "2", "2"), old("b")}, want: []string{"b"}},
		"a node that was launched with the kubelet does not count as unavailable":  {wanted: two, most: 1, alive: nodes{withKubelet("a", "2", ""), old("b")}, want: []string{"b"}},
		"no node is upgraded after one refused the kubelet":                        {wanted: two, most: 5, alive: nodes{old("a"), refusing("b", "1", "2"), old("c")}},
		"the refusal of another kubelet does not prevent the upgrade":              {wanted: two, most: 5, alive: nodes{refusing("a", "1", "3"), old("b")}, want: []string{"a", "b"}},
		"nodes whose last upgrade is complete are upgraded in turn":                {wanted: two, most: 1, alive: nodes{withKubelet("a", "1", "1"), withKubelet("b", "1", "1")}, want: []string{"a"}},
		"an upgrade to another kubelet is corrected":                               {wanted: two, most: 0, alive: nodes{withKubelet("a", "1", "3"), old("b")}, want: []string{"a"}},
		"an upgrade from another URI is corrected":                                 {wanted: two, most: 0, alive: nodes{moved}, want: []string{"moved"}},
		"an upgrade is cancelled when the template returns to the running kubelet": {wanted: kubeletArtifact("1"), most: 0, alive: nodes{withKubelet("a", "1", "2")}, want: []string{"a"}},
		"upgrades are cancelled when no kubelet is wanted":                         {most: 1, alive: nodes{withKubelet("a", "1", "2"), old("b"), refusing("c", "1", "2")}, want: []string{"a", "c"}},
		"a node whose executor reports no kubelet is not upgraded":                 {wanted: two, most: 5, alive: nodes{mute, aged("new", 1)}},
		"no node is upgraded if maxUnavailable is 0":                               {wanted: two, most: 0, alive: nodes{old("a")}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, namesOf(PlanUpgrades(UpgradeInput{Wanted: func(*v1alpha1.MesosNode) *v1alpha1.Artifact { return test.wanted }, MaxUnavailable: test.most, Alive: test.alive}))); diff != "" {
				t.Errorf("nodes to upgrade (-want +got):\n%s", diff)
			}
		})
	}
}

func namesOf(nodes []*v1alpha1.MesosNode) (names []string) {
	for _, n := range nodes {
		names = append(names, n.Name)
	}
	return names
}

func inPlace(p *v1alpha1.MesosNodePool) {
	p.Spec.Rollout = v1alpha1.Rollout{Kubelet: v1alpha1.KubeletInPlace, MaxUnavailable: new(intstr.FromInt32(1))}
}

// setKubelet makes the executor of a node report its kubelet.
func (s *fixture) setKubelet(name string, kubelet v1alpha1.TaskKubelet) {
	s.t.Helper()
	for _, n := range s.nodes() {
		if n.Name != name {
			continue
		}
		n.Status.Task.Kubelet = &kubelet
		if err := s.live.Status().Update(context.Background(), &n); err != nil {
			s.t.Fatal(err)
		}
	}
	s.reconcile()
}

// expectUpgradeRequests checks which nodes are to run the kubelet.
func (s *fixture) expectUpgradeRequests(digit string, want ...string) {
	s.t.Helper()
	var got []string
	for _, n := range s.nodes() {
		if u := n.Status.KubeletUpgrade; u != nil && u.SHA256 == strings.Repeat(digit, 64) {
			got = append(got, n.Name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("nodes that are to run %s (-want +got):\n%s", digit, diff)
	}
}

func TestKubeletsAreUpgradedOneAtATime(t *testing.T) {
	s := newFixture(t, 3, newReadyFramework())
	s.kubelet = kubeletArtifact("1")
	s.reconcile()
	one := v1alpha1.TaskKubelet{SHA256: strings.Repeat("1", 64)}
	two := v1alpha1.TaskKubelet{SHA256: strings.Repeat("2", 64)}
	names := s.alive()
	for _, name := range names {
		s.setConditions(name, isRegistered, isReady)
		s.setKubelet(name, one)
	}
	if meta.FindStatusCondition(s.pool().Status.Conditions, v1alpha1.ConditionKubeletCurrent) != nil {
		t.Error("there is a condition though nothing is upgraded in place")
	}
	s.kubelet = kubeletArtifact("2")
	s.reconcile()
	s.expectUpgradeRequests("2")
	s.update(inPlace)
	s.reconcile()
	s.expectUpgradeRequests("2", names[0])
	s.expectCondition(v1alpha1.ConditionKubeletCurrent, metav1.ConditionFalse, v1alpha1.ReasonKubeletUpgrading, "0 of 3 nodes run the template's kubelet, 1 are being upgraded")
	s.restart()
	s.reconcile()
	s.expectUpgradeRequests("2", names[0])
	s.setKubelet(names[0], two)
	s.expectUpgradeRequests("2", names[0], names[1])

	refused := one
	refused.Upgrade = &v1alpha1.TaskKubeletUpgrade{SHA256: two.SHA256, Refused: true, Message: "rolled back to v1.37.2"}
	s.setKubelet(names[1], refused)
	s.expectUpgradeRequests("2", names[0], names[1])
	s.expectCondition(v1alpha1.ConditionKubeletCurrent, metav1.ConditionFalse, v1alpha1.ReasonKubeletRefused, names[1]+": rolled back to v1.37.2")

	s.kubelet = kubeletArtifact("3")
	s.reconcile()
	s.expectUpgradeRequests("3", names[0])
	s.update(func(p *v1alpha1.MesosNodePool) { p.Spec.Paused = true })
	s.setKubelet(names[0], v1alpha1.TaskKubelet{SHA256: s.kubelet.SHA256})
	s.expectUpgradeRequests("3", names[0])
	s.update(func(p *v1alpha1.MesosNodePool) { p.Spec.Paused = false })
	s.reconcile()
	for _, name := range names[1:] {
		s.setKubelet(name, v1alpha1.TaskKubelet{SHA256: s.kubelet.SHA256})
	}
	s.expectCondition(v1alpha1.ConditionKubeletCurrent, metav1.ConditionTrue, v1alpha1.ReasonKubeletCurrent, "3 of 3")
	s.update(func(p *v1alpha1.MesosNodePool) { p.Spec.Rollout.Kubelet = v1alpha1.KubeletOnReplacement })
	s.reconcile()
	s.expectUpgradeRequests("3")
	if meta.FindStatusCondition(s.pool().Status.Conditions, v1alpha1.ConditionKubeletCurrent) != nil {
		t.Error("the condition is still there")
	}
}

func TestNodesAreUpgradedToTheKubeletForTheirArchitecture(t *testing.T) {
	pool := newPool(1)
	inPlace(pool)
	kubelet := func(digit string, architecture v1alpha1.Architecture) v1alpha1.Artifact {
		a := *kubeletArtifact(digit)
		a.Architecture = architecture
		return a
	}
	reports := func(runs string, architecture v1alpha1.Architecture) *v1alpha1.MesosNode {
		n := withKubelet("a", runs, "")
		n.Status.Task.Kubelet.Architecture = architecture
		return n
	}
	both := nodetemplate.Resolved{Artifacts: []v1alpha1.Artifact{kubelet("2", "amd64"), kubelet("3", "arm64")}}
	one := nodetemplate.Resolved{Artifacts: []v1alpha1.Artifact{kubelet("2", "amd64")}}
	for name, test := range map[string]struct {
		runtime nodetemplate.Resolved
		refused bool
		node    *v1alpha1.MesosNode
		want    string // the digit of the kubelet
		reason  string
	}{
		"amd64":                           {runtime: both, node: reports("1", "amd64"), want: "2", reason: v1alpha1.ReasonKubeletUpgrading},
		"arm64":                           {runtime: both, node: reports("1", "arm64"), want: "3", reason: v1alpha1.ReasonKubeletUpgrading},
		"another architecture":            {runtime: one, node: reports("1", "arm64"), reason: v1alpha1.ReasonKubeletNotReplaceable},
		"not reported, among several":     {runtime: both, node: reports("1", ""), reason: v1alpha1.ReasonKubeletNotReplaceable},
		"not reported, among one":         {runtime: one, node: reports("1", ""), want: "2", reason: v1alpha1.ReasonKubeletUpgrading},
		"not reported, but it is current": {runtime: both, node: reports("3", ""), want: "3", reason: v1alpha1.ReasonKubeletCurrent},
		"the runtime is refused":          {runtime: both, refused: true, node: reports("1", "amd64"), want: "2", reason: v1alpha1.ReasonKubeletNotReplaceable},
	} {
		t.Run(name, func(t *testing.T) {
			o := observation{pool: pool, runtime: test.runtime, nodes: poolnodes.Inventory{Alive: []*v1alpha1.MesosNode{test.node}}}
			if test.refused {
				o.refusal = nodetemplate.Refusal{Reason: v1alpha1.ReasonKubeletVersionSkew, Message: "Too new."}
			}
			got := o.wantedKubelet(test.node)
			if test.refused && len(o.upgradeInput().Alive) > 0 {
				t.Error("nodes are upgraded although the runtime is refused")
			}
			if (got == nil) != (test.want == "") || got != nil && got.SHA256 != strings.Repeat(test.want, 64) {
				t.Errorf("wanted is %+v", got)
			}
			if c := o.kubeletCurrentCondition(); c.Reason != test.reason {
				t.Errorf("condition %+v, want %s", c, test.reason)
			}
		})
	}
}

func TestRefusedKubeletUpgradeIsReported(t *testing.T) {
	s := newFixture(t, 1, newReadyFramework())
	s.update(inPlace)
	s.reconcile()
	s.expectCondition(v1alpha1.ConditionKubeletCurrent, metav1.ConditionFalse, v1alpha1.ReasonKubeletNotReplaceable, "Binary")
	s.kubelet = kubeletArtifact("1")
	s.setConditions(s.alive()[0], isRegistered, isReady) // by an executor that tells nothing of its kubelet
	s.reconcile()
	s.expectCondition(v1alpha1.ConditionKubeletCurrent, metav1.ConditionFalse, v1alpha1.ReasonKubeletNotReplaceable, s.alive()[0])
}

// The operator's file may allow less than before: nodes that run go on, and neither nodes nor
// kubelets of the template are begun with.
func TestArtifactsThatAreNotAllowedAreNotRolledOut(t *testing.T) {
	s := newFixture(t, 2, newReadyFramework())
	s.kubelet = kubeletArtifact("1")
	s.update(inPlace)
	s.reconcile()
	names := s.alive()
	for _, name := range names {
		s.setConditions(name, isRegistered, isReady)
		s.setKubelet(name, v1alpha1.TaskKubelet{SHA256: s.kubelet.SHA256})
	}

	s.kubelet = kubeletArtifact("2")
	s.refusal = nodetemplate.Refusal{Reason: v1alpha1.ReasonArtifactsNotAllowed, Message: "the artifact kubelet lies elsewhere."}
	s.update(func(p *v1alpha1.MesosNodePool) { *p.Spec.Replicas = 3 })
	for range 3 {
		s.reconcile()
	}
	if diff := cmp.Diff(names, s.alive()); diff != "" {
		t.Errorf("nodes while the artifacts are not allowed (-want +got):\n%s", diff)
	}
	s.expectUpgradeRequests("2")
	s.expectCondition(v1alpha1.ConditionTemplateValid, metav1.ConditionFalse, v1alpha1.ReasonArtifactsNotAllowed, "lies elsewhere")

	s.refusal = nodetemplate.Refusal{}
	s.update(func(p *v1alpha1.MesosNodePool) { *p.Spec.Replicas = 2 })
	s.reconcile()
	s.expectUpgradeRequests("2", names[0])
	s.expectCondition(v1alpha1.ConditionTemplateValid, metav1.ConditionTrue, v1alpha1.ReasonTemplateValid, "")
}
