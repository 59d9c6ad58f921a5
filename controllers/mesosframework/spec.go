package mesosframework

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/detector"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// sessionSpec is what a session is configured with: masters, registration and credentials.
type sessionSpec struct {
	masters []string
	// info is the registration. Its ID is empty until a session starts.
	info   scheduler.Info
	access access
}

// newSessionSpec returns the configuration that a MesosFramework asks for.
func newSessionSpec(framework *v1alpha1.MesosFramework, access access, hostname string) sessionSpec {
	info := scheduler.Info{
		Name:      framework.Spec.Name,
		User:      framework.Spec.User,
		Principal: access.principal,
		Hostname:  hostname,
		Roles:     framework.Spec.Roles,
	}
	if framework.Spec.FailoverTimeout != nil {
		info.FailoverTimeout = framework.Spec.FailoverTimeout.Duration
	}
	masters, login := splitLogin(framework.Spec.Masters)
	access.ZooKeeper = cmp.Or(access.ZooKeeper, login)
	return sessionSpec{masters: masters, info: info, access: access}
}

// splitLogin returns the masters without the login in the address of ZooKeeper, and that login,
// as user:password. Where a secret has the login, a session is not replaced when it is removed
// from the address.
func splitLogin(masters []string) (plain []string, login string) {
	for _, m := range masters {
		if ensemble, err := detector.ParseEnsemble(m); err == nil {
			m, login = ensemble.String(), ensemble.Login()
		}
		plain = append(plain, m)
	}
	return plain, login
}

// needsRestart reports whether a running session cannot be updated to the other
// configuration. Other masters need another session, and a master does not change name, user
// or principal of a framework that it knows.
func (s sessionSpec) needsRestart(other sessionSpec) bool {
	return !slices.Equal(s.masters, other.masters) || s.info.Name != other.info.Name ||
		s.info.User != other.info.User || s.info.Principal != other.info.Principal
}

// equal compares everything but the framework ID.
func (s sessionSpec) equal(other sessionSpec) bool {
	return !s.needsRestart(other) && s.access.equal(other.access) && equalInfo(s.info, other.info)
}

// equalInfo compares the part of the registration that a running session can update.
func equalInfo(a, b scheduler.Info) bool {
	return slices.Equal(a.Roles, b.Roles) && a.FailoverTimeout == b.FailoverTimeout && a.Hostname == b.Hostname
}

func (a access) equal(b access) bool {
	return a.Authorization == b.Authorization && a.ZooKeeper == b.ZooKeeper && a.principal == b.principal && slices.EqualFunc(a.material, b.material, bytes.Equal)
}

// update changes credentials and registration of a session that need not be restarted. Its
// stream stays: no offer is lost, and no task reconciliation is needed.
func (e *sessionEntry) update(wanted sessionSpec) error {
	wanted.info.ID = e.spec.info.ID
	if !e.spec.access.equal(wanted.access) {
		e.SetCredentials(wanted.access.Credentials)
	}
	if !equalInfo(e.spec.info, wanted.info) {
		if err := e.UpdateFramework(wanted.info); err != nil {
			return fmt.Errorf("updating the registration: %w", err)
		}
	}
	e.spec = wanted
	return nil
}
