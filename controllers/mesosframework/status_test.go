package mesosframework

import (
	"context"
	"errors"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

func TestErrorsOfAStatusPatch(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want string // "" if Reconcile is to return no error
	}{
		"the MesosFramework is gone meanwhile": {
			err: apierrors.NewNotFound(v1alpha1.GroupVersion.WithResource("mesosframeworks").GroupResource(), "default"),
		},
		"the API server is not available": {
			err: errors.New("connection refused"), want: "writing status: connection refused",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFixture(t, newFramework("default"))
			s.reconciler.Client = interceptor.NewClient(s.client, interceptor.Funcs{
				SubResourcePatch: func(context.Context, client.Client, string, client.Object, client.Patch, ...client.SubResourcePatchOption) error {
					return test.err
				},
			})
			_, err := s.reconciler.Reconcile(context.Background(), reconcile.Request{NamespacedName: client.ObjectKey{Name: "default"}})
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if len(s.recorder.Events) > 0 {
				t.Errorf("an event was recorded of a status that was not written: %s", <-s.recorder.Events)
			}
		})
	}
}
