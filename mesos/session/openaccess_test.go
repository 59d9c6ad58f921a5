package session_test

import (
	"encoding/base64"
	"testing"

	"github.com/k8sm/k8sm/mesos/access"
	"github.com/k8sm/k8sm/mesos/mesostest"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

func TestOpenAccess(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		credentials map[string]string
		want        access.Open
	}{
		"a master that authenticates": {map[string]string{"k8sm": "secret"}, access.Open{}},
		"a master that does not":      {nil, access.Open{Frameworks: true, Operators: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := startCluster(t, 0, func(o *mesostest.MasterOptions) { o.Credentials = tc.credentials })
			cfg := config(newMemoryStore(), m.Addr())
			cfg.Framework.Principal = "k8sm"
			cfg.Authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte("k8sm:secret"))
			r := start(t, cfg)
			r.awaitState(scheduler.Subscribed)
			got, err := r.OpenAccess(t.Context())
			if err != nil || got != tc.want {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
	unsubscribed := start(t, config(newMemoryStore(), "127.0.0.1:1"))
	if _, err := unsubscribed.OpenAccess(t.Context()); err == nil {
		t.Error("nobody was asked, and there is an answer")
	}
}
