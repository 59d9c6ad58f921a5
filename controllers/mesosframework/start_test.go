package mesosframework

import (
	"context"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// Logs and exec come from the API server, with a certificate that may be of another
// authority than the API server's own.
func TestNodesGetTheClientCAOfTheAPIServer(t *testing.T) {
	published := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "extension-apiserver-authentication"},
		Data:       map[string]string{"client-ca-file": "of clients"},
	}
	refusing := func(err error) interceptor.Funcs {
		return interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, opts ...client.GetOption) error {
			if _, ok := object.(*corev1.ConfigMap); ok {
				return err
			}
			return c.Get(ctx, key, object, opts...)
		}}
	}
	for name, test := range map[string]struct {
		objects []client.Object
		answers interceptor.Funcs
		want    string
		err     string
	}{
		"the authority is published":              {objects: []client.Object{published}, want: "of clients"},
		"the authority is not published":          {},
		"the operator may not read the authority": {answers: refusing(apierrors.NewForbidden(corev1.Resource("configmaps"), published.Name, errors.New("no role")))},
		"the authority cannot be read now":        {answers: refusing(apierrors.NewTimeoutError("busy", 1)), err: "reading the authority of the API server's clients: Timeout: busy"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFixture(t, append(test.objects, newFramework("default"), newNode())...)
			s.reconciler.Live = interceptor.NewClient(s.client, test.answers)
			_, err := s.reconciler.Reconcile(context.Background(), reconcile.Request{NamespacedName: client.ObjectKey{Name: "default"}})
			if test.err != "" {
				if err == nil || err.Error() != test.err || len(s.sessions) > 0 {
					t.Errorf("got %v and %d sessions, want %s", err, len(s.sessions), test.err)
				}
				return
			}
			if err != nil || len(s.sessions) != 1 {
				t.Fatalf("got %v and %d sessions", err, len(s.sessions))
			}
			made, err := s.sessions[0].config.Store.Prepare(context.Background(), newIntent())
			if err != nil {
				t.Fatal(err)
			}
			message, err := nodeapi.DecodeLaunchSpec(made.Data)
			if err != nil || string(message.ClientCAData) != test.want {
				t.Errorf("the kubelet's clients are checked against %q (%v), want %q", message.ClientCAData, err, test.want)
			}
		})
	}
}
