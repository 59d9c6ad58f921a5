package mesosframework

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/controllers/nodetemplate"
)

// readMirrorAuthorization reads what a node presents to the mirror of artifacts, "" if the
// operator's file names no credentials. It is read for each launch, so that a rotated secret is
// used by the next node. The secret needs no label, because only the operator's own file names
// it.
func (r *Reconciler) readMirrorAuthorization(ctx context.Context, credentials *nodetemplate.MirrorCredentials) (string, error) {
	if credentials == nil {
		return "", nil
	}
	secret := &corev1.Secret{}
	name := credentials.SecretRef.Name
	if err := r.Client.Get(ctx, client.ObjectKey{Namespace: r.Namespace, Name: name}, secret); err != nil {
		return "", fmt.Errorf("reading the secret that mirrorCredentials in the operator's --node-runtime file names: %w", err)
	}
	authorization, err := credentials.Authorization(secret.Data)
	if err != nil {
		return "", fmt.Errorf("the secret %q, which mirrorCredentials in the operator's --node-runtime file names, cannot be used: %w", name, err)
	}
	return authorization, nil
}
