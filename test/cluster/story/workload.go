package story

import (
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/test/cluster/playground"
)

// workload is a web server that returns its host name. It has three pods behind a Service,
// on different nodes if there are enough.
const workload = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: default
spec:
  replicas: 3
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      terminationGracePeriodSeconds: 1
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: kubernetes.io/hostname
        whenUnsatisfiable: ScheduleAnyway
        labelSelector:
          matchLabels: {app: web}
      containers:
      - name: web
        image: $IMAGE
        imagePullPolicy: IfNotPresent
        command: [sh, -c, "mkdir /www && hostname >/www/index.html && echo $$(hostname) is serving && exec httpd -f -p 8080 -h /www"]
        ports:
        - containerPort: 8080
        resources:
          requests: {cpu: 50m, memory: 32Mi}
---
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: default
spec:
  selector: {app: web}
  ports:
  - port: 80
    targetPort: 8080
`

const webReplicas = 3

// runPods applies the workload and waits until all pods are available.
func (s *Story) runPods(ctx context.Context) (string, error) {
	manifest := strings.NewReplacer("$IMAGE", playground.ImageBusybox, "$$", "$").Replace(workload)
	if _, err := s.playground.Apply(ctx, manifest); err != nil {
		return "", err
	}
	if err := s.awaitPods(ctx); err != nil {
		return "", err
	}
	pods, err := s.webPods(ctx)
	if err != nil {
		return "", err
	}
	var places []string
	for i := range pods {
		places = append(places, pods[i].Spec.NodeName)
	}
	slices.Sort(places)
	return fmt.Sprintf("a Deployment's %d pods run, on %d nodes", len(pods), len(slices.Compact(places))), nil
}

// awaitPods waits until all replicas of the Deployment are available.
func (s *Story) awaitPods(ctx context.Context) error {
	err := wait(ctx, func(ctx context.Context) error {
		var web appsv1.Deployment
		if err := s.client.Get(ctx, client.ObjectKey{Namespace: "default", Name: "web"}, &web); err != nil {
			return fmt.Errorf("reading Deployment: %w", err)
		}
		status := web.Status
		if status.ObservedGeneration != web.Generation || status.AvailableReplicas != webReplicas || status.Replicas != webReplicas {
			return fmt.Errorf("%d of %d pods are available", status.AvailableReplicas, webReplicas)
		}
		return nil
	})
	if err != nil {
		pods, _ := s.playground.Kubectl(context.WithoutCancel(ctx), "get", "pods", "-A", "-o", "wide")
		events, _ := s.playground.Kubectl(context.WithoutCancel(ctx), "get", "events", "-A", "--field-selector=type=Warning")
		return fmt.Errorf("waiting for pods: %w\n%s%s", err, pods, events)
	}
	return nil
}

// webPods returns the pods of the workload that are not being deleted.
func (s *Story) webPods(ctx context.Context) ([]corev1.Pod, error) {
	var pods corev1.PodList
	if err := s.client.List(ctx, &pods, client.InNamespace("default"), client.MatchingLabels{"app": "web"}); err != nil {
		return nil, fmt.Errorf("listing pods: %w", err)
	}
	return slices.DeleteFunc(pods.Items, func(p corev1.Pod) bool { return p.DeletionTimestamp != nil }), nil
}

// reachService calls the Service from within a pod until each pod behind it has answered.
func (s *Story) reachService(ctx context.Context) (string, error) {
	var service corev1.Service
	if err := s.client.Get(ctx, client.ObjectKey{Namespace: "default", Name: "web"}, &service); err != nil {
		return "", fmt.Errorf("reading Service: %w", err)
	}
	pods, err := s.webPods(ctx)
	if err != nil {
		return "", err
	}
	waiting := map[string]bool{}
	for i := range pods {
		waiting[pods[i].Name] = true
	}
	url := "http://" + service.Spec.ClusterIP + "/"
	err = wait(ctx, func(ctx context.Context) error {
		for range 2 * len(pods) {
			answer, err := s.playground.Kubectl(ctx, "exec", pods[0].Name, "--", "wget", "-qO-", url)
			if err != nil {
				return err
			}
			delete(waiting, strings.TrimSpace(answer))
		}
		if len(waiting) > 0 {
			return fmt.Errorf("%d pods behind %s have not answered", len(waiting), url)
		}
		return nil
	})
	return fmt.Sprintf("a pod asked %s, and all %d pods answered in turn", url, len(pods)), err
}

// readLogs uses logs and exec of a pod, which the API server forwards to the kubelet.
func (s *Story) readLogs(ctx context.Context) (string, error) {
	pods, err := s.webPods(ctx)
	if err != nil {
		return "", err
	}
	for i := range pods {
		name := pods[i].Name
		logs, err := s.playground.Kubectl(ctx, "logs", name)
		if err != nil {
			return "", err
		}
		if want := name + " is serving"; !strings.Contains(logs, want) {
			return "", fmt.Errorf("the logs of %s are %q, want %q", name, logs, want)
		}
		host, err := s.playground.Kubectl(ctx, "exec", name, "--", "hostname")
		if err != nil {
			return "", err
		}
		if strings.TrimSpace(host) != name {
			return "", fmt.Errorf("hostname in %s prints %q", name, host)
		}
	}
	return fmt.Sprintf("kubectl logs and kubectl exec answer for all %d pods", len(pods)), nil
}
