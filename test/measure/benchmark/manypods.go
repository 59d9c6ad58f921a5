package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

const (
	// manyPodsNodes is the number of nodes, as a multiple of that of the other measurements.
	manyPodsNodes = 5
	// podsPerNode is the number of pods on each node.
	podsPerNode = 10
	// podsPerTemplate is the number of pods that share a template.
	podsPerTemplate = 200
)

// measureManyPods measures the operator's memory with many nodes and pods: its caches, and the
// autoscaler's copy of them.
func measureManyPods(ctx context.Context, o options) ([]figure, error) {
	o.nodes *= manyPodsNodes
	c, err := startCluster(ctx, o)
	if err != nil {
		return nil, err
	}
	defer c.stop()
	if err := c.client.Create(ctx, newAutoscaledPool(o.nodes)); err != nil {
		return nil, fmt.Errorf("creating the pool: %w", err)
	}
	if err := c.waitPool(ctx, o.nodes); err != nil {
		return nil, err
	}
	empty, err := memoryOf(c.operator.Process.Pid)
	if err != nil {
		return nil, err
	}
	if err := c.createManyPods(ctx); err != nil {
		return nil, err
	}
	if err := sleep(ctx, restAfter); err != nil {
		return nil, err
	}
	full, err := memoryOf(c.operator.Process.Pid)
	if err != nil {
		return nil, err
	}
	most, err := peakOf(c.operator.Process.Pid)
	if err != nil {
		return nil, err
	}
	return []figure{{
		Name: "operator_rss_5000_nodes_50000_pods", Value: full.resident, Unit: "MiB", Goal: "under 400",
		Beside: map[string]float64{
			"nodes": float64(o.nodes), "pods": float64(o.nodes * podsPerNode), "before_the_pods": empty.resident, "peak": most, "own_data": full.anonymous,
		},
		Note: "the operator's process on a real API server, as its manifest starts it; kubelets are functions; 200 pods to a template",
	}}, nil
}

// createManyPods creates pods on all nodes.
func (c *cluster) createManyPods(ctx context.Context) error {
	var nodes v1alpha1.MesosNodeList
	if err := c.client.List(ctx, &nodes); err != nil {
		return fmt.Errorf("listing MesosNodes: %w", err)
	}
	return inStreams(podsPerNode*len(nodes.Items), func(i int) error {
		return c.client.Create(ctx, newPod(i, nodes.Items[i/podsPerNode].Name))
	})
}

// newPod returns a pod like those of Deployments, on a node with room for ten.
func newPod(i int, node string) *corev1.Pod {
	owner := fmt.Sprintf("workload-%d", i/podsPerTemplate)
	pod := podAsking(fmt.Sprintf("%s-%05d", owner, i), "180m")
	pod.Labels = map[string]string{"app": owner, "pod-template-hash": "7c5b8d9f4", "tier": "backend"}
	pod.Annotations = map[string]string{"prometheus.io/scrape": "true", "prometheus.io/port": "8080"}
	pod.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: "apps/v1", Kind: "ReplicaSet", Name: owner, UID: types.UID(owner), Controller: new(true), BlockOwnerDeletion: new(true),
	}}
	pod.Spec.NodeName, pod.Spec.ServiceAccountName = node, "default"
	token := fmt.Sprintf("kube-api-access-%05d", i)
	pod.Spec.Volumes = []corev1.Volume{{Name: token, VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
		Sources: []corev1.VolumeProjection{
			{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token"}},
			{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: corev1.LocalObjectReference{Name: "kube-root-ca.crt"}}},
		},
	}}}}
	main := &pod.Spec.Containers[0]
	main.VolumeMounts = []corev1.VolumeMount{{Name: token, MountPath: "/var/run/secrets/kubernetes.io/serviceaccount", ReadOnly: true}}
	main.Env = []corev1.EnvVar{{Name: "LISTEN", Value: ":8080"}, {Name: "LEVEL", Value: "info"}}
	main.Resources.Requests[corev1.ResourceMemory] = resource.MustParse("128Mi")
	main.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("128Mi")}
	for _, taint := range []string{corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable} {
		pod.Spec.Tolerations = append(pod.Spec.Tolerations, corev1.Toleration{
			Key: taint, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: new(int64(5 * time.Minute / time.Second)),
		})
	}
	return pod
}
