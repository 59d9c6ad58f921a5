package differential

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/k8sm/k8sm/controllers/autoscaler/scheduling"
)

// Tally counts the results of trials.
type Tally struct {
	Bound, Refused int            // pods
	Reasons        map[string]int // why nodes refused pods
}

// Add adds another tally.
func (t *Tally) Add(other Tally) {
	t.Bound, t.Refused = t.Bound+other.Bound, t.Refused+other.Refused
	for reason, n := range other.Reasons {
		t.Reasons[reason] += n
	}
}

// trial runs a scenario with the scheduler and with the simulation.
type trial struct {
	*ControlPlane
	scenario *Scenario
	cluster  *scheduling.Cluster
	tally    Tally
	arrived  []*corev1.Pod // so far
	placed   []string      // the result for each, for people
}

// Disagreement is the error that the scheduler did something else than the simulation predicts.
type Disagreement struct {
	What string
	Case string // the scenario so far, for people
}

func (d *Disagreement) Error() string { return d.What }

// Play gives the scenario's pods to the scheduler one after the other, and compares the results
// with the simulation's.
func (c *ControlPlane) Play(ctx context.Context, scenario *Scenario) (tally Tally, err error) {
	t, err := c.newTrial(scenario)
	if err != nil {
		return tally, err
	}
	defer func() { err = errors.Join(err, t.clean(context.WithoutCancel(ctx))) }()
	if err := t.createScenario(ctx); err != nil {
		return tally, err
	}
	for _, arrival := range scenario.Arrivals {
		if err := t.arrive(ctx, arrival); err != nil {
			return t.tally, err
		}
	}
	return t.tally, nil
}

func (c *ControlPlane) newTrial(scenario *Scenario) (*trial, error) {
	cluster, err := scheduling.New()
	if err != nil {
		return nil, fmt.Errorf("making a simulation: %w", err)
	}
	return &trial{ControlPlane: c, scenario: scenario, cluster: cluster, tally: Tally{Reasons: map[string]int{}}}, nil
}

// arrive gives a pod to the scheduler, and compares the result with the simulation's.
func (t *trial) arrive(ctx context.Context, arrival Arrival) error {
	t.arrived = append(t.arrived, arrival.Pod)
	pod, err := t.createPod(ctx, arrival.Pod)
	if err != nil {
		return err
	}
	verdicts := t.fits(pod)
	want := ""
	for _, node := range arrival.Order {
		if verdicts[node] == "" {
			want = node
			break
		}
	}
	after, err := t.verdicts.await(ctx, pod.UID, func(p *corev1.Pod) bool { return bound(p) || want == "" && unschedulable(p) })
	if err != nil && after == nil {
		return fmt.Errorf("giving pod %s to the scheduler: %w", pod.Name, err)
	}
	if after.Spec.NodeName != want || err != nil {
		return t.differs(verdicts, want, after)
	}
	if err := t.checkPlace(verdicts, pod); err != nil {
		return err
	}
	t.placed = append(t.placed, fmt.Sprintf("%s: %s", pod.Name, want))
	if want == "" {
		t.tally.Refused++
		return t.remove(ctx, pod)
	}
	t.tally.Bound++
	if err := t.learnVolumes(ctx, after); err != nil {
		return err
	}
	return t.cluster.AddPod(after)
}

// createPod creates a pod. One with a scheduling gate must wait, and then its gate is removed.
func (t *trial) createPod(ctx context.Context, pod *corev1.Pod) (*corev1.Pod, error) {
	pods := t.client.CoreV1().Pods(pod.Namespace)
	created, err := pods.Create(ctx, pod, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("creating pod: %w", err)
	}
	if len(pod.Spec.SchedulingGates) == 0 {
		return created, nil
	}
	if _, err := t.verdicts.await(ctx, created.UID, gated); err != nil {
		return nil, fmt.Errorf("waiting for pod %s to be gated: %w", pod.Name, err)
	}
	created, err = pods.Patch(ctx, pod.Name, types.MergePatchType, []byte(`{"spec":{"schedulingGates":null}}`), metav1.PatchOptions{})
	if err != nil {
		return nil, fmt.Errorf("removing the gate of pod %s: %w", pod.Name, err)
	}
	return created, nil
}

// fits returns by node why the pod does not fit in the simulation, "" where it fits.
func (t *trial) fits(pod *corev1.Pod) map[string]string {
	verdicts := map[string]string{}
	for _, node := range t.scenario.Nodes {
		fits, why := t.cluster.Fits(pod, node.Name)
		if !fits {
			t.tally.Reasons[why]++
		}
		verdicts[node.Name] = why
	}
	return verdicts
}

// checkPlace checks that the simulation places the pod on a node that it fits. Place uses cached
// results, Fits does not.
func (t *trial) checkPlace(verdicts map[string]string, pod *corev1.Pod) error {
	fits := slices.Contains(slices.Collect(maps.Values(verdicts)), "")
	placed := t.place(pod)
	if fits == (placed != "") && (placed == "" || verdicts[placed] == "") {
		return nil
	}
	return t.disagreement(fmt.Sprintf("the simulation disagrees with itself: pod %s was placed on %q, but Fits returned %v for the nodes", pod.Name, placed, verdicts))
}

// place returns the node on which the simulation would place the pod.
func (t *trial) place(pod *corev1.Pod) string {
	mark := t.cluster.Checkpoint()
	defer t.cluster.Revert(mark)
	node, _ := t.cluster.Place(pod)
	return node
}

// remove deletes a pod that fits nowhere, so that it is not scheduled later.
func (t *trial) remove(ctx context.Context, pod *corev1.Pod) error {
	err := t.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, *metav1.NewDeleteOptions(0))
	if err != nil {
		return fmt.Errorf("deleting pod %s: %w", pod.Name, err)
	}
	return nil
}
