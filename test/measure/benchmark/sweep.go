package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/test/cluster/playground"
)

// dirtyPods is the number of pods on the killed node.
const dirtyPods = 20

// sweep kills all processes of the only node at once, and measures by the next executor's log how
// long it needs to clean up.
func (r *fleet) sweep(ctx context.Context) (figure, error) {
	name, dead, err := r.onlyNode(ctx)
	if err != nil {
		return figure{}, err
	}
	if err := r.runPods(ctx, name); err != nil {
		return figure{}, err
	}
	w, err := r.timeNode(ctx, func() error { return killAll(dead) })
	if err != nil {
		return figure{}, err
	}
	_, living, err := r.onlyNode(ctx)
	if err != nil {
		return figure{}, err
	}
	began, err := living.Logged(`msg="Launching task"`)
	swept, sweptErr := living.Logged(`msg="Swept what a dead node left"`)
	if err := errors.Join(err, sweptErr); err != nil {
		return figure{}, err
	}
	if len(began) == 0 || len(swept) == 0 {
		return figure{}, fmt.Errorf("the executor after that of %s has swept nothing", name)
	}
	return figure{
		Name: "sweep_dirty_agent", Value: swept[0].Sub(began[0]).Seconds(), Unit: "s",
		Beside: map[string]float64{"pods": dirtyPods, "accept_to_ready_s": w.total().Seconds()},
		Note:   "all processes of a node of so many pods were killed at once; mounts, network, cgroups and files are swept before the next node fetches anything",
	}, nil
}

func killAll(c playground.Container) error {
	pids := playground.InCgroup(c.ID)
	if len(pids) == 0 {
		return fmt.Errorf("nothing runs in container %s", c.ID)
	}
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL) // the end of one may have been that of another
	}
	return nil
}

// runPods runs pods with a volume each on a node.
func (r *fleet) runPods(ctx context.Context, node string) error {
	for i := range dirtyPods {
		if err := r.client.Create(ctx, dirtyPod(i, node)); err != nil {
			return fmt.Errorf("creating a pod: %w", err)
		}
	}
	return waitFor(ctx, pollInterval, func() (bool, string, error) {
		var pods corev1.PodList
		if err := r.client.List(ctx, &pods, client.InNamespace(metav1.NamespaceDefault)); err != nil {
			return false, "", fmt.Errorf("listing pods: %w", err)
		}
		waiting := slices.DeleteFunc(pods.Items, func(p corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning })
		return len(waiting) == 0, fmt.Sprintf("%d pods do not run", len(waiting)), nil
	})
}

func dirtyPod(i int, node string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("dirty-%d", i), Namespace: metav1.NamespaceDefault},
		Spec: corev1.PodSpec{
			NodeName: node,
			Containers: []corev1.Container{{
				Name: "main", Image: playground.ImageBusybox, ImagePullPolicy: corev1.PullIfNotPresent,
				Command:      []string{"sleep", "36000"},
				VolumeMounts: []corev1.VolumeMount{{Name: "data", MountPath: "/data"}},
			}},
			Volumes: []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
				EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory},
			}}},
		},
	}
}
