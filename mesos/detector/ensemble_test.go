package detector

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Mesos' own flags take addresses in which the path begins at the first slash, and the servers
// after the last @ before it.
func TestAddressesAreReadAsMesosDoes(t *testing.T) {
	for address, want := range map[string]Ensemble{
		"zk://zk1:2181/mesos":                       {Servers: []string{"zk1:2181"}, Path: "/mesos"},
		"zk://zk1:2181,zk2:2181/a/b":                {Servers: []string{"zk1:2181", "zk2:2181"}, Path: "/a/b"},
		"zk://zk1:2181/mesos/":                      {Servers: []string{"zk1:2181"}, Path: "/mesos"},
		"zk://zk1:2181/":                            {Servers: []string{"zk1:2181"}, Path: "/"},
		"zk://me:secret@zk1:2181/mesos":             {Servers: []string{"zk1:2181"}, Path: "/mesos", login: "me:secret"},
		"zk://me:s@cr:e,t@zk1:2181,zk2:2181/mesos/": {Servers: []string{"zk1:2181", "zk2:2181"}, Path: "/mesos", login: "me:s@cr:e,t"},
		"zk://me@corp:@@zk1:2181/mesos":             {Servers: []string{"zk1:2181"}, Path: "/mesos", login: "me@corp:@"},
		"zk://zk1:2181/me@sos":                      {Servers: []string{"zk1:2181"}, Path: "/me@sos"},
		"zk://me:secret@zk1:2181/me@sos":            {Servers: []string{"zk1:2181"}, Path: "/me@sos", login: "me:secret"},
	} {
		got, err := ParseEnsemble(address)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(Ensemble{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", address, diff)
		}
		if login := got.Login(); login != "" && strings.Contains(got.String(), login) {
			t.Errorf("%s contains the password", got)
		}
	}
	for _, address := range []string{"zk://me@zk1:2181/mesos", "zk://:x@zk1:2181/mesos", "zk://me:@zk1:2181/mesos", "zk://zk1:2181//mesos"} {
		if got, err := ParseEnsemble(address); err == nil {
			t.Errorf("%s is read as %+v", address, got)
		}
	}
}
