package mesosframework

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/scheduler"
	"github.com/k8sm/k8sm/mesos/session"
)

func secret(name string, data map[string]string) *corev1.Secret {
	out := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Namespace: "k8sm-system", Name: name, Labels: map[string]string{v1alpha1.LabelFrameworkSecret: "true"}}, Data: map[string][]byte{}}
	for key, value := range data {
		out.Data[key] = []byte(value)
	}
	return out
}

func withCredentials(kind v1alpha1.CredentialsType) func(*v1alpha1.MesosFramework) {
	return func(f *v1alpha1.MesosFramework) {
		f.Spec.Credentials = &v1alpha1.Credentials{Type: kind, SecretRef: v1alpha1.SecretReference{Name: "login"}}
	}
}

func TestSessionStartsWithTheRecordedState(t *testing.T) {
	f := newFramework("default", withCredentials(v1alpha1.CredentialsBasic))
	f.Status.FrameworkID = "f-1"
	task := func(name, framework, state string) *v1alpha1.MesosNode {
		return newNode(func(n *v1alpha1.MesosNode) {
			n.Name, n.Spec.FrameworkRef.Name = name, framework
			n.Status.Task = &v1alpha1.MesosTask{ID: name + ".0f1e2d3c.1", AgentID: "S1", State: state}
		})
	}
	s := newFixture(t, f, secret("login", map[string]string{"principal": "k8sm", "secret": "s3cret\n"}),
		newNode(), task("runs", "default", "TASK_RUNNING"), task("intended", "default", ""),
		task("ended", "default", "TASK_FAILED"), task("cut-off", "default", "TASK_UNREACHABLE"), task("foreign", "other", "TASK_RUNNING"))
	s.reconciler.Hostname = "operator-0"
	s.reconcile("default")
	if len(s.sessions) != 1 {
		t.Fatalf("%d sessions were made", len(s.sessions))
	}
	got := s.sessions[0].config
	if diff := cmp.Diff(scheduler.Info{
		ID: "f-1", Name: "k8sm", User: "root", Principal: "k8sm", Hostname: "operator-0",
		Roles: []string{"k8sm"}, FailoverTimeout: 168 * time.Hour,
	}, got.Framework); diff != "" {
		t.Errorf("framework (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]scheduler.Task{
		{ID: "cut-off.0f1e2d3c.1", AgentID: "S1", Group: "general", State: scheduler.TaskUnreachable},
		{ID: "intended.0f1e2d3c.1", AgentID: "S1", Group: "general"},
		{ID: "runs.0f1e2d3c.1", AgentID: "S1", Group: "general", State: scheduler.TaskRunning},
	}, got.Tasks); diff != "" {
		t.Errorf("tasks (-want +got):\n%s", diff)
	}
	if want := "Basic " + base64.StdEncoding.EncodeToString([]byte("k8sm:s3cret")); got.Authorization != want {
		t.Errorf("authorization is %q, want %q", got.Authorization, want)
	}
	if n := s.framework("default").Status.Nodes; n != 5 {
		t.Errorf("%d nodes are counted, want 5", n)
	}
}

func TestConditionsReportTheStateOfTheSession(t *testing.T) {
	lost := func(reason scheduler.StateReason, message string) session.State {
		return session.State{Reason: reason, Message: message}
	}
	tests := map[string]struct {
		state             session.State
		subscribed, ready string // status, reason and part of the message
	}{
		"the session has no state yet": {
			subscribed: "Unknown Connecting Looking for the leading master.",
			ready:      "False Connecting Looking for the leading master.",
		},
		"the session is subscribed": {
			state:      subscribedState,
			subscribed: "True Subscribed Subscribed to the master at 10.0.0.1:5050 (Mesos 1.11.1).",
			ready:      "True Subscribed Subscribed to the master at 10.0.0.1:5050 (Mesos 1.11.1).",
		},
		"the tasks are being reconciled": {
			state:      session.State{Subscribed: true, FrameworkID: "f-1", Master: "10.0.0.1:5050", Reason: scheduler.ReconcilingTasks},
			subscribed: "True Subscribed Subscribed to the master at 10.0.0.1:5050.",
			ready:      "False ReconcilingTasks Asking the master",
		},
		"no master answers": {
			state:      lost(scheduler.MasterUnreachable, "m:5050: connection refused."),
			subscribed: "False MasterUnreachable m:5050: connection refused.",
			ready:      "False MasterUnreachable m:5050: connection refused.",
		},
		"the master refuses": {
			state:      lost(scheduler.Refused, "Role 'x' is not allowed."),
			subscribed: "False Refused Role 'x' is not allowed. It is tried again when the spec or a secret changes, and every 5m0s.",
			ready:      "False Refused",
		},
		"the framework was removed": {
			state:      session.State{Reason: scheduler.FrameworkRemoved, Message: "Framework has been removed.", Final: true},
			subscribed: "False FrameworkRemoved Framework has been removed. Mesos has killed its nodes",
			ready:      "False FrameworkRemoved",
		},
		"another scheduler took over": {
			state:      session.State{Reason: scheduler.FailedOver, Message: "Framework failed over.", Final: true},
			subscribed: "False FailedOver Framework failed over. Another scheduler uses this framework ID. It is taken back after a delay.",
			ready:      "False FailedOver",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newFixture(t, newFramework("default"))
			s.reconcile("default")
			s.sessions[0].setState(test.state)
			s.reconcile("default")
			for kind, want := range map[string]string{v1alpha1.ConditionSubscribed: test.subscribed, v1alpha1.ConditionReady: test.ready} {
				status, reason, message := s.condition("default", kind)
				if got := string(status) + " " + reason + " " + message; !strings.HasPrefix(got, want) {
					t.Errorf("%s is %q, want %q", kind, got, want)
				}
			}
			writes := s.writes
			s.reconcile("default")
			if s.writes != writes {
				t.Error("the status was written again though nothing had changed")
			}
		})
	}
}

func TestEventsOfSubscriptions(t *testing.T) {
	s := newFixture(t, newFramework("default"))
	s.reconcile("default")
	s.sessions[0].setState(subscribedState)
	s.reconcile("default")
	s.sessions[0].setState(session.State{Reason: scheduler.NoLeader, Message: "No master leads.", FrameworkID: "f-1"})
	s.reconcile("default")
	s.reconcile("default")
	var got []string
	for len(s.recorder.Events) > 0 {
		got = append(got, <-s.recorder.Events)
	}
	want := []string{
		"Normal Subscribed Subscribed to the master at 10.0.0.1:5050 (Mesos 1.11.1).",
		"Warning Disconnected NoLeader: No master leads.",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestSecretsThatCannotBeUsed(t *testing.T) {
	tls := func(f *v1alpha1.MesosFramework) {
		f.Spec.TLS = &v1alpha1.MasterTLS{SecretRef: v1alpha1.SecretReference{Name: "login"}}
	}
	zookeeper := func(f *v1alpha1.MesosFramework) {
		f.Spec.Masters = []string{"zk://z:2181/mesos"}
		f.Spec.ZooKeeperCredentials = &v1alpha1.ZooKeeperCredentials{SecretRef: v1alpha1.SecretReference{Name: "login"}}
	}
	tests := map[string]struct {
		spec   func(*v1alpha1.MesosFramework)
		secret map[string]string
		reason string
		says   string
	}{
		"a secret that does not exist": {
			spec: withCredentials(v1alpha1.CredentialsBasic), reason: v1alpha1.ReasonSecretNotFound,
			says: `spec.credentials.secretRef names the secret "login", and there is none in the namespace k8sm-system`,
		},
		"a secret of authorities that does not exist": {
			spec: tls, reason: v1alpha1.ReasonSecretNotFound, says: `spec.tls.secretRef names the secret "login"`,
		},
		"credentials without a principal": {
			spec: withCredentials(v1alpha1.CredentialsBasic), secret: map[string]string{"secret": "x"},
			reason: v1alpha1.ReasonSecretInvalid, says: `lacks the key "principal"`,
		},
		"an empty password": {
			spec: withCredentials(v1alpha1.CredentialsBasic), secret: map[string]string{"principal": "p", "secret": "\n"},
			reason: v1alpha1.ReasonSecretInvalid, says: `lacks the key "secret"`,
		},
		"a principal that basic authentication cannot carry": {
			spec: withCredentials(v1alpha1.CredentialsBasic), secret: map[string]string{"principal": "a:b", "secret": "x"},
			reason: v1alpha1.ReasonSecretInvalid, says: "no ':' in it",
		},
		"credentials without a token": {
			spec: withCredentials(v1alpha1.CredentialsBearer), secret: map[string]string{"secret": "x"},
			reason: v1alpha1.ReasonSecretInvalid, says: `lacks the key "token"`,
		},
		"a token that no header can carry": {
			spec: withCredentials(v1alpha1.CredentialsBearer), secret: map[string]string{"token": "a\nb"},
			reason: v1alpha1.ReasonSecretInvalid, says: "no HTTP header may have",
		},
		"credentials of ZooKeeper that do not exist": {
			spec: zookeeper, reason: v1alpha1.ReasonSecretNotFound, says: `spec.zookeeperCredentials.secretRef names the secret "login"`,
		},
		"credentials of ZooKeeper without a user": {
			spec: zookeeper, secret: map[string]string{"password": "x"}, reason: v1alpha1.ReasonSecretInvalid, says: `lacks the key "username"`,
		},
		"credentials of ZooKeeper without a password": {
			spec: zookeeper, secret: map[string]string{"username": "x"}, reason: v1alpha1.ReasonSecretInvalid, says: `lacks the key "password"`,
		},
		"a user that ZooKeeper cannot have": {
			spec: zookeeper, secret: map[string]string{"username": "a:b", "password": "x"}, reason: v1alpha1.ReasonSecretInvalid, says: "no ':' in it",
		},
		"a secret without authorities": {
			spec: tls, secret: map[string]string{"tls.crt": "x"}, reason: v1alpha1.ReasonSecretInvalid, says: `lacks the key "ca.crt"`,
		},
		"authorities that are not PEM": {
			spec: tls, secret: map[string]string{"ca.crt": "hello"}, reason: v1alpha1.ReasonSecretInvalid, says: "no certificate in PEM",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			objects := []client.Object{newFramework("default", test.spec)}
			if test.secret != nil {
				objects = append(objects, secret("login", test.secret))
			}
			s := newFixture(t, objects...)
			s.reconcile("default")
			for _, kind := range []string{v1alpha1.ConditionSubscribed, v1alpha1.ConditionReady} {
				status, reason, message := s.condition("default", kind)
				if status != metav1.ConditionFalse || reason != test.reason || !strings.Contains(message, test.says) {
					t.Errorf("%s is %s %s %q, want %s with %q", kind, status, reason, message, test.reason, test.says)
				}
			}
			if len(s.sessions) > 0 {
				t.Error("a session was made all the same")
			}
		})
	}
}

func TestASessionStartsOnceTheMissingSecretIsCreated(t *testing.T) {
	s := newFixture(t, newFramework("default", withCredentials(v1alpha1.CredentialsBearer)))
	s.reconcile("default")
	login := secret("login", map[string]string{"token": "t0ken", "principal": "k8sm"})
	if err := s.client.Create(context.Background(), login); err != nil {
		t.Fatal(err)
	}
	requests := s.reconciler.toFrameworksWithSecret(context.Background(), login)
	if len(requests) != 1 || requests[0].Name != "default" {
		t.Fatalf("the secret concerns %v", requests)
	}
	s.reconcile("default")
	if len(s.sessions) != 1 || s.sessions[0].config.Authorization != "Bearer t0ken" || s.sessions[0].config.Framework.Principal != "k8sm" {
		t.Errorf("sessions are %+v", s.sessions)
	}
}

func TestASessionIsReplacedOnlyAfterItHasEnded(t *testing.T) {
	s := newFixture(t, newFramework("default"))
	s.next = &fakeSession{ignoresContext: true, release: make(chan struct{})}
	s.reconcile("default")
	first := s.sessions[0]
	s.edit(func(f *v1alpha1.MesosFramework) { f.Spec.Masters = []string{"new.mesos:5050"} })
	s.reconcile("default")
	if len(s.sessions) != 1 {
		t.Fatal("a second session began while the first one ran")
	}
	close(first.release)
	s.await("the next session", func() bool { s.reconcile("default"); return len(s.sessions) == 2 })
	if diff := cmp.Diff([]string{"new.mesos:5050"}, s.sessions[1].config.Masters); diff != "" {
		t.Errorf("masters (-want +got):\n%s", diff)
	}
	s.reconcile("default")
	if len(s.sessions) != 2 {
		t.Error("another session was made though nothing had changed")
	}
}

func TestRefusedSubscriptionIsRetried(t *testing.T) {
	s := newFixture(t, newFramework("default"))
	s.reconcile("default")
	s.sessions[0].setState(session.State{Reason: scheduler.Refused, Message: "No.", Final: true})
	s.now = noon.Add(time.Minute)
	if again := s.reconcile("default"); again != 4*time.Minute || len(s.sessions) != 1 {
		t.Errorf("looked at again after %s, with %d sessions", again, len(s.sessions))
	}
	s.now = noon.Add(5 * time.Minute)
	s.await("another session", func() bool { s.reconcile("default"); return len(s.sessions) == 2 })
}

func TestFinalStateIsNotRetried(t *testing.T) {
	s := newFixture(t, newFramework("default"))
	s.reconcile("default")
	s.sessions[0].setState(session.State{Reason: scheduler.FrameworkRemoved, Message: "Over.", Final: true})
	s.now = noon.Add(24 * time.Hour)
	s.reconcile("default")
	if len(s.sessions) != 1 {
		t.Error("a session began again")
	}
}

func TestTheOlderOfTwoDuplicatesWins(t *testing.T) {
	later := func(f *v1alpha1.MesosFramework) { f.CreationTimestamp = metav1.NewTime(noon.Add(time.Hour)) }
	tests := map[string]struct {
		younger   func(*v1alpha1.MesosFramework)
		duplicate bool
	}{
		"the same masters, name and roles":     {duplicate: true, younger: func(*v1alpha1.MesosFramework) {}},
		"the same masters with another scheme": {duplicate: true, younger: func(f *v1alpha1.MesosFramework) { f.Spec.Masters = []string{"http://LEADER.mesos:5050"} }},
		"the same masters with another login":  {duplicate: true, younger: func(f *v1alpha1.MesosFramework) { f.Spec.Masters = []string{"zk://me:other@leader.mesos:5050"} }},
		"one master in common":                 {duplicate: true, younger: func(f *v1alpha1.MesosFramework) { f.Spec.Masters = []string{"m2:5050", "leader.mesos:5050"} }},
		"another user":                         {duplicate: true, younger: func(f *v1alpha1.MesosFramework) { f.Spec.User = "nobody" }},
		"the same masters in another order": {duplicate: true, younger: func(f *v1alpha1.MesosFramework) {
			f.Spec.Masters = []string{"https://m2:5050/", "https://Leader.mesos:5050/"}
		}},
		"another cluster":  {younger: func(f *v1alpha1.MesosFramework) { f.Spec.Masters = []string{"other.mesos:5050"} }},
		"another name":     {younger: func(f *v1alpha1.MesosFramework) { f.Spec.Name = "k8sm-2" }},
		"another role":     {younger: func(f *v1alpha1.MesosFramework) { f.Spec.Roles = []string{"other"} }},
		"additional roles": {younger: func(f *v1alpha1.MesosFramework) { f.Spec.Roles = []string{"k8sm", "other"} }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newFixture(t, newFramework("a-younger", later, test.younger), newFramework("b-older"))
			s.reconcile("b-older")
			s.reconcile("a-younger")
			want := 2
			if test.duplicate {
				want = 1
				_, reason, message := s.condition("a-younger", v1alpha1.ConditionReady)
				if reason != v1alpha1.ReasonDuplicateFramework || !strings.Contains(message, `"b-older"`) {
					t.Errorf("the younger is %s: %s", reason, message)
				}
			}
			if len(s.sessions) != want {
				t.Errorf("%d sessions, want %d", len(s.sessions), want)
			}
		})
	}
}
