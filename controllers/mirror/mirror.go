// Package mirror reads the credentials for the mirror of artifacts from the secret that the
// operator's --node-runtime file names.
//
// They are read anew each time, so that a rotated secret is used by the next node and the next
// upgrade. The secret needs no label, because only the operator's own file names it. The package
// refuses to know who sends the credentials and when; controllers/mesosframework puts them into
// launch messages, and controllers/mesosnode into upgrade requests.
package mirror

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/controllers/nodetemplate"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// Reader reads the credentials. All fields are needed.
type Reader struct {
	// Client reads secrets.
	Client client.Reader
	// Namespace is the operator's own, in which the secret is.
	Namespace string
	// Runtimes has the present content of the file.
	Runtimes interface{ Current() nodetemplate.Runtime }
}

// Credentials returns what executors present to the mirror, nil if the file names no secret. Its
// errors do not quote values of the secret.
func (r Reader) Credentials(ctx context.Context) (*nodeapi.ServerCredentials, error) {
	runtime := r.Runtimes.Current()
	if runtime.MirrorCredentials == nil {
		return nil, nil
	}
	secret := &corev1.Secret{}
	name := runtime.MirrorCredentials.SecretRef.Name
	if err := r.Client.Get(ctx, client.ObjectKey{Namespace: r.Namespace, Name: name}, secret); err != nil {
		return nil, fmt.Errorf("reading the secret that mirrorCredentials in the operator's --node-runtime file names: %w", err)
	}
	credentials, err := runtime.ServerCredentials(secret.Data)
	if err != nil {
		return nil, fmt.Errorf("the secret %q, which mirrorCredentials in the operator's --node-runtime file names, cannot be used: %w", name, err)
	}
	return credentials, nil
}
