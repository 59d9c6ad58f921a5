package mesosnodepool

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodetemplate"
	"github.com/k8sm/k8sm/controllers/poolnodes"
)

func TestPoolCreatesItsReplicas(t *testing.T) {
	s := newFixture(t, 2, newReadyFramework())
	s.reconcile()
	nodes := s.nodes()
	if len(nodes) != 2 {
		t.Fatalf("%d nodes, want 2", len(nodes))
	}
	got := nodes[0]
	want := map[string]string{v1alpha1.LabelPool: "general", v1alpha1.LabelFramework: "default"}
	if diff := cmp.Diff(want, got.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{v1alpha1.FinalizerRelease}, got.Finalizers); diff != "" {
		t.Errorf("finalizers (-want +got):\n%s", diff)
	}
	pool := s.pool()
	if diff := cmp.Diff(pool.Spec.Template, got.Spec.Template); diff != "" {
		t.Errorf("template (-pool +node):\n%s", diff)
	}
	if !metav1.IsControlledBy(&got, pool) {
		t.Error("the pool does not own its node")
	}
	if diff := cmp.Diff([]string{v1alpha1.FinalizerNodes}, pool.Finalizers); diff != "" {
		t.Errorf("finalizers of the pool (-want +got):\n%s", diff)
	}
	if pool.Status.Replicas != 2 || pool.Status.Selector != "k8sm.io/pool=general" {
		t.Errorf("status is %+v", pool.Status)
	}
}

func TestCompletePoolMakesNoCalls(t *testing.T) {
	s := newFixture(t, 2, newReadyFramework())
	s.reconcile()
	for _, name := range s.alive() {
		s.setConditions(name, isRegistered, isReady)
	}
	s.reconcile()
	s.expectCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonAllNodesReady, "2 of 2")
	before := s.pool().ResourceVersion
	s.now = s.now.Add(time.Hour)
	s.reconcile()
	if s.pool().ResourceVersion != before || s.last != (reconcile.Result{}) || s.surveys != 0 {
		t.Errorf("the pool was written, looked at again (%+v), or Mesos asked %d times", s.last, s.surveys)
	}
}

func TestLargePoolIsCreatedInBatches(t *testing.T) {
	s := newFixture(t, 250, newReadyFramework())
	for _, want := range []int{100, 200, 250} {
		s.reconcile()
		if got := len(s.nodes()); got != want {
			t.Fatalf("%d nodes, want %d", got, want)
		}
		if goesOn := s.last.RequeueAfter == nextBatchDelay; goesOn != (want < 250) {
			t.Errorf("after %d nodes looks again after %s", want, s.last.RequeueAfter)
		}
	}
}

func TestStaleCacheNeverCreatesTooManyNodes(t *testing.T) {
	s := newFixture(t, 5, newReadyFramework())
	s.freezeCache()
	for range 10 {
		s.reconcile()
		if got := len(s.nodes()); got != 5 {
			t.Fatalf("%d nodes, want 5", got)
		}
		s.now = s.now.Add(time.Minute)
	}
	s.unfreezeCache()
	s.reconcile()
	if got := len(s.nodes()); got != 5 {
		t.Errorf("%d nodes, want 5", got)
	}
}

func TestStaleCacheNeverRemovesTooManyNodes(t *testing.T) {
	s := newFixture(t, 3, newReadyFramework())
	s.reconcile()
	for _, name := range s.alive() {
		s.setConditions(name, isRegistered, isReady)
	}
	s.update(scale(2))
	s.freezeCache()
	s.reconcile()
	// The cache shows the victim alive still, and another node the worse.
	victim := s.nodes()[2].Name
	for i := range s.cachedNodes {
		if s.cachedNodes[i].Name != victim {
			s.cachedNodes[i].Status.Conditions = []metav1.Condition{isRegistered, isSilent}
		}
	}
	for range 10 {
		s.reconcile()
		s.now = s.now.Add(time.Minute)
	}
	if got := s.alive(); len(got) != 2 {
		t.Errorf("alive are %v, want 2", got)
	}
}

func TestRestartedOperatorChecksTheAPIServerBeforeItsCache(t *testing.T) {
	s := newFixture(t, 3, newReadyFramework())
	s.freezeCache() // before the old process has created anything
	s.reconcile()
	s.restart()
	s.reconcile()
	if got := len(s.nodes()); got != 3 {
		t.Errorf("%d nodes, want 3", got)
	}
}

// TestRandomlyLaggingCacheNeverExceedsTheReplicas lets the cache lag at random, while the pool is scaled,
// nodes are lost and the operator restarts: there are never more nodes than were ever
// asked for at that time, and in the end exactly as many.
func TestRandomlyLaggingCacheNeverExceedsTheReplicas(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			s := newFixture(t, 4, newReadyFramework())
			replicas := 4
			for range 100 {
				switch random.IntN(8) {
				case 0:
					was := replicas
					replicas = random.IntN(8)
					s.update(scale(int32(replicas)))
					if replicas < was { // the old number was right a moment ago
						s.unfreezeCache()
						s.reconcile()
					}
				case 1:
					s.freezeCache()
				case 2:
					s.unfreezeCache()
				case 3:
					s.restart()
				case 4:
					s.releaseDeleted()
				default:
					s.now = s.now.Add(time.Duration(random.IntN(7000)) * time.Millisecond)
				}
				s.reconcile()
				if got := len(s.alive()); got > replicas {
					t.Fatalf("%d nodes, want %d at most", got, replicas)
				}
			}
			s.unfreezeCache()
			for range 5 {
				s.now = s.now.Add(time.Minute)
				s.reconcile()
			}
			if got := len(s.alive()); got != replicas {
				t.Errorf("%d nodes in the end, want %d", got, replicas)
			}
		})
	}
}

var errLost = apierrors.NewTimeoutError("no answer", 0)

func TestCreationWithoutAnswerIsCounted(t *testing.T) {
	s := newFixture(t, 1, newReadyFramework())
	s.created = func(do func() error) error { return errors.Join(do(), errLost) }
	s.freezeCache()
	if err := s.tryReconcile(); err == nil {
		t.Fatal("no error")
	}
	s.reconcile()
	if got := len(s.nodes()); got != 1 {
		t.Errorf("%d nodes, want the one that was created", got)
	}
}

func TestFailedCreationIsRepeated(t *testing.T) {
	s := newFixture(t, 1, newReadyFramework())
	lost := s.created
	s.created = func(func() error) error { return errLost }
	if err := s.tryReconcile(); err == nil {
		t.Fatal("no error")
	}
	s.created = lost
	s.reconcile()
	if got := len(s.nodes()); got != 0 || s.last.RequeueAfter != cacheLagDelay {
		t.Fatalf("%d nodes, looks again after %s: it is too early to tell", got, s.last.RequeueAfter)
	}
	s.now = s.now.Add(poolnodes.VerifyAfter + time.Second)
	s.reconcile()
	if got := len(s.nodes()); got != 1 {
		t.Errorf("%d nodes, want 1", got)
	}
}

func TestFailedDeletionIsRepeated(t *testing.T) {
	s := newFixture(t, 1, newReadyFramework())
	s.reconcile()
	s.update(scale(0))
	straight := s.deleted
	s.deleted = func(func() error) error { return errLost }
	if err := s.tryReconcile(); err == nil {
		t.Fatal("no error")
	}
	s.deleted = straight
	s.now = s.now.Add(poolnodes.VerifyAfter + time.Second)
	s.reconcile()
	if got := s.alive(); len(got) != 0 {
		t.Errorf("alive are %v, want none", got)
	}
}

func TestUnconfirmedDeletionMakesNoRoom(t *testing.T) {
	s := newFixture(t, 2, newReadyFramework())
	s.reconcile()
	s.update(scale(1))
	s.deleted = func(func() error) error { return errLost }
	if err := s.tryReconcile(); err == nil {
		t.Fatal("no error")
	}
	s.update(scale(2))
	s.reconcile()
	if got := len(s.nodes()); got != 2 {
		t.Errorf("%d nodes, want 2: the deletion may have come to nothing", got)
	}
}

func TestRefusedCreationIsNotCounted(t *testing.T) {
	s := newFixture(t, 1, newReadyFramework())
	straight := s.created
	s.created = func(func() error) error {
		return apierrors.NewForbidden(v1alpha1.GroupVersion.WithResource("mesosnodes").GroupResource(), "", errors.New("quota"))
	}
	if err := s.tryReconcile(); !apierrors.IsForbidden(err) {
		t.Fatalf("got error %v", err)
	}
	s.expectCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonScalingUp, "0 of 1")
	s.created = straight
	s.reconcile()
	if got := len(s.nodes()); got != 1 {
		t.Errorf("%d nodes, want 1", got)
	}
}

func TestPoolIsReleasedAfterItsNodes(t *testing.T) {
	s := newFixture(t, 2, newReadyFramework())
	s.reconcile()
	if err := s.live.Delete(context.Background(), s.pool()); err != nil {
		t.Fatal(err)
	}
	s.reconcile()
	if got := s.alive(); len(got) != 0 {
		t.Fatalf("alive are %v, want none", got)
	}
	s.setConditions(s.nodes()[0].Name, metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonDraining, Message: "web is held"})
	s.reconcile()
	s.expectCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonDeleting, "Waiting for 2 nodes to be released")
	s.expectCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonDeleting, "web is held")
	s.releaseDeleted()
	s.reconcile()
	if s.pool() != nil {
		t.Errorf("the pool is still there: %+v", s.pool())
	}
	s.reconcile()
	if !slices.Contains(s.store.forgotten, "general") {
		t.Error("a pool that is gone is remembered")
	}
}

func TestPoolWithoutFrameworkCreatesNoNodes(t *testing.T) {
	s := newFixture(t, 2)
	s.reconcile()
	if got := len(s.nodes()); got != 0 {
		t.Errorf("%d nodes, want none", got)
	}
	s.expectCondition(v1alpha1.ConditionFrameworkReady, metav1.ConditionFalse, v1alpha1.ReasonFrameworkNotFound, `no MesosFramework "default"`)
	s.expectCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonFrameworkNotFound, `no MesosFramework "default"`)
}

func TestInvalidTemplateCreatesNoNodes(t *testing.T) {
	configured := func(config string) func(*v1alpha1.MesosNodePool) {
		return func(p *v1alpha1.MesosNodePool) {
			p.Spec.Template.Spec.Kubelet.Config = &runtime.RawExtension{Raw: []byte(config)}
		}
	}
	s := newFixture(t, 2, newReadyFramework())
	s.update(configured(`{"maxPod": 30}`))
	for range 3 {
		s.reconcile()
	}
	if got := len(s.nodes()); got != 0 {
		t.Errorf("%d nodes, want none", got)
	}
	s.expectCondition(v1alpha1.ConditionTemplateValid, metav1.ConditionFalse, v1alpha1.ReasonKubeletConfigInvalid, `unknown field "maxPod"`)
	s.expectCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonKubeletConfigInvalid, `unknown field "maxPod"`)
	if got := len(s.events.Events); got != 1 {
		t.Fatalf("%d events, want one", got)
	}
	if event := <-s.events.Events; !strings.Contains(event, "Warning TemplateInvalid") || !strings.Contains(event, `unknown field "maxPod"`) {
		t.Errorf("event is %q", event)
	}

	s.update(configured(`{"maxPods": 30}`))
	s.reconcile()
	if got := len(s.nodes()); got != 2 {
		t.Errorf("%d nodes, want 2", got)
	}
	s.expectCondition(v1alpha1.ConditionTemplateValid, metav1.ConditionTrue, v1alpha1.ReasonTemplateValid, "")

	s.update(configured(`{"maxPod": 30}`))
	s.update(scale(1))
	s.reconcile()
	if got := len(s.alive()); got != 1 {
		t.Errorf("%d nodes are left, want 1: an invalid template keeps no node", got)
	}
}

func TestRefusedRuntimeCreatesNoNodesAndLeavesThoseThatRun(t *testing.T) {
	s := newFixture(t, 2, newReadyFramework())
	s.reconcile()
	running := s.alive()
	s.refusal = nodetemplate.Refusal{Reason: v1alpha1.ReasonKubeletVersionSkew, Message: "The kubelet is too new."}
	s.update(scale(3))
	s.reconcile()
	if diff := cmp.Diff(running, s.alive()); diff != "" {
		t.Errorf("nodes (-want +got):\n%s", diff)
	}
	s.expectCondition(v1alpha1.ConditionTemplateValid, metav1.ConditionFalse, v1alpha1.ReasonKubeletVersionSkew, "The kubelet is too new.")
	s.expectCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonKubeletVersionSkew, "no node can be made of the template")
	if s.last.RequeueAfter == 0 || s.last.RequeueAfter > skewPollInterval {
		t.Errorf("it is reconciled again after %s: the API server may be upgraded", s.last.RequeueAfter)
	}
	s.refusal = nodetemplate.Refusal{}
	s.reconcile()
	if got := len(s.alive()); got != 3 {
		t.Errorf("there are %d nodes", got)
	}
}

func TestPoolWhoseRuntimeIsNotKnownIsReconciledAgain(t *testing.T) {
	s := newFixture(t, 2, newReadyFramework())
	s.resolveErr = errors.New("the API server does not answer")
	if err := s.tryReconcile(); err == nil || len(s.alive()) > 0 {
		t.Errorf("got %v and %d nodes", err, len(s.alive()))
	}
}

func TestAChangeOfTheRuntimesReconcilesAllPools(t *testing.T) {
	s := newFixture(t, 2, newReadyFramework())
	if got := len(s.reconciler.allPools(context.Background(), nil)); got != 1 {
		t.Errorf("it concerns %d pools", got)
	}
}

func TestCapacityIsQueriedOnlyWhileANodeWaits(t *testing.T) {
	s := newFixture(t, 1, newReadyFramework())
	s.capacity = agents(t, 2, 2)
	s.reconcile()
	if s.surveys != 0 {
		t.Error("Mesos was queried, and every node has an offer")
	}
	s.setConditions(s.alive()[0], isWaiting)
	s.reconcile()
	if s.surveys == 0 {
		t.Error("Mesos was not queried, and a node waits without an offer")
	}
	never := "needs 4 cpus on one agent; agent-3 comes nearest, with 2 cpus in all."
	s.expectCondition(v1alpha1.ConditionCapacityAvailable, metav1.ConditionFalse, v1alpha1.ReasonExceedsLargestAgent, never)
	s.expectCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonExceedsLargestAgent, never)
	if s.last.RequeueAfter != capacityPollInterval {
		t.Errorf("looks again after %s, want %s", s.last.RequeueAfter, capacityPollInterval)
	}
	s.capacity = agents(t, 16, 3.5)
	s.reconcile()
	s.expectCondition(v1alpha1.ConditionCapacityAvailable, metav1.ConditionFalse, v1alpha1.ReasonNoFittingOffer,
		"0 of 2 agents fit; according to the master: needs 4 cpus on one agent; agent-3 comes nearest, with 3.5 cpus free")
	s.capacity = agents(t, 16, 9)
	s.reconcile()
	s.expectCondition(v1alpha1.ConditionCapacityAvailable, metav1.ConditionFalse, v1alpha1.ReasonNoFittingOffer,
		"0 of 2 agents fit; according to the master there is room for 2, which is not offered to role k8sm")
}
