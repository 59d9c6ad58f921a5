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

// checkTokens: a node's bootstrap token does not outlive the node.
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

// lookForResidue: executors take away what they made, before they end.
func (s *Story) lookForResidue(ctx context.Context) (string, error) {
	err := wait(ctx, func(context.Context) error {
		if residue := s.playground.Residue(); len(residue) > 0 {
			return fmt.Errorf("executors left behind:\n  %s", strings.Join(residue, "\n  "))
		}
		return nil
	})
	return "no process, mount, cgroup, interface or node's folder", err
}
