package mesosframework

import (
	"cmp"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/messages"
	"github.com/k8sm/k8sm/mesos/detector"
	"github.com/k8sm/k8sm/mesos/scheduler"
	"github.com/k8sm/k8sm/mesos/session"
)

// maxStateMessage is the number of bytes that a condition shows of what masters answer.
const maxStateMessage = 4096

// subscribedCondition is True while a master streams events, Unknown while nothing is known
// to be wrong, and False otherwise. Hint is appended to the message of the latter.
func subscribedCondition(state session.State, hint string) metav1.Condition {
	reason := conditionReason(state.Reason)
	switch {
	case state.Subscribed:
		return newCondition(v1alpha1.ConditionSubscribed, metav1.ConditionTrue, v1alpha1.ReasonSubscribed, masterMessage(state))
	case reason == v1alpha1.ReasonConnecting:
		return newCondition(v1alpha1.ConditionSubscribed, metav1.ConditionUnknown, reason, cmp.Or(state.Message, "Looking for the leading master."))
	}
	return newCondition(v1alpha1.ConditionSubscribed, metav1.ConditionFalse, reason, messages.Sentences(messages.Truncate(state.Message, maxStateMessage), hint))
}

// readyCondition is True when nodes can be launched.
func readyCondition(state session.State, hint string) metav1.Condition {
	c := subscribedCondition(state, hint)
	c.Type = v1alpha1.ConditionReady
	switch {
	case state.Subscribed && !state.Reconciled:
		c.Status, c.Reason = metav1.ConditionFalse, v1alpha1.ReasonReconcilingTasks
		c.Message = cmp.Or(state.Message, "Asking the master for the state of the known tasks.")
	case c.Status == metav1.ConditionUnknown:
		c.Status = metav1.ConditionFalse
	}
	return c
}

// protectedCondition warns of credentials that everybody on the way to the masters can read, and of
// a password that everybody can read who may see the MesosFramework. It is nil for a framework
// with neither credentials nor a password in an address.
func protectedCondition(spec v1alpha1.MesosFrameworkSpec) *metav1.Condition {
	masters, login := splitLogin(spec.Masters)
	if spec.Credentials == nil && login == "" {
		return nil
	}
	c := newCondition(v1alpha1.ConditionCredentialsProtected, metav1.ConditionTrue, v1alpha1.ReasonCredentialsProtected, "Credentials are sent over TLS only.")
	if login != "" {
		c = newCondition(c.Type, metav1.ConditionFalse, v1alpha1.ReasonPasswordInAddress,
			"spec.masters holds a password for ZooKeeper, which everybody reads who may see this MesosFramework. New frameworks may not have one; this one goes on. "+
				"Put username and password into a secret, name it in spec.zookeeperCredentials, and remove both from the address.")
	}
	if plain := plainTextMasters(spec, masters); len(plain) > 0 {
		before := c.Message
		c = newCondition(c.Type, metav1.ConditionFalse, v1alpha1.ReasonPlainTextCredentials, fmt.Sprintf(
			"The credentials are sent without TLS to %s: everybody on the way can read them and act as this framework. "+
				"Enable TLS on the masters, write https:// before their addresses, or set spec.tls with a zk:// address.", messages.List(plain, ", ", maxNamed)))
		if !spec.Insecure {
			c.Message = messages.Sentences(c.Message, "New frameworks need spec.insecure for that; this one is older than that rule.")
		}
		if login != "" {
			c.Message = messages.Sentences(c.Message, before)
		}
	}
	return &c
}

// plainTextMasters returns those of the masters that get the credentials of the spec without TLS.
func plainTextMasters(spec v1alpha1.MesosFrameworkSpec, masters []string) (plain []string) {
	for _, m := range masters {
		if _, err := detector.ParseEnsemble(m); err != nil && strings.HasPrefix(m, detector.Scheme) {
			m = "a zk:// address that cannot be read" // It may hold a password.
		}
		if spec.Credentials != nil && !strings.HasPrefix(m, "https://") && (spec.TLS == nil || !strings.HasPrefix(m, detector.Scheme)) {
			plain = append(plain, m)
		}
	}
	return plain
}

// specAppliedCondition is True if the master has the framework as the spec describes it.
func specAppliedCondition(state session.State) metav1.Condition {
	if state.Divergence == "" {
		return newCondition(v1alpha1.ConditionSpecApplied, metav1.ConditionTrue, v1alpha1.ReasonSpecApplied, "Mesos has the framework as the spec describes it.")
	}
	return newCondition(v1alpha1.ConditionSpecApplied, metav1.ConditionFalse, v1alpha1.ReasonKeptByMaster, fmt.Sprintf(
		"The master keeps something other than the spec: %s. To change it, create another MesosFramework, or get the permission in Mesos.", state.Divergence))
}

// failureConditions report an error that keeps the session from being as the spec asks for.
// If a session is running, it continues as it is, and Subscribed keeps reporting it.
func failureConditions(failed *terminalError, running bool) []metav1.Condition {
	if running {
		return []metav1.Condition{newCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, failed.reason,
			messages.Sentences(failed.message, "The running session continues with its previous configuration."))}
	}
	return []metav1.Condition{
		newCondition(v1alpha1.ConditionSubscribed, metav1.ConditionFalse, failed.reason, failed.message),
		newCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, failed.reason, failed.message),
	}
}

func masterMessage(state session.State) string {
	if state.MasterVersion == "" {
		return fmt.Sprintf("Subscribed to the master at %s.", state.Master)
	}
	return fmt.Sprintf("Subscribed to the master at %s (Mesos %s).", state.Master, state.MasterVersion)
}

// remedy returns what a person can do about a session that does not try again by itself, ""
// if there is nothing. Failovers is the number of
// sessions in a row that another scheduler ended.
func remedy(state session.State, spec v1alpha1.MesosFrameworkSpec, failovers int) string {
	switch state.Reason {
	case scheduler.FrameworkRemoved:
		if spec.OnFrameworkRemoved == v1alpha1.FrameworkRemovedRecreate && spec.FrameworkID != "" {
			return "Mesos has killed its nodes. spec.frameworkID names the registration that was removed: remove it from the spec to have the framework registered anew and the nodes replaced."
		}
		return "Mesos has killed its nodes, and nothing is done about their records until a person decides: " +
			"set spec.onFrameworkRemoved to Recreate to have it registered anew and the nodes replaced, or delete this MesosFramework and its pools."
	case scheduler.FailedOver:
		if failovers <= maxReclaims {
			return "Another scheduler uses this framework ID. It is taken back after a delay."
		}
		return "Another scheduler uses this framework ID, and took it back each time: make sure that only one does, then restart the operator."
	case scheduler.Refused:
		return fmt.Sprintf("It is tried again when the spec or a secret changes, and every %s.", refusedRetry)
	}
	return ""
}

func newCondition(conditionType string, status metav1.ConditionStatus, reason, message string) metav1.Condition {
	return metav1.Condition{Type: conditionType, Status: status, Reason: reason, Message: message}
}
