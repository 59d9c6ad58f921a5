package main

import (
	"context"
	"fmt"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/mesos/mesostest"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

func runFakeKubelet(ctx context.Context, c client.Client, x *mesostest.Conn) error {
	for {
		event, err := x.Next(ctx)
		if err != nil {
			return nil // the container was destroyed
		}
		switch event.GetType() {
		case executor.Event_LAUNCH:
			if err := register(ctx, c, x, event.GetLaunch().Task); err != nil {
				return err
			}
		case executor.Event_KILL:
			return update(x, event.GetKill().TaskID, mesos.TASK_KILLED)
		case executor.Event_SHUTDOWN:
			return nil
		}
	}
}

func register(ctx context.Context, c client.Client, x *mesostest.Conn, task mesos.TaskInfo) error {
	launch, err := nodeapi.DecodeLaunchSpec(task.Data)
	if err != nil {
		return err
	}
	if err := update(x, task.TaskID, mesos.TASK_STARTING); err != nil {
		return err
	}
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: launch.NodeName, Labels: launch.Labels},
		Spec:       corev1.NodeSpec{ProviderID: launch.ProviderID},
	}
	for _, t := range launch.Taints {
		node.Spec.Taints = append(node.Spec.Taints, corev1.Taint{Key: t.Key, Value: t.Value, Effect: corev1.TaintEffect(t.Effect)})
	}
	if err := c.Create(ctx, node); err != nil {
		return fmt.Errorf("registering the Node: %w", err)
	}
	ready := client.MergeFrom(node.DeepCopy())
	node.Status = readyStatus()
	if err := c.Status().Patch(ctx, node, ready); err != nil {
		return fmt.Errorf("posting the Node's status: %w", err)
	}
	return update(x, task.TaskID, mesos.TASK_RUNNING)
}

func update(x *mesostest.Conn, task mesos.TaskID, state mesos.TaskState) error {
	return x.Update(mesos.TaskStatus{TaskID: task, State: &state})
}
