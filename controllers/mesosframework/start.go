package mesosframework

import (
	"context"
	"fmt"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/sessions"
	"github.com/k8sm/k8sm/controllers/taskrecord"
	"github.com/k8sm/k8sm/mesos/scheduler"
	"github.com/k8sm/k8sm/mesos/session"
)

// startSession makes a session from the durable records, as the API server has them now, and
// runs it. Before the session launches anything, it asks Mesos for the state of the tasks
// that are on record. Failovers is the number of sessions directly before this one that
// another scheduler ended.
func (r *Reconciler) startSession(ctx context.Context, rc *reconcileContext, spec sessionSpec, failovers int) error {
	name := rc.framework.Name
	id, tasks, err := r.adoptFrameworkID(ctx, name)
	if err != nil {
		return err
	}
	spec.info.ID = id
	defaults := r.NodeDefaults
	if defaults.ClientCAData, err = r.readClientCA(ctx); err != nil {
		return err
	}
	record := r.recordOf(name)
	var running atomic.Pointer[sessions.Entry]
	record.Payload = r.payloadBuilder(defaults, spec.masters, &running)
	started, err := r.Dial(session.Config{
		Masters:       spec.masters,
		Framework:     spec.info,
		Credentials:   spec.access.Credentials,
		MaySubscribe:  r.MaySubscribe,
		Tasks:         tasks,
		AgentFailures: restoredFailures(rc.framework.Status.AgentFailures),
		Store:         record,
		Log:           r.Log.WithValues("MesosFramework", name),
		Clock:         r.Now,
		OnChange:      func() { r.Sessions.Notify(name) },
		Metrics:       r.Metrics,
	})
	if err != nil {
		return fmt.Errorf("making a session: %w", err)
	}
	entry, err := r.Sessions.Begin(name, started)
	if err != nil {
		return err
	}
	running.Store(entry)
	r.entries.set(name, &sessionEntry{Entry: entry, spec: spec, startedAt: rc.now, failovers: failovers})
	return nil
}

// recordOf returns the durable record of a framework.
func (r *Reconciler) recordOf(name string) *taskrecord.Store {
	return taskrecord.New(name, taskrecord.Options{Client: r.Client, Live: r.Live, Tokens: r.Tokens, CheckAddress: r.CheckAddress, Now: r.Now})
}

// readClientCA returns the PEM of the authorities that API servers publish for checking
// their clients. Kubelets need it, because the API server calls them for logs and exec. It
// may differ from the authority of the API server's own certificate. The result is nil where
// it is not published or this operator may not read it.
func (r *Reconciler) readClientCA(ctx context.Context) ([]byte, error) {
	var published corev1.ConfigMap
	err := r.Live.Get(ctx, client.ObjectKey{Namespace: metav1.NamespaceSystem, Name: "extension-apiserver-authentication"}, &published)
	switch {
	case apierrors.IsForbidden(err):
		r.Log.Info("The authority of the API server's clients cannot be read; nodes use that of the API server's own certificate, and logs and exec fail where the two differ", "error", err.Error())
	case client.IgnoreNotFound(err) != nil:
		return nil, fmt.Errorf("reading the authority of the API server's clients: %w", err)
	}
	return []byte(published.Data["client-ca-file"]), nil
}

// adoptFrameworkID stores the ID that a session is about to subscribe with, and returns it
// together with the tasks that belong to it, all as the API server has them now.
func (r *Reconciler) adoptFrameworkID(ctx context.Context, name string) (string, []scheduler.Task, error) {
	object := &v1alpha1.MesosFramework{}
	if err := r.Live.Get(ctx, client.ObjectKey{Name: name}, object); err != nil {
		return "", nil, fmt.Errorf("reading the framework ID: %w", err)
	}
	record := r.recordOf(name)
	tasks, err := record.LiveTasks(ctx)
	if err != nil {
		return "", nil, err
	}
	id, failed := decideFrameworkID(object, len(tasks))
	if failed != nil {
		return "", nil, failed
	}
	if id != "" {
		err = record.StoreFrameworkID(ctx, id)
	}
	return id, tasks, err
}
