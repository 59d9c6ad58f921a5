package story

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

type (
	pod  = corev1.Pod
	node = corev1.Node
)

// checkTokens checks that no bootstrap token is left when there are no nodes.
func (s *Story) checkTokens(ctx context.Context) error {
	var secrets corev1.SecretList
	if err := s.client.List(ctx, &secrets, client.InNamespace("kube-system")); err != nil {
		return fmt.Errorf("listing secrets: %w", err)
	}
	for i := range secrets.Items {
		if strings.HasPrefix(secrets.Items[i].Name, "bootstrap-token-") {
			return fmt.Errorf("the bootstrap token %s is still there", secrets.Items[i].Name)
		}
	}
	return nil
}

// checkLeftovers checks that executors have removed all that they made.
func (s *Story) checkLeftovers(ctx context.Context) (string, error) {
	err := wait(ctx, func(context.Context) error {
		if leftovers := s.playground.Leftovers(); len(leftovers) > 0 {
			return fmt.Errorf("executors left behind:\n  %s", strings.Join(leftovers, "\n  "))
		}
		return nil
	})
	return "no process, mount, cgroup, interface or node folder is left", err
}
