package mesosframework

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// terms are what a session is held on: where, as what, and with which credentials.
type terms struct {
	masters []string
	// info says as what to register. Its ID is empty until a session begins.
	info   scheduler.Info
	access access
}

// termsOf are the terms that a MesosFramework asks for.
func termsOf(object *v1alpha1.MesosFramework, with access, hostname string) terms {
	info := scheduler.Info{
		Name:      object.Spec.Name,
		User:      object.Spec.User,
		Principal: with.principal,
		Hostname:  hostname,
		Roles:     object.Spec.Roles,
	}
	if object.Spec.FailoverTimeout != nil {
		info.FailoverTimeout = object.Spec.FailoverTimeout.Duration
	}
	return terms{masters: object.Spec.Masters, info: info, access: with}
}

// anew tells whether a session on the terms cannot go over to others: the masters are
// asked where there are others, and a master takes neither name, user nor principal of
// a framework that it knows.
func (t terms) anew(other terms) bool {
	return !slices.Equal(t.masters, other.masters) || t.info.Name != other.info.Name ||
		t.info.User != other.info.User || t.info.Principal != other.info.Principal
}

// equal tells whether nothing differs.
func (t terms) equal(other terms) bool {
	return !t.anew(other) && t.access.equal(other.access) && sameInfo(t.info, other.info)
}

func sameInfo(a, b scheduler.Info) bool {
	return slices.Equal(a.Roles, b.Roles) && a.FailoverTimeout == b.FailoverTimeout && a.Hostname == b.Hostname
}

func (a access) equal(b access) bool {
	return a.Authorization == b.Authorization && a.principal == b.principal && slices.EqualFunc(a.material, b.material, bytes.Equal)
}

// adopt has a session go over to terms that it need not begin anew for. Its stream lives
// on: no offer is lost, and no task has to be asked for.
func (c *conversation) adopt(wanted terms) error {
	wanted.info.ID = c.terms.info.ID
	if !c.terms.access.equal(wanted.access) {
		c.SetCredentials(wanted.access.Credentials)
	}
	if !sameInfo(c.terms.info, wanted.info) {
		if err := c.Update(wanted.info); err != nil {
			return fmt.Errorf("updating the registration: %w", err)
		}
	}
	c.terms = wanted
	return nil
}
