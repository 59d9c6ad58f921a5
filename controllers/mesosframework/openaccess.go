package mesosframework

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	mesosaccess "github.com/k8sm/k8sm/mesos/access"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

const (
	// openAccessRetry is the time after which a master is asked again that did not answer.
	openAccessRetry = 10 * time.Minute
	// maxNamedAgents is the maximum number of agents that the condition names.
	maxNamedAgents = 3
)

// openAccess is what a master answered when it was asked which calls it serves without
// credentials.
type openAccess struct {
	master string
	open   mesosaccess.Open
	err    error
	at     time.Time
}

// reportOpenAccess writes the condition that warns of calls without credentials. While no
// master is subscribed to, it stays as it is.
func (r *Reconciler) reportOpenAccess(ctx context.Context, rc *reconcileContext, running *sessionEntry, nodes []v1alpha1.MesosNode) {
	state := running.State()
	if !state.Subscribed {
		return
	}
	answer := running.openAccess
	if !running.spec.access.authenticates() {
		// This operator calls without credentials itself, and is served.
		answer = openAccess{master: state.Master, open: mesosaccess.Open{Frameworks: true}}
	} else if answer.master != state.Master || answer.err != nil && !rc.now.Before(answer.at.Add(openAccessRetry)) {
		answer = openAccess{master: state.Master, at: rc.now}
		answer.open, answer.err = running.OpenAccess(ctx)
	}
	running.openAccess = answer
	if answer.err != nil {
		rc.requeueWithin(answer.at.Add(openAccessRetry).Sub(rc.now))
	}
	rc.setConditions(mesosAuthenticatedCondition(answer, openAgents(nodes)))
}

// authenticates reports whether the operator presents anything to the masters.
func (a access) authenticates() bool {
	return a.Authorization != "" || a.TLS != nil && len(a.TLS.Certificates) > 0
}

// requeueWithin reconciles again after a time, if nothing earlier is due.
func (rc *reconcileContext) requeueWithin(wait time.Duration) {
	if rc.requeue == 0 || wait < rc.requeue {
		rc.requeue = wait
	}
}

// openAgents returns the host names of agents that serve executors without credentials, as
// the executors of running nodes found.
func openAgents(nodes []v1alpha1.MesosNode) []string {
	var agents []string
	for i := range nodes {
		task := nodes[i].Status.Task
		if task != nil && task.AnonymousExecutors && !scheduler.TaskState(task.State).Terminal() {
			agents = append(agents, task.AgentHostname)
		}
	}
	slices.Sort(agents)
	return slices.Compact(agents)
}

// mesosAuthenticatedCondition is False if it is known that somebody without credentials may
// do what k8sm does.
func mesosAuthenticatedCondition(answer openAccess, agents []string) metav1.Condition {
	var open []string
	if answer.open.Frameworks {
		open = append(open, "masters serve frameworks (--authenticate_http_frameworks)")
	}
	if answer.open.Operators {
		open = append(open, "masters serve the operator API (--authenticate_http_readwrite)")
	}
	if len(agents) > 0 {
		named := strings.Join(agents[:min(len(agents), maxNamedAgents)], ", ")
		if more := len(agents) - maxNamedAgents; more > 0 {
			named += fmt.Sprintf(" and %d more", more)
		}
		open = append(open, fmt.Sprintf("the agents %s serve executors (--authenticate_http_executors)", named))
	}
	switch {
	case len(open) > 0:
		return newCondition(v1alpha1.ConditionMesosAuthenticated, metav1.ConditionFalse, v1alpha1.ReasonAnonymousCallsServed,
			"Without credentials, "+strings.Join(open, "; ")+". Whoever reaches them can take over nodes and read their bootstrap tokens: set these flags, see docs/security.md.")
	case answer.err != nil:
		return newCondition(v1alpha1.ConditionMesosAuthenticated, metav1.ConditionUnknown, v1alpha1.ReasonAccessUnknown,
			fmt.Sprintf("The master could not be asked whether it serves calls without credentials: %v.", answer.err))
	}
	return newCondition(v1alpha1.ConditionMesosAuthenticated, metav1.ConditionTrue, v1alpha1.ReasonAnonymousCallsRefused,
		"The master refuses calls without credentials, and no running node reports an agent that serves executors without.")
}
