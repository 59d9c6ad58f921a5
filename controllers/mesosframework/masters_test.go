package mesosframework

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/k8sm/k8sm/mesos/nodeapi"
	"github.com/k8sm/k8sm/mesos/session"
)

func TestMasterAddresses(t *testing.T) {
	for name, test := range map[string]struct{ masters, want []string }{
		"none": {nil, nil},
		"with and without scheme": {
			[]string{"m1.example:5050", "http://10.0.0.1:5050", "https://m3.example:5050/"},
			[]string{"m1.example:5050", "10.0.0.1:5050", "m3.example:5050"},
		},
		"ZooKeeper": {[]string{"zk://user:secret@zk1.example:2181,zk2.example:2181/mesos"}, []string{"zk1.example:2181", "zk2.example:2181"}},
	} {
		if diff := cmp.Diff(test.want, masterAddresses(test.masters)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestNodesAreToldTheMasters(t *testing.T) {
	for name, test := range map[string]struct {
		deny bool
		want []string
	}{
		"as by default": {true, []string{"10.0.0.1:5050", "10.0.0.2:5050", "leader.example:5050"}},
		"opted out":     {false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			framework := newFramework("default")
			framework.Spec.Masters = []string{"http://10.0.0.1:5050"}
			s := newFixture(t, framework, newNode())
			s.reconciler.NodeDefaults.Network.DenyAgent = test.deny
			if _, err := s.reconciler.Reconcile(context.Background(), reconcile.Request{NamespacedName: client.ObjectKey{Name: "default"}}); err != nil {
				t.Fatal(err)
			}
			s.sessions[0].setState(session.State{Master: "leader.example:5050"})
			s.sessions[0].masters = []string{"10.0.0.2:5050", "10.0.0.1:5050"}
			made, err := s.sessions[0].config.Store.Prepare(context.Background(), newIntent())
			if err != nil {
				t.Fatal(err)
			}
			message, err := nodeapi.DecodeLaunchSpec(made.Data)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, message.Network.Deny); diff != "" || message.Network.DenyAgent != test.deny {
				t.Errorf("agent denied: %t, others (-want +got):\n%s", message.Network.DenyAgent, diff)
			}
		})
	}
}
