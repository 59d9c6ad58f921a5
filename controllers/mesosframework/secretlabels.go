package mesosframework

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/messages"
)

// The operator reads every secret of its namespace, and sends credentials to the servers that a
// MesosFramework names. Without a label on the secret, whoever may create a MesosFramework could
// have any secret of that namespace sent to a server of their own.
//
// Frameworks that were registered before there was such a rule go on with the secrets that they
// named then. The first reconciliation writes these secrets into status.unlabelledSecrets, and
// the condition SecretsLabelled shows that it did. Both are in the status, which only the
// operator may write, and are stored before the framework can get an ID: so nobody gets
// a secret exempted by creating a framework first and naming the secret afterwards.

// permitSecrets decides which secrets may be used without the label, and writes the condition
// SecretsLabelled.
func (r *Reconciler) permitSecrets(ctx context.Context, rc *reconcileContext) error {
	named := secretNames(rc.framework.Spec)
	exempt := rc.framework.Status.UnlabelledSecrets
	decided := meta.FindStatusCondition(rc.framework.Status.Conditions, v1alpha1.ConditionSecretsLabelled) != nil
	if !decided && r.wasRegistered(rc) {
		exempt = named
	}
	var unlabelled, exempted []string
	for _, name := range named {
		labelled, err := r.isLabelled(ctx, name)
		if err != nil {
			return err
		}
		if slices.Contains(exempt, name) && labelled != metav1.ConditionTrue {
			exempted = append(exempted, name)
		}
		if labelled == metav1.ConditionFalse {
			unlabelled = append(unlabelled, name)
		}
	}
	rc.framework.Status.UnlabelledSecrets = exempted
	rc.setConditions(secretsLabelledCondition(unlabelled, exempted, r.Namespace))
	if decided {
		return nil
	}
	if err := r.patchStatus(ctx, rc); err != nil {
		return err
	}
	rc.before = rc.framework.DeepCopy()
	return nil
}

// wasRegistered reports whether the framework had an ID when it was first reconciled. The
// annotation does not count, because whoever creates a MesosFramework can set it.
func (r *Reconciler) wasRegistered(rc *reconcileContext) bool {
	running := r.findSession(rc.framework.Name)
	return rc.framework.Status.FrameworkID != "" || running != nil && running.frameworkID() != ""
}

// isLabelled reports whether a secret has the label. It is Unknown if there is no such secret.
func (r *Reconciler) isLabelled(ctx context.Context, name string) (metav1.ConditionStatus, error) {
	secret := &corev1.Secret{}
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: r.Namespace, Name: name}, secret)
	switch {
	case apierrors.IsNotFound(err):
		return metav1.ConditionUnknown, nil
	case err != nil:
		return "", fmt.Errorf("reading secret %s: %w", name, err)
	case hasLabel(secret):
		return metav1.ConditionTrue, nil
	}
	return metav1.ConditionFalse, nil
}

func hasLabel(secret *corev1.Secret) bool {
	return secret.Labels[v1alpha1.LabelFrameworkSecret] == "true"
}

// secretNames returns the names of the secrets in a spec, sorted.
func secretNames(spec v1alpha1.MesosFrameworkSpec) []string {
	var names []string
	for _, ref := range secretRefs(spec) {
		names = append(names, ref.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func secretRefs(spec v1alpha1.MesosFrameworkSpec) []v1alpha1.SecretReference {
	var refs []v1alpha1.SecretReference
	if spec.Credentials != nil {
		refs = append(refs, spec.Credentials.SecretRef)
	}
	if spec.ZooKeeperCredentials != nil {
		refs = append(refs, spec.ZooKeeperCredentials.SecretRef)
	}
	if spec.TLS != nil {
		refs = append(refs, spec.TLS.SecretRef)
	}
	return refs
}

// checkPermitted returns a *terminalError if the framework may not use the secret.
func (rc *reconcileContext) checkPermitted(secret *corev1.Secret) error {
	if hasLabel(secret) || slices.Contains(rc.framework.Status.UnlabelledSecrets, secret.Name) {
		return nil
	}
	return &terminalError{v1alpha1.ReasonSecretNotLabelled, describeUnlabelled([]string{secret.Name}, secret.Namespace)}
}

// secretsLabelledCondition is False if the framework names secrets without the label, also
// those that it may use.
func secretsLabelledCondition(unlabelled, exempted []string, namespace string) metav1.Condition {
	if len(unlabelled) == 0 {
		return newCondition(v1alpha1.ConditionSecretsLabelled, metav1.ConditionTrue, v1alpha1.ReasonSecretsLabelled, "The spec names no secret that lacks the label.")
	}
	message := describeUnlabelled(unlabelled, namespace)
	if !slices.ContainsFunc(unlabelled, func(name string) bool { return !slices.Contains(exempted, name) }) {
		message = messages.Sentences(message, "This framework is older than that rule, and goes on.")
	}
	return newCondition(v1alpha1.ConditionSecretsLabelled, metav1.ConditionFalse, v1alpha1.ReasonSecretNotLabelled, message)
}

// describeUnlabelled names secrets without the label, and the command that labels them.
func describeUnlabelled(names []string, namespace string) string {
	noun := "The secret %s in the namespace %s lacks"
	if len(names) > 1 {
		noun = "The secrets %s in the namespace %s lack"
	}
	return fmt.Sprintf(noun+" the label %s=true, without which a MesosFramework may not use a secret: it sends secrets to the servers that it names. "+
		`If that is what it is for, run "kubectl --namespace=%s label secret %s %s=true".`,
		messages.List(names, ", ", maxNamed), namespace, v1alpha1.LabelFrameworkSecret, namespace, messages.List(names, " ", maxNamed), v1alpha1.LabelFrameworkSecret)
}
