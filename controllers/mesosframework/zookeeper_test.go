package mesosframework

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/session"
)

func withZooKeeper(address string) func(*v1alpha1.MesosFramework) {
	return func(f *v1alpha1.MesosFramework) { f.Spec.Masters = []string{address} }
}

func withZooKeeperSecret(f *v1alpha1.MesosFramework) {
	f.Spec.ZooKeeperCredentials = &v1alpha1.ZooKeeperCredentials{SecretRef: v1alpha1.SecretReference{Name: "zookeeper"}}
}

func zookeeperSecret(password string) *corev1.Secret {
	return secret("zookeeper", map[string]string{"username": "mesos", "password": password + "\n"})
}

func TestTheLoginForZooKeeper(t *testing.T) {
	for name, test := range map[string]struct {
		masters string
		secret  bool
		want    string
	}{
		"none":                                  {"zk://z:2181/mesos", false, ""},
		"in the address, of an earlier release": {"zk://me:s@cret@z:2181/mesos", false, "me:s@cret"},
		"in a secret":                           {"zk://z:2181/mesos", true, "mesos:hunter2"},
		"in a secret and in the address":        {"zk://me:s@cret@z:2181/mesos/", true, "mesos:hunter2"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFramework("default", withZooKeeper(test.masters))
			if test.secret {
				withZooKeeperSecret(f)
			}
			s := newFixture(t, f, zookeeperSecret("hunter2"))
			s.reconcile("default")
			if got := s.sessions[0].config; got.ZooKeeper != test.want || !cmp.Equal(got.Masters, []string{"zk://z:2181/mesos"}) {
				t.Errorf("the login is %q and the masters are %v, want %q", got.ZooKeeper, got.Masters, test.want)
			}
		})
	}
}

// A rotated secret is used at once, and the login can be moved from the address into a secret,
// without a new session.
func TestTheLoginForZooKeeperChangesWithoutANewSession(t *testing.T) {
	s := newFixture(t, newFramework("default", withZooKeeper("zk://me:s@cret@z:2181/mesos"), storedID("f-1")), zookeeperSecret("hunter2"))
	s.reconcile("default")
	s.sessions[0].setState(subscribedState)
	s.edit(withZooKeeperSecret)
	s.reconcile("default")
	s.edit(withZooKeeper("zk://z:2181/mesos"))
	s.reconcile("default")
	rotated := zookeeperSecret("hunter3")
	if err := s.client.Update(context.Background(), rotated); err != nil {
		t.Fatal(err)
	}
	if requests := s.reconciler.toFrameworksWithSecret(context.Background(), rotated); len(requests) != 1 || requests[0].NamespacedName != (client.ObjectKey{Name: "default"}) {
		t.Errorf("the secret concerns %v", requests)
	}
	s.reconcile("default")
	if diff := cmp.Diff([]session.Credentials{{ZooKeeper: "mesos:hunter2"}, {ZooKeeper: "mesos:hunter3"}}, s.sessions[0].access); diff != "" || len(s.sessions) != 1 {
		t.Errorf("%d sessions, access that it went over to (-want +got):\n%s", len(s.sessions), diff)
	}
}

func TestFrameworksWithOneZooKeeperAreDuplicatesWhateverTheirLogin(t *testing.T) {
	a, b := newFramework("a", withZooKeeper("zk://me:s@cret@z:2181/mesos@prod")), newFramework("b", withZooKeeper("zk://Z:2181/mesos@prod"))
	if !isSameRegistration(a.Spec, b.Spec) {
		t.Error("they are not")
	}
	for name, address := range map[string]string{
		"in another order":            "zk://y:2181,z:2181/mesos@prod",
		"with one server in common":   "zk://z:2181,other:2181/mesos@prod",
		"with a slash at the end":     "zk://z:2181/mesos@prod/",
		"with a login and upper case": "zk://you:x@Z:2181,Y:2181/mesos@prod",
	} {
		if !isSameRegistration(a.Spec, newFramework("c", withZooKeeper(address)).Spec) {
			t.Errorf("the same ZooKeeper %s is another one", name)
		}
	}
	if isSameRegistration(a.Spec, newFramework("c", withZooKeeper("zk://z:2181/MESOS@prod")).Spec) {
		t.Error("paths that differ in case are the same")
	}
	c := newFramework("c", withZooKeeper("zk://other:2181/mesos@prod"))
	if isSameRegistration(a.Spec, c.Spec) {
		t.Error("frameworks with another ZooKeeper and the same end of the path are duplicates")
	}
}
